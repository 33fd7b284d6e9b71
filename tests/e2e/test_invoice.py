"""Invoice: what time and requests do to it, and what the account says of its invoices."""

import pytest

from client import ahead, next_second, settles, until

KIND, ACCOUNT = "Invoice", "BillingAccount"


@pytest.fixture
def org(c):
    ns = c.namespace()
    c.account(ns, "acme")
    return ns


def bill(c, ns, month="2026-10", phase="Open", **status):
    return c.invoice(ns, month, "acme", phase=phase, **{"total": "100.00", **status})


def state(c, ns, name="acme-2026-10"):
    status = c.get(KIND, ns, name)["status"]
    return status.get("phase"), status.get("category")


def invoicing(c, ns):
    one = c.condition(ACCOUNT, ns, "acme", "InvoicingReady")
    return one["status"], one["reason"]


def account(c, ns, field):
    return c.get(ACCOUNT, ns, "acme")["status"].get(field)


@pytest.mark.parametrize("status, wanted", [
    ({"phase": "Open"}, ("Open", "Upcoming")), ({"phase": "Open", "attemptCount": 1}, ("Open", "ActionRequired")),
    ({"phase": "PastDue"}, ("PastDue", "ActionRequired")), ({"phase": "Paid"}, ("Paid", "History")),
    ({"phase": "Void"}, ("Void", "History"))])
def test_category_says_where_a_portal_shows_it(c, org, status, wanted):
    bill(c, org, **status)
    settles(lambda: state(c, org), wanted)


@pytest.mark.parametrize("phase", ["Paid", "Void"])
def test_settled_one_is_never_past_due(c, org, phase):
    bill(c, org, phase=phase, dueDate="2026-01-01T00:00:00Z")
    settles(lambda: state(c, org), (phase, "History"))


def test_open_becomes_past_due_by_itself(c, org):
    due = ahead(5)
    bill(c, org, dueDate=due)
    settles(lambda: state(c, org), ("Open", "Upcoming"))
    settles(lambda: state(c, org), ("PastDue", "ActionRequired"))
    assert ahead(0) >= due
    settles(lambda: invoicing(c, org), ("False", "PastDue"))
    assert c.condition(ACCOUNT, org, "acme", "InvoicingReady")["message"] == "invoice acme-2026-10 is past due"
    assert account(c, org, "actionRequiredCount") == 1


@pytest.mark.parametrize("phase, paid, wanted", [
    ("Open", "0.00", "Void"), ("PastDue", "0", "Void"), ("Paid", "100.00", "Paid"), ("Open", "10.00", "Open")])
def test_void_is_for_what_nobody_has_paid(c, org, phase, paid, wanted):
    bill(c, org, phase=phase, amountPaid=paid)
    until(lambda: state(c, org)[1])
    c.patch(KIND, org, "acme-2026-10", {"spec": {"voidRequested": True}})
    settles(lambda: c.get(KIND, org, "acme-2026-10")["status"].get("observedGeneration"), 2)
    assert state(c, org)[0] == wanted


@pytest.mark.parametrize("phases, wanted", [
    (["Paid"], ("True", "Current")), (["Open"], ("True", "Current")), (["PastDue", "Paid"], ("True", "Current")),
    (["Paid", "PastDue"], ("False", "PastDue")), (["PastDue", "Void"], ("False", "PastDue")),
    (["PastDue", None], ("False", "PastDue")), ([None], ("Unknown", "PhasePending"))])
def test_newest_one_that_counts_decides(c, org, phases, wanted):
    for month, phase in enumerate(phases, 1):
        bill(c, org, f"2026-{month:02}", phase=phase)
        if month < len(phases):
            next_second()
    settles(lambda: invoicing(c, org), wanted)
    settles(lambda: [one[0] for one in c.conditions(ACCOUNT, org, "acme")],
            ["Ready", "DefaultPaymentMethodReady", "InvoicingReady", "PaymentReady"])


def test_latest_one_is_named(c, org):
    for month in ("2026-09", "2026-10"):
        bill(c, org, month)
        settles(lambda: account(c, org, "latestInvoiceRef"), {"name": f"acme-{month}"})
        next_second()


def test_outstanding_is_what_open_and_past_due_leave_to_pay(c, org):
    bill(c, org, "2026-07", amountDue="10.004")
    bill(c, org, "2026-08", phase="PastDue", total="5.001", amountPaid="5")
    bill(c, org, "2026-09", phase="Paid", amountDue="7")
    bill(c, org, "2026-10", phase="Void", amountDue="7")
    settles(lambda: account(c, org, "outstandingAmount"), "10.01")


def test_outstanding_has_the_currencys_digits(c):
    for currency, wanted in (("JPY", "101"), ("KWD", "100.500")):
        ns = c.namespace()
        c.account(ns, currency=currency)
        c.invoice(ns, phase="Open", total="100.5", currencyCode=currency)
        settles(lambda: c.get(ACCOUNT, ns, "main")["status"].get("outstandingAmount"), wanted)


