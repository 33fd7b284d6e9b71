"""Races: two who write at once, with the webhooks on, where neither can be judged by what the other is just doing. What is let in must come to
rest in a state that the domain's rules allow, and never pass through one that they do not."""

import threading

import pytest

from client import GROUP, ApiError, settles, until
from conftest import plane_with_webhooks

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="its API server must reach us")

ACCOUNT, BINDING, METHOD = "BillingAccount", "BillingAccountBinding", "PaymentMethod"
ROUNDS = 100
WEBHOOK, FLAGS = True, ["--rebind=Reject"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with plane_with_webhooks(tmp_path_factory) as plane:
        yield plane


def race(c, *acts, rounds=ROUNDS):
    """Each act(client, round) on a thread and a connection of its own, all acts of a round at once. [[refusal or None of each act] a round]"""
    line = threading.Barrier(len(acts))
    outcomes = [[None] * len(acts) for _ in range(rounds)]
    broken = []

    def run(number, act):
        client = c.another()
        try:
            for one in range(rounds):
                line.wait(30)
                try:
                    act(client, one)
                except ApiError as error:
                    outcomes[one][number] = str(error)
        except Exception as error:  # noqa: BLE001 - told below
            broken.append(error)
            line.abort()
    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    return outcomes


def never_two_active(c, ns, version):
    """At no moment since then had a project two Active bindings in that namespace."""
    active = {}
    for kind, binding in c.events_since(BINDING, ns, version):
        of = active.setdefault(binding["spec"]["projectRef"]["name"], set())
        of.discard(binding["metadata"]["name"])
        if kind != "DELETED" and binding.get("status", {}).get("phase") == "Active":
            of.add(binding["metadata"]["name"])
        assert len(of) <= 1, of


def test_two_bindings_of_one_project(c):
    """Where both come through the door, one waits until the other goes: nobody is superseded with --rebind=Reject."""
    ns = c.namespace()
    c.account(ns)
    c.account(ns, "other")
    version = c.version(BINDING, ns)
    outcomes = race(c, lambda c, n: c.bind(ns, f"{ns}-{n}", "main", f"a{n}"), lambda c, n: c.bind(ns, f"{ns}-{n}", "other", f"b{n}"))
    said = [one for outcome in outcomes for one in outcome if one]
    assert all("already has an active billing account binding" in one for one in said), said
    assert all(None in outcome for outcome in outcomes), "one of two is always let in"

    def standings():
        found = {}
        for one in c.list(BINDING, ns):
            [bound] = [cond for cond in one["status"]["conditions"] if cond["type"] == "Bound"]
            found.setdefault(one["spec"]["projectRef"]["name"], []).append((one["status"].get("phase"), bound["status"]))
        return [sorted(of, key=str) for of in found.values()]
    alone, both = [("Active", "True")], sorted([("Active", "True"), (None, "False")], key=str)
    until(lambda: len(standings()) == ROUNDS and all(of in (alone, both) for of in standings()))
    assert sum(of == both for of in standings()) == 2 * ROUNDS - len(said) - ROUNDS
    never_two_active(c, ns, version)

    # And once all has settled, the door knows.
    for number in range(10):
        with pytest.raises(ApiError, match="already has an active billing account binding"):
            c.bind(ns, f"{ns}-{number}")


@pytest.fixture
def cards(c):
    """A namespace in which the account a0 has the Active method m0, a1 has m1, and so on, and none has a default."""
    ns = c.namespace()
    for number in range(ROUNDS):
        c.account(ns, f"a{number}", ready=False)
        c.method(ns, f"m{number}", f"a{number}")
    settles(lambda: {one.get("status", {}).get("phase") for one in c.list(METHOD, ns)}, {"Active"})
    return ns


def choose(ns):
    return lambda c, n: c.patch(ACCOUNT, ns, f"a{n}", {"spec": {"defaultPaymentMethodRef": {"name": f"m{n}"}}})


def defaults(c, ns):
    """{account: (whether it names a default, what its condition says of that)}"""
    return {one["metadata"]["name"]: ("defaultPaymentMethodRef" in one["spec"], next(
        cond["reason"] for cond in one["status"]["conditions"] if cond["type"] == "DefaultPaymentMethodReady")) for one in c.list(ACCOUNT, ns)}


def test_default_that_fails_in_the_same_second(c, cards):
    outcomes = race(c, choose(cards), lambda c, n: c.outcome(cards, f"m{n}", "declined"))
    assert [failing for _, failing in outcomes if failing] == []
    said = [choosing for choosing, _ in outcomes]
    assert all("only Active payment methods" in one for one in said if one), said
    settles(lambda: {one["status"]["phase"] for one in c.list(METHOD, cards)}, {"Failed"})
    settles(lambda: defaults(c, cards), {
        f"a{n}": (False, "NotConfigured") if said[n] else (True, "PaymentMethodDegraded") for n in range(ROUNDS)})


def test_method_deleted_while_it_becomes_the_default(c, cards):
    outcomes = race(c, choose(cards), lambda c, n: c.delete(METHOD, cards, f"m{n}"))
    left = {one["metadata"]["name"] for one in c.list(METHOD, cards)}
    wanted = {}
    for n, (choosing, deleting) in enumerate(outcomes):
        assert not (choosing and deleting), "one of two is always let through"
        assert not choosing or "was not found" in choosing or "only Active payment methods" in choosing, choosing
        assert not deleting or "is the default for billing account" in deleting, deleting
        assert (f"m{n}" in left) == bool(deleting)
        wanted[f"a{n}"] = (False, "NotConfigured") if choosing else (True, "Ready" if deleting else "PaymentMethodNotFound")
    settles(lambda: defaults(c, cards), wanted)


def test_account_deleted_while_a_binding_is_made(c):
    ns = c.namespace()
    for number in range(ROUNDS):
        c.account(ns, f"a{number}", ready=False)
    settles(lambda: {one["status"]["phase"] for one in c.list(ACCOUNT, ns)}, {"Ready"})
    version = c.version(ACCOUNT, ns)
    outcomes = race(c, lambda c, n: c.bind(ns, f"{ns}-{n}", f"a{n}", f"b{n}"), lambda c, n: c.delete(ACCOUNT, ns, f"a{n}"))
    said = [one for outcome in outcomes for one in outcome if one]
    words = ("is being deleted", "not found", "billing account has active binding")
    assert all(any(word in one for word in words) for one in said), said
    assert all(None in outcome for outcome in outcomes), "one of two is always let through"

    def at_rest():
        accounts = {one["metadata"]["name"] for one in c.list(ACCOUNT, ns)}
        for one in c.list(BINDING, ns):
            [bound] = [cond for cond in one["status"]["conditions"] if cond["type"] == "Bound"]
            state = one["status"].get("phase"), bound["reason"]
            there = one["spec"]["billingAccountRef"]["name"] in accounts
            assert state == ("Active", "SuccessfulBinding") if there else state[0] is None and state[1] == "AccountNotFound", (one, there)
        return accounts == {one["spec"]["billingAccountRef"]["name"] for one in c.list(BINDING, ns) if one["status"].get("phase")}
    until(at_rest)
    no_active_binding_without_its_account(c, ns, version)

    # The deletions that began end when their bindings go.
    for one in c.list(BINDING, ns):
        c.delete(BINDING, ns, one["metadata"]["name"])
    begun = {one["metadata"]["name"] for one in c.list(ACCOUNT, ns) if "deletionTimestamp" in one["metadata"]}
    until(lambda: not begun & {one["metadata"]["name"] for one in c.list(ACCOUNT, ns)})


def no_active_binding_without_its_account(c, ns, version):
    """No account went while a binding to it was Active: those that were, when it went, are as they were."""
    gone = {one["metadata"]["name"] for kind, one in c.events_since(ACCOUNT, ns, version) if kind == "DELETED"}
    for one in c.list(BINDING, ns):
        if one["spec"]["billingAccountRef"]["name"] in gone:
            assert "endedAt" not in one["status"] and "billingResponsibility" not in one["status"], one
