"""Comes last, with the objects of all other tests in the cluster: no writes in steady state, none after a restart, and
rights that are exactly what was used (those for admission: test_admission.py)."""

import pytest

import audit
from client import settles, until
from cluster import ACCOUNT, NAMESPACE
from scrape import scrape

pytestmark = pytest.mark.last
FLAGS = ["--metrics-secure=true"]


@pytest.fixture(autouse=True)
def own_plane(plane):
    if plane.external:
        pytest.skip("needs the audit log of a control plane of our own")


def come_to_rest(plane):
    until(lambda: not audit.writes_during(plane, 2), timeout=60)


def test_steady_state_writes_nothing(c, plane):
    c.refused(c.project(), "NoBinding")
    come_to_rest(plane)
    assert any(one[0] in audit.WRITES for one in audit.requests(plane)), "the log shows writes where there are any"
    assert audit.writes_during(plane, 20) == []


def test_restart_on_a_converged_cluster_writes_nothing(c, plane, tollgate):
    come_to_rest(plane)
    assert tollgate.stop() == 0
    offset = audit.size(plane)
    tollgate.start()
    project = c.project()
    c.refused(project, "NoBinding")  # it is awake
    audit.writes_during(plane, 4)
    wrote = [one for one in audit.requests(plane, offset) if one[0] in audit.WRITES]
    assert [one for one in wrote if project not in one[2]] == []


def test_rights_are_those_it_uses(c, plane, tollgate):
    ns, project = c.namespace(), c.project()
    cls = c.unique("class")
    c.create("PaymentMethodClass", None, cls, {"provider": "manual"})
    settles(lambda: len(c.conditions("PaymentMethodClass", None, cls)), 1)
    c.delete("PaymentMethodClass", None, cls)
    c.account(ns, default="visa")
    c.method(ns)
    binding = c.bound(ns, project)
    c.allowed(project)
    for phase, reason in [("Suspended", "AccountSuspended"), ("Ready", "Allowed")] * 2:  # repeats, of which events are made into a series
        c.patch_status("BillingAccount", ns, "main", phase=phase)
        settles(lambda: c.verdict(project)[1], reason)
    c.delete("BillingAccountBinding", ns, binding)
    c.delete("BillingAccount", ns, "main")
    until(lambda: c.find("BillingAccount", ns, "main") is None)
    c.patch("Namespace", None, project, {"metadata": {"labels": None}})
    until(lambda: c.find("ProjectBilling", project, project) is None)
    somebody = plane.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE).stdout.strip()
    assert scrape(tollgate.metrics_port, somebody).status == 403  # it had to ask who, and whether they may

    granted, admission = audit.granted(plane, "clusterrole")
    granted -= admission
    asked = audit.requests(plane)
    # An event about what is in a namespace that goes is no longer taken.
    assert {one for one in asked if one[3] == 403 and one[1] != "events"} == set()
    used = {(verb, resource) for verb, resource, *_ in asked}
    reads = {(verb, resource) for verb, resource in granted if verb == "get"}  # only after a doubtful write
    assert used - granted == set()
    assert granted - used - reads == set()
