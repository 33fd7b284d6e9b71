"""What people are told: Events on the objects concerned, as `kubectl describe` shows them. One for each turning point, repeats as a
series, none after a restart, and nothing that stands in the way of anything else."""

import json

from client import GROUP, settles, until

ACCOUNT, BINDING, METHOD, BILLING, INVOICE = "BillingAccount", "BillingAccountBinding", "PaymentMethod", "ProjectBilling", "Invoice"


def events(c, ns, kind=None, name=None):
    """[(type, reason, count)] of an object's events, the oldest first; count as its series has it."""
    found = c.request("GET", f"/apis/events.k8s.io/v1/namespaces/{ns}/events")["items"]
    found = [one for one in found if one.get("reportingController") == f"{GROUP}/tollgate"
             and kind in (None, one["regarding"]["kind"]) and name in (None, one["regarding"]["name"])]
    return [(one["type"], one["reason"], one.get("series", {}).get("count", 1)) for one in sorted(found, key=lambda one: one["eventTime"])]


def describe(plane, ns, kind, name):
    """The lines under "Events:", as (type, reason, from, message)."""
    text = plane.kubectl("describe", f"{kind}.{GROUP}", name, "-n", ns).stdout
    rows = [line.split(None, 4) for line in text.partition("Events:")[2].splitlines()[3:] if line.strip()]
    return [(kind, reason, source, message) for kind, reason, _, source, message in rows]


def paying(c):
    """(namespace, project, binding): an account with a card that pays for a project."""
    ns, project = c.namespace(), c.project()
    settles(lambda: c.verdict(project)[1], "NoBinding")
    c.account(ns)
    c.method(ns)
    settles(lambda: c.phase(METHOD, ns, "visa"), "Active")
    c.patch(ACCOUNT, ns, "main", {"spec": {"defaultPaymentMethodRef": {"name": "visa"}}})
    settles(lambda: c.condition(ACCOUNT, ns, "main", "DefaultPaymentMethodReady")["status"], "True")
    binding = c.bound(ns, project)
    settles(lambda: c.verdict(project)[1], "Allowed")
    return ns, project, binding


def test_describe_shows_what_happened_and_what_to_do(c, plane):
    ns, project, binding = paying(c)
    source = f"{GROUP}/tollgate"
    c.outcome(ns, "visa", "declined")
    settles(lambda: describe(plane, ns, BINDING, binding), [
        ("Normal", "Bound", source, f'Project "{project}" is billed to billing account "main" from now on.')])
    settles(lambda: [row[:3] for row in describe(plane, project, BILLING, project)], [
        ("Warning", "DeployBlocked", source), ("Normal", "DeployAllowed", source), ("Warning", "DeployBlocked", source)])
    first, allowed, blocked = [row[3] for row in describe(plane, project, BILLING, project)]
    assert first == "Deploys are blocked (NoBinding): billing account required before deploy. Next: bind the project to a billing account."
    assert allowed == "Deploys are allowed (NoBinding -> Allowed)."
    assert blocked.startswith('Deploys are blocked (Allowed -> PaymentMethodNotUsable): payment method "visa" cannot be used: card declined')
    assert ". Next: put the payment method right, or " in blocked
    settles(lambda: [row[:2] for row in describe(plane, ns, ACCOUNT, "main")], [("Warning", "PaymentMethodDegraded")])


def test_each_turning_point_is_one_event(c):
    ns, project, old = paying(c)
    settles(lambda: events(c, ns, METHOD, "visa"), [("Normal", "Usable", 1)])
    c.patch_status(ACCOUNT, ns, "main", phase="Suspended")
    settles(lambda: c.verdict(project)[1], "AccountSuspended")
    c.patch_status(ACCOUNT, ns, "main", phase="Ready")
    settles(lambda: c.verdict(project)[1], "Allowed")
    settles(lambda: events(c, ns, ACCOUNT, "main"), [("Warning", "Suspended", 1), ("Normal", "Resumed", 1)])

    new = c.bound(ns, project)
    invoice = c.invoice(ns, phase="Open", total="9.00", amountDue="9.00", dueDate="2020-01-01T00:00:00Z")
    settles(lambda: c.phase(INVOICE, ns, invoice), "PastDue")
    c.bill(ns, invoice, phase="Paid", amountPaid="9.00", amountDue="0.00")
    settles(lambda: events(c, ns, INVOICE, invoice), [("Warning", "PastDue", 1), ("Normal", "Paid", 1)])
    settles(lambda: events(c, ns, BINDING, new), [("Normal", "Bound", 1)])
    settles(lambda: events(c, ns, BINDING, old), [("Normal", "Bound", 1), ("Normal", "Superseded", 1)])
    c.delete(ACCOUNT, ns, "main")
    settles(lambda: events(c, ns, ACCOUNT, "main")[2:], [("Warning", "DeletionBlocked", 1)])


