"""Several replicas, of which one leads: who writes is read from the API server's audit log, by user agent and time. Each replica reaches the
server through a proxy of its own that can be made slow, deaf or dead."""

import contextlib
import json
import os
import random
import re
import signal
import time

import pytest

import audit
from client import Client, settles, until
from cluster import NAMESPACE, Tollgate, install
from conftest import ROOT, check_end
from plane import Plane
from proxy import Proxy

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="needs the audit log of a control plane of its own")

LEASE, RENEW, RETRY = 4, 3, 1  # seconds; a test that takes the real ones says so
QUICK = (f"--leader-elect-lease-duration={LEASE}s", f"--leader-elect-renew-deadline={RENEW}s", f"--leader-elect-retry-period={RETRY}s")
SLACK = 1  # for two busy cores


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with Plane(tmp_path_factory.mktemp("leader") / "plane", audit=True) as plane:
        install(plane)
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
        yield plane


@pytest.fixture(scope="module")
def c(plane):
    with contextlib.closing(Client(plane)) as client:
        yield client


class Replica(Tollgate):
    """A tollgate behind a proxy of its own."""

    def __init__(self, plane, folder, *flags):
        super().__init__(plane, folder, "--log-format=json", "--leader-elect", "--enable-sandbox-provider", *flags)
        self.proxy = Proxy(plane.ports["kube-apiserver"])

    def start(self, **more):
        if self.makes_kubeconfig:
            self.plane.service_account_kubeconfig(self.kubeconfig, NAMESPACE, "tollgate")
            self.proxy.reroute(self.kubeconfig)
            self.makes_kubeconfig = False
        return super().start(**more)

    def signal(self, number):
        os.kill(self.process.pid, number)


@pytest.fixture
def replicas(plane, tmp_path, request):
    """replicas(n, *flags): that many, all ready. All of them end with the test, and none of them wrote while another did."""
    started = request.node.watched = []
    offset = audit.size(plane)
    plane.kubectl("delete", "lease", "tollgate", "-n", NAMESPACE, "--ignore-not-found")

    def start(n, *flags):
        for _ in range(n):
            folder = tmp_path / str(len(started))
            folder.mkdir()
            started.append(Replica(plane, folder, *flags))
            started[-1].start()
        until(lambda: leader(started))
        return list(started)
    yield start
    for one in started:
        one.proxy.pass_()
        if one.process.poll() is None:
            check_end(one)
        one.proxy.close()
    audit.one_at_a_time(plane, offset)


def leader(replicas):
    """The one that leads, else None."""
    found = [one for one in replicas if one.process.poll() is None and one.leads()]
    assert len(found) <= 1
    return found[0] if found else None


def holder(c):
    """(holderIdentity, leaseTransitions) of the Lease."""
    spec = c.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/tollgate")["spec"]
    return spec.get("holderIdentity", ""), spec.get("leaseTransitions", 0)


def seconds_until(check, timeout=60):
    start = time.monotonic()
    until(check, timeout)
    return time.monotonic() - start


def works(c):
    ns, project = c.namespace(), c.project()
    c.account(ns)
    c.bound(ns, project)
    c.refused(project, "PaymentMethodRequired")
    return ns, project


# ------------------------------------------------------- who leads, who follows

def test_one_leads_and_the_others_are_ready(c, plane, replicas):
    offset = audit.size(plane)
    three = replicas(3, *QUICK)
    works(c)
    first = leader(three)
    assert holder(c)[0] == first.identity
    for one in three:
        assert one.get(one.health_port, "/readyz")[0] == 200
        assert f'leader_election_master_status{{name="tollgate"}} {int(one is first)}' in one.metrics()
        assert 'tollgate_objects{kind="BillingAccountBinding"} 0' not in one.metrics(), "a follower's cache is warm"
    assert {one.agent for one in audit.writes(plane, offset)} == {f"tollgate/{version()} ({first.identity})"}


def version():
    return (ROOT / "VERSION").read_text().strip()


def test_handover_on_sigterm_takes_less_than_two_seconds(c, plane, replicas):
    """With the times of the field, not with this file's short ones."""
    two = replicas(2)
    works(c)
    first = leader(two)
    [second] = [one for one in two if one is not first]
    before, offset = holder(c), audit.size(plane)
    first.signal(signal.SIGTERM)
    took = seconds_until(lambda: second.leads())
    assert took < 2
    settles(lambda: holder(c), (second.identity, before[1] + 1))
    until(lambda: f"{second.identity} became leader" in plane.kubectl("describe", "lease", "tollgate", "-n", NAMESPACE).stdout)
    assert first.process.wait(10) == 0
    works(c)
    lists = [one.resource for one in audit.read(plane, offset) if second.identity in one.agent and one.verb == "list"]
    assert sorted(lists) == sorted(set(lists)) and len(lists) == 8, "what the leader before wrote last is made sure of, once a kind"


