"""One account with very many bindings: does a change cost more for that, and how fast do all its gates close?

Half of the bindings belong to one account, the others to accounts of PER_ACCOUNT each. The
same changes are made to bindings of the one and of the others, and what Tollgate's CPU takes for
each is compared. Then the provider says that the one account's payment method has failed.
"""

import time

import objects
from audit import Audit, BenchError, counts, last
from sides import BARE_AGENT, TOLLGATE_AGENT, Tollgate, cpu_seconds

PER_ACCOUNT = 20
CHANGES = 1000
ROUNDS = 3
BINDING_STATUS = "patch billingaccountbindings status"

# Targets; 1.1 is what "does not grow" is taken to mean.
TARGET_GROWTH, TARGET_RATE = 1.1, 0.9


def content(hot):
    return objects.OneHotAccount(hot, hot // PER_ACCOUNT)


# ---------------------------------------------------------------- changes

def new_bindings(stage, numbers):
    stage.send("delete", ((stage.content.binding_path(i), None) for i in numbers))
    stage.send("load", (stage.content.binding(i) for i in numbers))


def wiped_statuses(stage, numbers):
    """Nothing of it concerns the account: Tollgate writes as many statuses on either side."""
    stage.send("patch", ((f"{stage.content.binding_path(i)}/status", {"status": {"conditions": None}}) for i in numbers))


CHANGE = {"a status wiped by someone, and written again": wiped_statuses, "a binding deleted and another made": new_bindings}


def cost(stage, tollgate, change, numbers):
    """CPU seconds of Tollgate from the first change until it is at rest, and what it wrote."""
    audit, began = Audit(stage.plane), cpu_seconds(tollgate.pid)
    change(stage, numbers)
    tollgate.wait_idle(stage.options.deadline, stage.progress)
    return {"cpu_seconds": cpu_seconds(tollgate.pid) - began, "counts": counts(audit.writes(TOLLGATE_AGENT))}


def changes(stage, tollgate):
    """{change: {"hot": [cost, ...], "spread": [...]}}; both sides in turn."""
    hot = stage.content.hot
    sides = {"hot": range(min(CHANGES, hot)), "spread": range(hot, hot + min(CHANGES, hot))}
    found = {name: {side: [] for side in sides} for name in CHANGE}
    stage.step(f"{CHANGES} changes at one account of {hot} bindings, and at accounts of {PER_ACCOUNT}")
    for number in range(ROUNDS):
        for at, (name, change) in enumerate(CHANGE.items()):
            for side in ("hot", "spread") if number % 2 else ("spread", "hot"):
                found[name][side].append(cost(stage, tollgate, change, sides[side]))
            stage.progress.bar(number * len(CHANGE) + at + 1, ROUNDS * len(CHANGE))
    return found


# ---------------------------------------------------------------- the method that fails

def conditions(stage, allowed):
    """What Tollgate changes in the statuses of the one account's bindings, by the bare loop."""
    for i, (path, body) in enumerate(stage.content.status_patches(["billingaccountbindings"])):
        if i >= stage.content.hot:
            return
        gate = body["status"]["conditions"][1]
        if not allowed:
            gate.update(status="False", reason="PaymentMethodNotUsable",
                        message='default payment method "pm-00000" cannot be charged: card declined (card_declined)')
        yield path, {"status": {"conditions": body["status"]["conditions"]}}


def closing(stage, tollgate):
    """Tollgate: from the provider's word to the last status; statuses written."""
    audit = Audit(stage.plane)
    stage.step(f"the default payment method fails: {stage.content.hot} gates close")
    stage.send("patch", [(stage.content.method_status_path(0), {"status": {
        "phase": "Failed", "failureReason": "card_declined", "failureMessage": "card declined"}})])
    tollgate.wait_idle(stage.options.deadline, stage.progress)
    said = max(one.at for one in audit.requests(BARE_AGENT, {"patch"}))
    writes = [one for one in audit.writes(TOLLGATE_AGENT) if one.what == BINDING_STATUS and one.code == 200]
    if len(writes) < stage.content.hot:
        raise BenchError(f"of {stage.content.hot} bindings Tollgate wrote only {len(writes)}; its log: {tollgate.log}")
    closed = sum(one["type"] == "DeployAllowed" and one["status"] == "False"
                 for plural, item in stage.items() if plural == "billingaccountbindings" for one in item["status"]["conditions"])
    if closed != stage.content.hot:
        raise BenchError(f"{closed} gates are closed instead of {stage.content.hot}")
    return {"seconds": last(writes) - said, "writes": len(writes)}


def bare_rate(stage, allowed):
    """The bare loop writes the same objects' conditions: how long, how many."""
    stage.step(f"the bare loop writes the same {stage.content.hot} statuses")
    audit = Audit(stage.plane)
    done = stage.bare.run("patch", conditions(stage, allowed), stage.options.streams)
    return {"seconds": last(audit.writes(BARE_AGENT)) - done["began"], "writes": done["requests"]}


def failing_method(stage):
    """Tollgate between two turns of the bare loop, as the server grows slower. Each changes what is stored: gates that are open and closed
    in turn."""
    before = [bare_rate(stage, allowed) for allowed in (False, True)]
    with Tollgate(stage.options, stage.plane) as tollgate:
        tollgate.wait_converged(stage.options.deadline, stage.progress)
        found = closing(stage, tollgate)
    return {"tollgate": found, "bare": before + [bare_rate(stage, allowed) for allowed in (True, False)]}


def many_bindings(stage, parts):
    """What `parts` names of hot-account and failing-method; {part: what was found}."""
    found = {}
    stage.load()
    with Tollgate(stage.options, stage.plane) as tollgate:
        stage.step("Tollgate writes all statuses")
        tollgate.wait_converged(stage.options.deadline, stage.progress, stage.content.bindings)
        if "hot-account" in parts:
            found["hot-account"] = changes(stage, tollgate)
    if "failing-method" in parts:
        found["failing-method"] = failing_method(stage)
    return found


# ---------------------------------------------------------------- rows

def hot_account_rows(table, hot, found):
    table.section(f"one account of {hot} bindings, beside accounts of {PER_ACCOUNT}")
    for name, sides in found.items():
        numbers = [sum(n for what, n in sides[side][-1]["counts"].items() if what.endswith("status")) for side in ("hot", "spread")]
        table.ratio(f"CPU for {name}: over that at small accounts",
                    [one["cpu_seconds"] / other["cpu_seconds"] for one, other in zip(sides["hot"], sides["spread"])], TARGET_GROWTH,
                    note="; {:.3f} ms and {:.3f} ms; {} and {} statuses written".format(*(min(
                        one["cpu_seconds"] for one in sides[side]) * 1000 / min(CHANGES, hot) for side in ("hot", "spread")), *numbers))


def failing_method_rows(table, hot, found):
    table.section(f"the default payment method of an account of {hot} projects fails")

    def rate(one):
        return one["writes"] / one["seconds"]
    bare = [rate(one) for one in found["bare"]]
    ratio = rate(found["tollgate"]) / (sum(bare) / len(bare))
    table.row("time until all bindings say DeployAllowed=False; statuses a second; the bare loop's, twice before and twice after; over its mean",
              "{:.1f} s; {:.0f}; {}; {:.2f}".format(found["tollgate"]["seconds"], rate(found["tollgate"]), ", ".join(
                  f"{one:.0f}" for one in bare), ratio), ratio, least=TARGET_RATE)
