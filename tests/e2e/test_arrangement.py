"""BillingArrangement: payment by terms, windows of time, and what the account says of them."""

import pytest

from client import ahead, settles, stamp, until

KIND, ACCOUNT = "BillingArrangement", "BillingAccount"


@pytest.fixture
def org(c):
    ns = c.namespace()
    c.account(ns)
    return ns


def payment(c, ns):
    one = c.condition(ACCOUNT, ns, "main", "PaymentReady")
    return one["status"], one["reason"]


def standing(c, ns, name="terms"):
    active = c.condition(KIND, ns, name, "Active")
    return c.phase(KIND, ns, name), active["status"], active["reason"]


WINDOWS = {"active": {}, "scheduled": {"startsAt": "2090-01-01T00:00:00Z"},
           "ended": {"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2021-01-01T00:00:00Z"}}


@pytest.mark.parametrize("window, method, wanted", [
    ("active", "active", ("True", "InvoiceTerms")), ("active", "declined", ("True", "InvoiceTerms")),
    ("scheduled", "active", ("True", "PaymentMethodReady")), ("ended", "active", ("True", "PaymentMethodReady")),
    ("scheduled", "declined", ("False", "ArrangementScheduled")), ("scheduled", None, ("False", "ArrangementScheduled")),
    ("ended", "declined", ("False", "PaymentMethodDegraded")), ("ended", "missing", ("False", "PaymentMethodNotFound")),
    ("ended", None, ("False", "ArrangementEnded"))])
def test_payment_by_precedence(c, window, method, wanted):
    ns = c.namespace()
    c.account(ns, default=method and "visa")
    if method not in (None, "missing"):
        c.method(ns, outcome=method)
    c.arrange(ns, **WINDOWS[window])
    settles(lambda: standing(c, ns)[2], window.capitalize())
    settles(lambda: payment(c, ns), wanted)


def test_account_shows_its_arrangement(c, org):
    terms = {"netDays": 60, "creditLimit": "10000", "purchaseOrderNumber": "PO-7"}
    window = {"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2090-01-01T00:00:00Z"}
    c.arrange(org, invoice=terms, **window)
    settles(lambda: c.get(ACCOUNT, org, "main")["status"].get("paymentArrangement"),
            {"name": "terms", "type": "Invoice", **window, "invoice": terms})


def test_it_belongs_to_its_account(c, org):
    c.arrange(org)
    uid = c.get(ACCOUNT, org, "main")["metadata"]["uid"]
    settles(lambda: [(one["name"], one["uid"], one.get("controller", False))
                     for one in c.get(KIND, org, "terms")["metadata"].get("ownerReferences", [])], [("main", uid, False)])


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")], ids=" then ".join)
def test_of_two_that_overlap_the_earlier_start_decides(c, org, order):
    starts = {"first": "2026-01-01T00:00:00Z", "second": "2026-02-01T00:00:00Z"}
    for name in order:
        c.arrange(org, name, startsAt=starts[name])
    until(lambda: 'overlaps arrangement "first"' in c.condition(KIND, org, "second", "Active")["message"])
    settles(lambda: c.get(ACCOUNT, org, "main")["status"]["paymentArrangement"]["name"], "first")
    assert "overlaps" not in c.condition(KIND, org, "first", "Active")["message"]


def test_windows_that_touch_do_not_overlap(c, org):
    c.arrange(org, "first", startsAt="2026-01-01T00:00:00Z", endsAt="2026-06-01T00:00:00Z")
    c.arrange(org, "second", startsAt="2026-06-01T00:00:00Z")
    settles(lambda: standing(c, org, "first"), ("Ended", "False", "Ended"))
    settles(lambda: standing(c, org, "second"), ("Active", "True", "Active"))
    for name in ("first", "second"):
        assert "overlaps" not in c.condition(KIND, org, name, "Active")["message"]


def test_project_deploys_by_terms_from_their_start_to_their_end(c, org):
    project = c.project()
    c.bound(org, project)
    c.refused(project, "PaymentMethodRequired")
    start, end = ahead(5), ahead(10)
    c.arrange(org, startsAt=start, endsAt=end)
    settles(lambda: payment(c, org), ("False", "ArrangementScheduled"))
    c.refused(project, "PaymentMethodRequired")
    c.allowed(project)
    assert start <= ahead(0) <= end
    c.refused(project, "PaymentMethodRequired")
    settles(lambda: payment(c, org), ("False", "ArrangementEnded"))
    settles(lambda: standing(c, org), ("Ended", "False", "Ended"))
    moved = c.condition(KIND, org, "terms", "Active")["lastTransitionTime"]
    assert 0 <= (stamp(moved) - stamp(end)).total_seconds() <= 1
