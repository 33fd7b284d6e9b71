"""From a user's change to the status that answers it, on an idle, converged cluster.

A user creates one binding after the other. The time runs from the API server's answer to
the user to its answer to the PATCH of that binding's status, by the audit log, in microseconds. The
yardstick (react.c) holds the same watch, PATCHes as soon as the event is there, and then sends what Tollgate sends
as well: the account's status, and an Event. Without these the server would have half as much garbage to collect beside the yardstick,
which is what the slowest rounds wait for. Both take turns on the same cluster in blocks of rounds, so that the machine cancels out.
"""

import http.client
import json
import random
import ssl
import statistics
import subprocess
import time

import objects
from audit import Audit, BenchError
from sides import BARE_AGENT, OUT, TOLLGATE_AGENT, Tollgate, credentials
from table import milliseconds, short

BLOCKS, ROUNDS = 20, 60     # of each side
PAUSE_SECONDS = 0.025       # after each round, and a little more, so that no timer runs in step with it
USER_AGENT = "tollgate-bench-user"
BINDINGS = "patch billingaccountbindings status"

# Targets: by how much a quantile may be above the yardstick's.
TARGET_MS = {50: 0.3, 99: 1.0}


class User:
    """Creates bindings over one connection."""

    def __init__(self, stage):
        self.stage, self.made = stage, 0
        pki = stage.plane.dir / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.connection = http.client.HTTPSConnection("127.0.0.1", stage.plane.ports["kube-apiserver"], context=context, timeout=30)

    def binding(self, number):
        path, thing = self.stage.content.binding(number)
        thing["metadata"]["name"], thing["spec"]["projectRef"]["name"] = f"latency-{number:06}", f"latency-{number:06}"
        return path, thing

    def create(self):
        path, thing = self.binding(self.made)
        self.made += 1
        self.connection.request("POST", path, json.dumps(thing), {"Content-Type": "application/json", "User-Agent": USER_AGENT})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise BenchError(f"a binding was not created: {text.decode()}")

    def rounds(self):
        for _ in range(ROUNDS):
            self.create()
            time.sleep(PAUSE_SECONDS * random.uniform(1, 1.4))


def waits(audit, agent):
    """Seconds from each binding's creation to its status, as the API server answered them."""
    created = {one.name: one.at for one in audit.requests(USER_AGENT, {"create"})}
    answered = {}
    for one in audit.requests(agent, {"patch"}):
        if one.what == BINDINGS and one.code == 200:
            answered.setdefault(one.name, one.at)
    missing = created.keys() - answered.keys()
    if missing:
        raise BenchError(f"{len(missing)} of {len(created)} new bindings were given no status by {agent}; the first: {min(missing)}")
    return [answered[name] - at for name, at in created.items()]


def settle(audit, agent):
    """The last status may still be on its way, and the log behind."""
    deadline = time.time() + 10
    while sum(one.what == BINDINGS for one in audit.requests(agent, {"patch"})) < ROUNDS and time.time() < deadline:
        time.sleep(0.1)


def ours(stage, user):
    with Tollgate(stage.options, stage.plane) as tollgate:
        tollgate.wait_converged(stage.options.deadline, stage.progress)      # what the yardstick has left undone
        audit = Audit(stage.plane)
        user.rounds()
        settle(audit, TOLLGATE_AGENT)
    return waits(audit, TOLLGATE_AGENT)


def round_of(content, status, path, thing, number):
    """The lines of react.c's plan for one new binding."""
    name, account = thing["metadata"]["name"], content.account_of(number)
    event_path, event = content.event_of_binding(name, account)
    return "".join(f"{method} {to} {json.dumps(body)}\n" for method, to, body in (
        ("PATCH", f"{path}/{name}/status", status),
        ("PATCH", f"{content.account_path(account)}/status", {"status": {"linkedProjectsCount": number}}),
        ("POST", event_path, event))) + "\n"


def theirs(stage, user):
    path = f"{objects.API}/billingaccountbindings"
    version = json.loads(stage.plane.kubectl("get", "--raw", f"{path}?limit=1").stdout)["metadata"]["resourceVersion"]
    _, status = next(stage.content.status_patches(["billingaccountbindings"]))
    plan = OUT / "react.plan"
    plan.write_text(f"{path}?watch=1&allowWatchBookmarks=true&resourceVersion={version}\n" + "".join(
        round_of(stage.content, status, *user.binding(number), number) for number in range(user.made, user.made + ROUNDS)))
    with subprocess.Popen([OUT / "react", plan, *credentials(stage.plane)], stdout=subprocess.PIPE, text=True) as process:
        if process.stdout.readline() != "watching\n":
            raise BenchError("the yardstick of latency could not watch; what it said is above")
        time.sleep(0.5)
        audit = Audit(stage.plane)
        user.rounds()
        settle(audit, BARE_AGENT)
        process.terminate()
    return waits(audit, BARE_AGENT)


def latency(stage):
    """{"tollgate": [seconds, ...], "bare": [...]}"""
    user, found = User(stage), {"tollgate": [], "bare": []}
    stage.step("a change's way to its status")
    for block in range(BLOCKS):
        for name, side in (("tollgate", ours), ("bare", theirs)):
            found[name] += side(stage, user)
            stage.progress.bar(block * 2 + (name == "bare") + 1, BLOCKS * 2)
    return found


def quantile(values, percent):
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def latency_rows(table, size, found):
    table.section(f"{short(size)} bindings: from a new binding to its status, idle")
    for percent, most in TARGET_MS.items():
        tollgate, bare = (quantile(found[name], percent) for name in ("tollgate", "bare"))
        table.row(f"p{percent} of {len(found['tollgate'])}; of the bare watch-and-PATCH; by how much above",
                  f"{milliseconds(tollgate)}; {milliseconds(bare)}; {milliseconds(tollgate - bare)}", (tollgate - bare) * 1000, most, unit=" ms")