def test_take_over_from_one_that_was_killed(c, replicas):
    two = replicas(2, *QUICK)
    ns, project = works(c)
    first = leader(two)
    first.signal(signal.SIGKILL)
    c.patch_status("BillingAccount", ns, "main", phase="Suspended")  # nobody is there to see it
    took = seconds_until(lambda: leader(two))
    assert took < LEASE + RETRY + SLACK
    c.refused(project, "AccountSuspended")


def test_ports_stay_open_while_others_hear_of_the_stop(c, replicas):
    """A door that closes at once refuses reviews that are already on their way to it."""
    two = replicas(2, "--shutdown-delay-duration=3s")
    first = leader(two)
    before = time.monotonic()
    first.signal(signal.SIGTERM)
    until(lambda: leader([one for one in two if one is not first]), 2)
    assert first.get(first.health_port, "/readyz")[0] == 500, "it leads no more, but answers"
    assert first.process.wait(10) == 0 and time.monotonic() - before > 2.9


def test_all_that_stop_at_once_end_well(c, replicas):
    two = replicas(2, *QUICK)
    works(c)
    for one in two:
        one.signal(signal.SIGTERM)
    assert [one.process.wait(10) for one in two] == [0, 0]
    assert holder(c)[0] == ""


# ------------------------------------------------------------------- trouble

def burst(c, n=40):
    """A leader's hands full: that many projects at once."""
    ns = c.namespace()
    c.account(ns)
    projects = [c.project() for _ in range(n)]
    for project in projects:
        c.bound(ns, project)
    return ns, projects


def test_a_stopped_leader_that_goes_on_writes_nothing(c, plane, replicas):
    two = replicas(2, *QUICK)
    works(c)
    first = leader(two)
    ns, projects = burst(c)
    first.signal(signal.SIGSTOP)
    until(lambda: leader([one for one in two if one is not first]), LEASE + RETRY + SLACK)
    for project in projects:
        c.refused(project, "PaymentMethodRequired")
    c.patch_status("BillingAccount", ns, "main", phase="Suspended")
    offset = audit.size(plane)
    agent = first.identity
    first.signal(signal.SIGCONT)
    assert first.process.wait(10) == 1, "it knows that it does not lead any more"
    assert "leadership" in first.log()
    for project in projects:
        c.refused(project, "AccountSuspended")
    assert [one for one in audit.requests(plane, offset, agent=agent) if one[0] in audit.WRITES] == []


def gone(proxy):
    proxy.refuse()
    proxy.cut()


PARTITIONS = {
    "nothing goes through": lambda proxy: proxy.blackhole(),
    "requests arrive, answers do not": lambda proxy: proxy.blackhole(requests=False),
    "answers arrive, requests do not": lambda proxy: proxy.blackhole(answers=False),
    "connections are reset": gone,
}


@pytest.mark.parametrize("trouble", PARTITIONS)
def test_partition(c, plane, replicas, trouble):
    """The leader's link is gone in one way or another: it ends before the other takes over, and what it had in hand is lost for good."""
    two = replicas(2, *QUICK)
    works(c)
    first = leader(two)
    _, projects = burst(c)
    PARTITIONS[trouble](first.proxy)
    took = seconds_until(lambda: leader([one for one in two if one is not first]))
    assert took < LEASE + RETRY + SLACK
    assert first.process.wait(10) == 1
    first.proxy.cut()  # what a host has not sent when a process ends by force, it sends no more
    first.proxy.pass_()
    for project in projects:
        c.refused(project, "PaymentMethodRequired")
    first.start()
    works(c)


def test_told_to_stop_in_a_partition(c, replicas):
    """What it had in hand may not arrive after another leads: the connections are reset, not closed."""
    two = replicas(2, *QUICK)
    works(c)
    first = leader(two)
    _, projects = burst(c)
    first.proxy.blackhole(answers=False)
    burst(c, 10)
    first.signal(signal.SIGTERM)
    until(lambda: leader([one for one in two if one is not first]), LEASE + RETRY + SLACK)
    assert first.process.wait(10) == 1
    first.proxy.pass_()
    for project in projects:
        c.refused(project, "PaymentMethodRequired")


@pytest.mark.parametrize("spec", [{"leaseDurationSeconds": 1}, {"leaseDurationSeconds": 2147483647},
                                  {"renewTime": "9999-12-31T23:59:59.999999Z"}], ids=lambda spec: next(iter(spec.items()))[1])