def test_other_currency_is_said_and_left_out(c, org):
    bill(c, org, "2026-09", amountDue="3")
    bill(c, org, currencyCode="USD")
    settles(lambda: c.condition(KIND, org, "acme-2026-10", "Ready")["status"], "False")
    until(lambda: "acme-2026-10" in c.condition(ACCOUNT, org, "acme", "InvoicingReady")["message"])
    settles(lambda: account(c, org, "outstandingAmount"), "3.00")


def test_it_belongs_to_its_account(c, org):
    bill(c, org)
    uid = c.get(ACCOUNT, org, "acme")["metadata"]["uid"]

    def owners():
        return [(one["kind"], one["name"], one["uid"], one.get("controller", False))
                for one in c.get(KIND, org, "acme-2026-10")["metadata"].get("ownerReferences", [])]
    settles(owners, [(ACCOUNT, "acme", uid, False)])
    c.delete(ACCOUNT, org, "acme")
    until(lambda: c.find(KIND, org, "acme-2026-10") is None)


def test_settled_cluster_leaves_it_alone(c, org):
    bill(c, org, attemptCount=1)
    until(lambda: c.get(KIND, org, "acme-2026-10")["metadata"].get("ownerReferences"))
    settles(lambda: account(c, org, "actionRequiredCount"), 1)
    versions = lambda: [c.get(kind, org, name)["metadata"]["resourceVersion"]  # noqa: E731
                        for kind, name in ((KIND, "acme-2026-10"), (ACCOUNT, "acme"))]
    before = versions()
    next_second()
    assert versions() == before


def test_only_what_nobody_paid_is_voided(c, org):
    bill(c, org, "2026-08", phase="Paid", amountPaid="100.00")
    bill(c, org, "2026-09", amountPaid="1.00")
    bill(c, org, "2026-10")
    for month in ("2026-08", "2026-09", "2026-10"):
        c.patch(KIND, org, f"acme-{month}", {"spec": {"voidRequested": True}})
    settles(lambda: state(c, org), ("Void", "History"))
    until(lambda: "cannot be voided: 1.00" in c.condition(KIND, org, "acme-2026-09", "Ready")["message"])
    assert state(c, org, "acme-2026-09") == ("Open", "Upcoming")
    assert state(c, org, "acme-2026-08") == ("Paid", "History")


def test_newest_is_by_period_and_void_and_phaseless_ones_are_passed_over(c, org):
    bill(c, org, "2026-09", phase="PastDue")
    bill(c, org, "2026-08", phase="Paid")           # made later, for an earlier month
    settles(lambda: invoicing(c, org), ("False", "PastDue"))
    bill(c, org, "2026-10", phase="Void")
    c.invoice(org, "2026-11", "acme")
    settles(lambda: state(c, org), ("Void", "History"))
    settles(lambda: c.condition(KIND, org, "acme-2026-11", "Ready")["reason"], "PhasePending")
    assert invoicing(c, org) == ("False", "PastDue")
    assert account(c, org, "latestInvoiceRef") == {"name": "acme-2026-09"}


@pytest.mark.parametrize("phases, wanted", [(["Void", "Void"], ("True", "NoInvoicesYet")), (["Void", None], ("Unknown", "PhasePending"))])
def test_none_that_counts(c, org, phases, wanted):
    for month, phase in zip(("2026-09", "2026-10"), phases):
        c.invoice(org, month, "acme", **({"phase": phase} if phase else {}))
        settles(lambda: c.condition(KIND, org, f"acme-{month}", "Ready")["reason"], "InvoiceReady" if phase else "PhasePending")
    settles(lambda: invoicing(c, org), wanted)


def test_recreated_account_inherits_nothing(c, org):
    project = c.project()
    c.bound(org, project, "acme")
    c.arrange(org, account="acme")
    bill(c, org, phase="PastDue")
    c.allowed(project)
    settles(lambda: invoicing(c, org), ("False", "PastDue"))
    for kind, name in ((KIND, "acme-2026-10"), ("BillingArrangement", "terms")):
        until(lambda: c.get(kind, org, name)["metadata"].get("ownerReferences"))
    for binding in c.list("BillingAccountBinding", org):
        c.delete("BillingAccountBinding", org, binding["metadata"]["name"])
    c.delete(ACCOUNT, org, "acme", propagationPolicy="Orphan")
    until(lambda: c.find(ACCOUNT, org, "acme") is None)
    until(lambda: not c.get(KIND, org, "acme-2026-10")["metadata"].get("ownerReferences"))
    next_second()
    c.account(org, "acme")
    c.bound(org, project, "acme")
    c.refused(project, "PaymentMethodRequired")
    settles(lambda: invoicing(c, org), ("True", "NoInvoicesYet"))
    settles(lambda: c.condition(KIND, org, "acme-2026-10", "Ready")["reason"], "OwnerMismatch")
    until(lambda: "older than billing account" in c.condition("BillingArrangement", org, "terms", "Active")["message"])