def test_terms_tell_when_they_begin_and_end(c):
    ns, project = c.namespace(), c.project()
    c.account(ns)
    c.bound(ns, project)
    terms = c.arrange(ns, startsAt="2020-01-01T00:00:00Z")
    c.allowed(project)
    c.patch("BillingArrangement", ns, terms, {"spec": {"endsAt": "2020-02-01T00:00:00Z"}})
    settles(lambda: events(c, ns, "BillingArrangement", terms), [("Normal", "InForce", 1), ("Warning", "Ended", 1)])


def test_a_refusal_is_told_with_its_reason(c):
    ns, project = c.namespace(), c.project()
    binding = c.bind(ns, project, account="none")
    settles(lambda: events(c, ns, BINDING, binding), [("Warning", "AccountNotFound", 1)])
    c.account(ns, "none")
    settles(lambda: events(c, ns, BINDING, binding), [("Warning", "AccountNotFound", 1), ("Normal", "Bound", 1)])


def test_repeats_are_counted(c):
    ns, project, _ = paying(c)
    for _ in range(2):
        c.outcome(ns, "visa", "declined")
        settles(lambda: c.verdict(project)[1], "PaymentMethodNotUsable")
        c.outcome(ns, "visa", "active")
        settles(lambda: c.verdict(project)[1], "Allowed")
    # The second makes a series at once; the third Usable is counted, and told when the series ends.
    settles(lambda: events(c, ns, METHOD, "visa"), [("Normal", "Usable", 2), ("Warning", "Failed", 2)])
    settles(lambda: sorted(events(c, project, BILLING, project)), [
        ("Normal", "DeployAllowed", 1), ("Normal", "DeployAllowed", 2), ("Warning", "DeployBlocked", 1), ("Warning", "DeployBlocked", 2)])


def test_a_restart_tells_nothing(c, plane, tollgate):
    ns, project, binding = paying(c)
    settles(lambda: events(c, ns, BINDING, binding), [("Normal", "Bound", 1)])
    settles(lambda: events(c, project, BILLING, project)[1:], [("Normal", "DeployAllowed", 1)])
    before = events(c, ns), events(c, project)
    assert tollgate.stop() == 0
    tollgate.start()
    other = c.project()
    settles(lambda: events(c, other, BILLING, other), [("Warning", "DeployBlocked", 1)])  # it is awake, and has looked at the rest before
    c.outcome(ns, "visa", "declined")
    settles(lambda: events(c, project, BILLING, project)[2:], [("Warning", "DeployBlocked", 1)])
    settles(lambda: events(c, ns, METHOD, "visa")[1:], [("Warning", "Failed", 1)])
    assert events(c, project)[:2] == before[1]
    assert [one for one in events(c, ns) if one[1] not in ("Failed", "PaymentMethodDegraded")] == before[0]


def test_a_namespace_that_goes_takes_its_events_and_nothing_else(c, tollgate):
    ns, project, _ = paying(c)
    c.delete("Namespace", None, ns)
    until(lambda: "deletionTimestamp" in c.get("Namespace", None, ns)["metadata"])
    c.patch_status(ACCOUNT, ns, "main", phase="Suspended")  # something to tell, where nothing can be created any more
    settles(lambda: c.verdict(project)[1], "AccountSuspended")
    settles(lambda: [one for one in events(c, project, BILLING, project) if one[0] == "Warning"][1:], [("Warning", "DeployBlocked", 1)])
    settles(lambda: "Suspended" in tollgate.log(), True)
    assert events(c, ns, ACCOUNT, "main") == []
    lines = [json.loads(line) for line in tollgate.log().splitlines() if line.startswith("{")]
    assert [line for line in lines if line["level"] in ("warn", "error") and line.get("namespace") == ns] == []
    elsewhere = paying(c)
    settles(lambda: events(c, elsewhere[0], BINDING, elsewhere[2]), [("Normal", "Bound", 1)])
    until(lambda: c.find("Namespace", None, ns) is None, timeout=60)