def test_nonsense_in_the_lease(c, plane, replicas, spec):
    """Nobody takes over who should not, and the leader puts it right."""
    two = replicas(2, *QUICK)
    works(c)
    before = holder(c)
    plane.kubectl("patch", "lease", "tollgate", "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": spec}))
    burst(c, 10)
    read = lambda: c.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/tollgate")["spec"]  # noqa: E731
    until(lambda: read()["leaseDurationSeconds"] == LEASE and not read()["renewTime"].startswith("9999"))
    assert holder(c) == before and leader(two)


def test_a_followers_partition_disturbs_nobody(c, replicas):
    two = replicas(2, *QUICK)
    first = leader(two)
    [second] = [one for one in two if one is not first]
    before = holder(c)
    second.proxy.blackhole()
    works(c)
    until(lambda: "does not answer" in second.log(), LEASE + 60)
    second.proxy.pass_()
    works(c)
    assert holder(c) == before and second.process.poll() is None


def test_slow_answers_do_not_cost_the_lease(c, replicas):
    two = replicas(2, *QUICK)
    works(c)
    first = leader(two)
    before = holder(c)
    first.proxy.delay(700, requests=False)
    renewed = lambda: c.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/tollgate")["spec"]["renewTime"]  # noqa: E731
    seen = set()
    until(lambda: seen.add(renewed()) or len(seen) >= 5, 30)
    works(c)
    assert holder(c) == before


def test_lease_taken_away_by_hand(c, plane, replicas):
    two = replicas(2, *QUICK)
    works(c)
    first = leader(two)
    plane.kubectl("patch", "lease", "tollgate", "-n", NAMESPACE, "--type=merge", "-p", '{"spec":{"holderIdentity":"somebody"}}')
    assert first.process.wait(10) == 1
    assert "somebody" in first.log()
    until(lambda: leader(two), 2 * LEASE + SLACK)
    works(c)


def test_lease_deleted_by_hand(c, plane, replicas):
    replicas(2, *QUICK)
    works(c)
    plane.kubectl("delete", "lease", "tollgate", "-n", NAMESPACE)
    until(lambda: holder(c)[0])
    works(c)


def test_without_the_right_to_the_lease_it_waits_and_says_so(c, plane, tmp_path):
    role = json.loads(plane.kubectl("get", "role", "tollgate", "-n", NAMESPACE, "-o", "json").stdout)
    rules = [rule for rule in role["rules"] if "leases" not in rule["resources"]]
    plane.kubectl("replace", "-f", "-", input=json.dumps({**role, "rules": rules, "metadata": {"name": "tollgate", "namespace": NAMESPACE}}))
    plane.kubectl("delete", "lease", "tollgate", "-n", NAMESPACE, "--ignore-not-found")
    one = Replica(plane, tmp_path, *QUICK)
    try:
        one.start()
        until(lambda: re.search(r"[Ll]ease", "".join(line for line in one.log().splitlines() if '"warn"' in line)))
        assert not one.leads()
    finally:
        plane.kubectl("apply", "-f", ROOT / "deploy" / "base" / "rbac.yaml", "--force-conflicts", "--server-side")
    until(one.leads)
    works(c)
    check_end(one)
    one.proxy.close()


# ---------------------------------------------------------------- everything

@pytest.mark.parametrize("seed", [1])
def test_whatever_happens_one_writes_at_a_time(c, plane, replicas, seed):
    """Kills, stops, partitions and slow links at random, with work for a leader all the while."""
    three = replicas(3, *QUICK)
    chance = random.Random(seed)
    ns, project = works(c)
    for round in range(8):
        victim = chance.choice(three)
        kind = chance.choice(["kill", "stop", "slow", "term", *PARTITIONS])
        if kind in ("kill", "term"):
            victim.stop(signal.SIGKILL if kind == "kill" else signal.SIGTERM)
        elif kind == "stop":
            victim.signal(signal.SIGSTOP)
        elif kind == "slow":
            victim.proxy.delay(chance.choice([200, 1500]))
        else:
            PARTITIONS[kind](victim.proxy)
        phase = "Suspended" if round % 2 else "Ready"
        c.patch_status("BillingAccount", ns, "main", phase=phase)
        until(lambda: c.verdict(project)[1] == ("AccountSuspended" if round % 2 else "PaymentMethodRequired"), 4 * LEASE + 10)
        if victim.process.poll() is not None:
            victim.proxy.cut()
        victim.proxy.pass_()
        if victim.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                victim.signal(signal.SIGCONT)
        for one in three:
            if one.process.poll() is not None:
                one.start(wait=False)
    until(lambda: leader(three), 3 * LEASE)
    works(c)
