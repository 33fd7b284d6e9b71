"""Admission: what is refused at the door and what is filled in, through real requests, on a control plane of its own with the webhooks and the
deploy gate. The other files show what becomes of the same objects where there are no webhooks."""

import json

import pytest

import audit
from client import GROUP, ApiError, settles, stamp, until, utc_today
from cluster import ACCOUNT as SERVICE_ACCOUNT, NAMESPACE
from conftest import ROOT, plane_with_webhooks

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="its API server must reach us")

ACCOUNT, BINDING, METHOD, CLASS = "BillingAccount", "BillingAccountBinding", "PaymentMethod", "PaymentMethodClass"
INVOICE, ARRANGEMENT = "Invoice", "BillingArrangement"
DEFAULT = f"{GROUP}/is-default-class"
HOLD = "example.com/hold"
DOWN = "failed calling webhook"
PAN = "4111111111111111"
WEBHOOK = True


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with plane_with_webhooks(tmp_path_factory, audit=True) as plane:
        plane.kubectl("apply", "-k", ROOT / "deploy" / "gate")
        yield plane


@pytest.fixture
def org(c):
    """An organization with an account."""
    ns = c.namespace()
    c.account(ns)
    return ns


@pytest.fixture
def paying(c, org):
    """The same, and a card is the account's default."""
    c.method(org)
    settles(lambda: c.phase(METHOD, org, "visa"), "Active")
    choose(c, org, "visa")
    return org


def choose(c, ns, method, account="main"):
    c.patch(ACCOUNT, ns, account, {"spec": {"defaultPaymentMethodRef": method and {"name": method}}})


def refuses(c, act, field, *words):
    """`act` is refused, as a dry run and for real, in words that begin with the field and hold the others; what the API server said. What the
    test has written a moment ago may not have come to tollgate yet, which lets pass then: so the dry run is tried until it is refused."""
    for wait, writer in ((5, c.another(dry_run=True)), (0, c)):
        error = until(lambda: refusal(act, writer), wait)
        assert error.code == 403 and f"denied the request: {field}" in str(error), error
        assert [word for word in words if word not in str(error)] == [], error
    return str(error)


def refusal(act, writer):
    try:
        act(writer)
    except ApiError as error:
        return error


def trusted(c):
    """A client that is not asked for anything at the door: what it stores was perhaps right in other times."""
    return c.another(user=f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}")


def owner(c, ns, account="main", **other):
    uid = c.get(ACCOUNT, ns, account)["metadata"]["uid"]
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": ACCOUNT, "name": account, "uid": uid, **other}


# ------------------------------------------------------------------ accounts

@pytest.mark.parametrize("currency", ["ZZZ", "XTS", "EUX"])
def test_currency_that_is_none(c, org, currency):
    refuses(c, lambda c: c.account(org, "other", currency=currency, ready=False), "spec.currencyCode", currency, "ISO 4217")


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_currency_that_is_one(c, org, currency):
    c.account(org, "other", currency=currency)


@pytest.mark.parametrize("outcome", ["declined", "awaiting"])
def test_default_must_be_active(c, org, outcome):
    c.method(org, outcome=outcome)
    until(lambda: c.phase(METHOD, org, "visa") not in (None, "Pending", "Active"))
    words = "only Active payment methods may be designated as default"
    refuses(c, lambda c: choose(c, org, "visa"), "spec.defaultPaymentMethodRef", words)
    c.outcome(org, "visa", "active")
    settles(lambda: c.phase(METHOD, org, "visa"), "Active")
    choose(c, org, "visa")  # at once, whatever a cache still says


def test_default_must_be_there_and_be_the_accounts_own(c, org):
    refuses(c, lambda c: choose(c, org, "none"), "spec.defaultPaymentMethodRef", "none")
    refuses(c, lambda c: c.account(org, "other", default="none", ready=False), "spec.defaultPaymentMethodRef")
    c.account(org, "other")
    c.method(org, "theirs", "other")
    settles(lambda: c.phase(METHOD, org, "theirs"), "Active")
    refuses(c, lambda c: choose(c, org, "theirs"), "spec.defaultPaymentMethodRef", "theirs")
    choose(c, org, "theirs", "other")


def test_default_is_judged_when_it_is_chosen_and_not_again(c, paying):
    c.outcome(paying, "visa", "declined")
    settles(lambda: c.phase(METHOD, paying, "visa"), "Failed")
    c.patch(ACCOUNT, paying, "main", {"spec": {"contactInfo": {"email": "new@example.com"}}})
    choose(c, paying, None)
    refuses(c, lambda c: choose(c, paying, "visa"), "spec.defaultPaymentMethodRef")


def test_account_is_not_deleted_under_a_project(c, paying):
    binding = c.bound(paying, c.project())
    refuses(c, lambda c: c.delete(ACCOUNT, paying, "main"), "", "billing account has active binding")
    assert "deletionTimestamp" not in c.get(ACCOUNT, paying, "main")["metadata"]
    c.delete(BINDING, paying, binding)
    c.delete(ACCOUNT, paying, "main")
    until(lambda: c.find(ACCOUNT, paying, "main") is None)


def test_account_with_history_alone_is_deleted(c, org):
    project = c.project()
    old = c.bound(org, project)
    c.account(org, "next")
    c.bound(org, project, "next", "z-" + old)
    settles(lambda: c.phase(BINDING, org, old), "Superseded")
    c.delete(ACCOUNT, org, "main")
    until(lambda: c.find(ACCOUNT, org, "main") is None)


def test_what_the_schema_refuses_is_still_its_own(c, org):
    for body, words in (({"currencyCode": "USD"}, "currencyCode is immutable"),
                        ({"contactInfo": {"email": "nobody"}}, "must be a valid email address"),
                        ({"paymentTerms": {"netDays": 60}}, "payment terms are granted by billing staff through a BillingArrangement")):
        with pytest.raises(ApiError, match=words) as caught:
            c.patch(ACCOUNT, org, "main", {"spec": body})
        assert caught.value.code == 422


# ------------------------------------------------------------------ bindings

def test_binding_needs_its_account(c, org):
    elsewhere = c.namespace()
    refuses(c, lambda c: c.bind(org, "shop", "none"), "spec.billingAccountRef", "none")
    refuses(c, lambda c: c.bind(elsewhere, "shop"), "spec.billingAccountRef", "main")
    c.bound(org, c.project())


@pytest.mark.parametrize("phase", ["Suspended", "Archived"])
def test_binding_needs_an_account_that_is_ready(c, org, phase):
    c.patch_status(ACCOUNT, org, "main", phase=phase)
    refuses(c, lambda c: c.bind(org, "shop"), "spec.billingAccountRef", f"is not ready (current phase: {phase})")
    c.patch_status(ACCOUNT, org, "main", phase="Ready")
    c.bind(org, "shop")  # at once


def test_binding_needs_an_account_that_stays(c, org):
    c.patch(ACCOUNT, org, "main", {"metadata": {"finalizers": [HOLD]}})
    c.delete(ACCOUNT, org, "main")
    settles(lambda: c.get(ACCOUNT, org, "main")["metadata"]["finalizers"], [HOLD])
    refuses(c, lambda c: c.bind(org, "shop"), "spec.billingAccountRef", "is being deleted")
    c.patch(ACCOUNT, org, "main", {"metadata": {"finalizers": None}})
    until(lambda: c.find(ACCOUNT, org, "main") is None)
    c.account(org, ready=False)
    c.bind(org, "shop")


def test_binding_needs_an_account_that_is_not_to_be_closed(c, org):
    c.bound(org, c.project())  # or it would be archived at once
    c.patch(ACCOUNT, org, "main", {"spec": {"closureRequested": True}})
    refuses(c, lambda c: c.bind(org, "shop"), "spec.billingAccountRef", "to be closed")


def test_newest_binding_still_takes_over(c, org):
    project = c.project()
    first = c.bound(org, project)
    c.bound(org, project, name="z-" + first)
    settles(lambda: c.phase(BINDING, org, first), "Superseded")


# ------------------------------------------------------------- payment methods

def test_method_needs_its_account(c, org):
    refuses(c, lambda c: c.method(org, account="none"), "spec.billingAccountRef", "none")
    c.method(org)


def test_method_without_a_class_gets_the_default_one(c, org):
    made = c.another(dry_run=True).create(METHOD, org, "any", {"billingAccountRef": {"name": "main"}, "displayName": "Card"})
    assert made["spec"]["paymentMethodClassRef"] == {"name": "manual"}
    assert c.find(METHOD, org, "any") is None
    c.method(org, "any", cls=None)
    assert c.get(METHOD, org, "any")["spec"]["paymentMethodClassRef"] == {"name": "manual"}
    c.method(org, "chosen", cls="sandbox")
    assert c.get(METHOD, org, "chosen")["spec"]["paymentMethodClassRef"] == {"name": "sandbox"}


def test_method_that_is_the_default_is_not_deleted(c, paying):
    refuses(c, lambda c: c.delete(METHOD, paying, "visa"), "", 'is the default for billing account "main"')
    choose(c, paying, None)
    c.delete(METHOD, paying, "visa")  # at once
    assert c.find(METHOD, paying, "visa") is None


# --------------------------------------------------------------------- classes

def mark(c, name, value, where="labels"):
    c.patch(CLASS, None, name, {"metadata": {where: {DEFAULT: value}}})


@pytest.fixture
def no_default(c, tollgate):
    """No class is the default one meanwhile; it is `manual` again afterwards, and others have gone."""
    mark(c, "manual", None)
    yield
    for one in c.list(CLASS):
        if one["metadata"]["name"] not in ("manual", "sandbox"):
            c.delete(CLASS, None, one["metadata"]["name"])
    for where in ("labels", "annotations"):
        mark(c, "sandbox", None, where)
        mark(c, "manual", None, where)
    mark(c, "manual", "true")


def no_class_for_a_method(c, org):
    refuses(c, lambda c: c.method(org, cls=None), "spec.paymentMethodClassRef", "no default PaymentMethodClass exists")


def test_no_default_class(c, org, no_default):
    no_class_for_a_method(c, org)
    c.method(org, cls="sandbox")
    mark(c, "sandbox", "true", "annotations")
    c.method(org, "next", cls=None)  # at once
    assert c.get(METHOD, org, "next")["spec"]["paymentMethodClassRef"] == {"name": "sandbox"}


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_one_default_class(c, no_default, where):
    words = "is already the default; only one default class is permitted"
    mark(c, "manual", "true", where)
    for other in ("labels", "annotations"):
        refuses(c, lambda c: mark(c, "sandbox", "true", other), f"metadata.{other}", '"manual"', words)
        name = c.unique("class")
        refuses(c, lambda c: c.create(CLASS, None, name, {"provider": "manual"}, **{other: {DEFAULT: "true"}}), f"metadata.{other}", words)
    mark(c, "sandbox", "false", "labels")
    mark(c, "sandbox", None, "labels")
    c.patch(CLASS, None, "manual", {"metadata": {"labels": {"team": "a"}}})  # it is the one itself
    mark(c, "manual", None, where)
    mark(c, "sandbox", "true", where)  # at once


def test_default_class_is_used_the_moment_it_is_there(c, org, no_default):
    last = None
    for number in range(20):
        if last:
            c.delete(CLASS, None, last)
        no_class_for_a_method(c, org)
        last = c.unique("class")
        c.create(CLASS, None, last, {"provider": "manual"}, labels={DEFAULT: "true"})
        c.method(org, f"card-{number}", cls=None)
        assert c.get(METHOD, org, f"card-{number}")["spec"]["paymentMethodClassRef"] == {"name": last}


# ------------------------------------------------- invoices and arrangements

@pytest.mark.parametrize("make", [lambda c, *more, **metadata: c.invoice(*more, metadata=metadata),
                                  lambda c, *more, **metadata: c.arrange(*more, metadata=metadata)], ids=["invoice", "arrangement"])
def test_they_belong_to_an_account_that_is_there(c, org, make):
    elsewhere = c.namespace()
    refuses(c, lambda c: make(c, elsewhere), "spec.billingAccountRef", "main")
    refuses(c, lambda c: make(c, org, ownerReferences=[owner(c, org, uid="11111111-2222-3333-4444-555555555555")]),
            "metadata.ownerReferences")
    c.account(org, "other")
    refuses(c, lambda c: make(c, org, ownerReferences=[owner(c, org, "other")]), "metadata.ownerReferences")
    make(c, org, ownerReferences=[owner(c, org)])


@pytest.mark.parametrize("kind, spec", [
    (INVOICE, {"period": {"start": "2026-10-01T00:00:00Z", "end": "2026-10-31T23:59:59Z"}}), (ARRANGEMENT, {"type": "Invoice"})])
def test_owner_is_filled_in(c, org, kind, spec):
    """As a dry run: Tollgate's own writes afterwards cannot have done it."""
    spec["billingAccountRef"] = {"name": "main"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "11111111-2222-3333-4444-555555555555"}
    for others in ([], [config]):
        made = c.another(dry_run=True).create(kind, org, "any", spec, ownerReferences=others)
        owners = made["metadata"]["ownerReferences"]
        assert owners[:-1] == others and owners[-1].items() >= owner(c, org).items()
        assert not owners[-1].get("controller") and not owners[-1].get("blockOwnerDeletion")


def test_arrangement_starts_now_unless_told(c, org):
    dry = c.another(dry_run=True)
    terms = {"billingAccountRef": {"name": "main"}, "type": "Invoice"}
    before = utc_today().replace(microsecond=0)
    assert before <= stamp(dry.create(ARRANGEMENT, org, "any", terms)["spec"]["startsAt"]) <= utc_today()
    late = "2090-01-01T00:00:00Z"
    assert dry.create(ARRANGEMENT, org, "any", {**terms, "startsAt": late})["spec"]["startsAt"] == late
    c.create(ARRANGEMENT, org, "any", terms)
    assert before <= stamp(c.get(ARRANGEMENT, org, "any")["spec"]["startsAt"]) <= utc_today()


def test_invoice_period_runs_forwards(c, org):
    """The schema says so; no second rule does."""
    period = {"start": "2026-10-31T00:00:00Z", "end": "2026-10-01T00:00:00Z"}
    with pytest.raises(ApiError, match="start must be before end"):
        c.create(INVOICE, org, "main-2026-10", {"billingAccountRef": {"name": "main"}, "period": period})


def test_arrangements_do_not_overlap(c, org):
    at = "{}-01-01T00:00:00Z".format
    c.arrange(org, "terms", startsAt=at(2030), endsAt=at(2040))
    for window in ({"startsAt": at(2039)}, {"startsAt": at(2025), "endsAt": at(2031)}, {"startsAt": at(2025)}, {},
                   {"startsAt": at(2032), "endsAt": at(2033)}, {"startsAt": at(2030), "endsAt": at(2040)}):
        refuses(c, lambda c: c.arrange(org, "more", **window), "spec", 'overlaps arrangement "terms"')
    c.arrange(org, "after", startsAt=at(2040))
    c.arrange(org, "before", startsAt=at(2025), endsAt=at(2030))
    refuses(c, lambda c: c.patch(ARRANGEMENT, org, "before", {"spec": {"endsAt": at(2031)}}), "spec", 'overlaps arrangement "terms"')
    c.account(org, "other")
    c.arrange(org, "elsewhere", "other", startsAt=at(2030), endsAt=at(2040))
    c.delete(ARRANGEMENT, org, "terms")
    c.arrange(org, "instead", startsAt=at(2030), endsAt=at(2040))  # at once


# ---------------------------------------------------------------- card numbers

def field(path, value):
    """{"a": {"b": value}} of "a.b"."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize("text", [
    PAN, "4111 1111 1111 1111", "4111-1111-1111-1111", f"card {PAN}, please", "378282246310005", "4222222222222", "6011000990139424",
    "3782 822463 10005"])
@pytest.mark.parametrize("path", ["spec.contactInfo.name", "spec.contactInfo.address.line1", "metadata.annotations.note"])
def test_card_number_is_refused_wherever_people_write(c, org, path, text):
    body = {"spec": {"contactInfo": {"email": "a@example.com", "address": {"country": "DE"}}}}
    for parent, values in field(path, text).items():
        body.setdefault(parent, {})
        merge(body[parent], values)
    said = refuses(c, lambda c: c.patch(ACCOUNT, org, "main", body), path)
    assert text not in said, "and is not told to all who read logs"


def merge(into, values):
    for name, value in values.items():
        if isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


@pytest.mark.parametrize("text", ["4111111111111112", "123456789012", "41111111111111111111111", "DE89 3704 0044 0532 0130 00",
                                  "+49 151 12345678", "2026-11-25 12:00:00", "c0ffee00-4111-4111-8111-111111111112", "order 4111 of 1111"])
def test_other_digits_are_not_refused(c, org, text):
    c.patch(ACCOUNT, org, "main", {"spec": {"contactInfo": {"email": "a@example.com", "name": text}}})


def test_card_number_in_every_kind(c, org):
    ref = {"billingAccountRef": {"name": "main"}}
    note = {"annotations": {"example.com/note": f"paid with {PAN}"}}
    period = {"start": "2026-10-01T00:00:00Z", "end": "2026-10-31T23:59:59Z"}
    for kind, ns, spec, metadata, where in (
            (METHOD, org, {**ref, "displayName": PAN, "paymentMethodClassRef": {"name": "manual"}}, {}, "spec.displayName"),
            (ARRANGEMENT, org, {**ref, "type": "Invoice", "reason": PAN}, {}, "spec.reason"),
            (ARRANGEMENT, org, {**ref, "type": "Invoice", "invoice": {"purchaseOrderNumber": PAN}}, {}, "spec.invoice.purchaseOrderNumber"),
            (INVOICE, org, {**ref, "period": period}, note, "metadata.annotations[example.com/note]"),
            (BINDING, org, {**ref, "projectRef": {"name": PAN}}, {}, "spec.projectRef.name"),
            (BINDING, org, {**ref, "projectRef": {"name": "shop"}}, {"labels": {"card": PAN}}, "metadata.labels.card"),
            (CLASS, None, {"provider": "manual"}, note, "metadata.annotations[example.com/note]"),
            ("ProjectBilling", org, None, note, "metadata.annotations[example.com/note]")):
        refuses(c, lambda c: c.create(kind, ns, "any", spec, **metadata), where)
    refuses(c, lambda c: c.account(org, f"a-{PAN}", ready=False), "metadata.name")


def test_card_number_in_a_status(c, org):
    c.method(org, cls="manual")
    name = c.invoice(org)
    refuses(c, lambda c: c.patch_status(METHOD, org, "visa", phase="Failed", failureMessage=f"{PAN} was declined"), "status.failureMessage")
    refuses(c, lambda c: c.patch_status(INVOICE, org, name, documentUri=f"https://example.com/{PAN}"), "status.documentUri")
    c.patch_status(METHOD, org, "visa", phase="Failed", failureMessage="the card that ends in 1111 was declined")
    c.bill(org, name, phase="Open", total=f"{PAN}.00", amountDue=f"{PAN}.00")  # a large sum, and no card


def test_card_number_that_was_there_before_holds_nothing_up(c, org):
    trusted(c).patch(ACCOUNT, org, "main", {"metadata": {"annotations": {"note": PAN}}})
    c.patch(ACCOUNT, org, "main", {"metadata": {"annotations": {"other": "fine"}}})
    c.patch(ACCOUNT, org, "main", {"spec": {"contactInfo": {"email": "a@example.com"}}})
    refuses(c, lambda c: c.patch(ACCOUNT, org, "main", {"metadata": {"annotations": {"more": PAN}}}), "metadata.annotations.more")
    refuses(c, lambda c: c.patch(ACCOUNT, org, "main", {"metadata": {"labels": {"more": PAN}}}), "metadata.labels.more")


# --------------------------------------------------------------- what it lets be

def test_object_that_would_be_refused_today_can_be_labelled_and_released(c, org):
    late = trusted(c)
    late.account(org, "odd", currency="ZZZ", ready=False)
    late.method(org, "orphan", "none", cls="manual")
    for kind, name in ((ACCOUNT, "odd"), (METHOD, "orphan")):
        c.patch(kind, org, name, {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}})
        c.patch(kind, org, name, {"metadata": {"finalizers": [HOLD]}})
        c.delete(kind, org, name)
        c.patch(kind, org, name, {"metadata": {"finalizers": None}})
        until(lambda: c.find(kind, org, name) is None)


def test_object_that_would_be_refused_today_is_judged_when_its_spec_changes(c, org):
    trusted(c).account(org, "odd", currency="ZZZ", ready=False)
    refuses(c, lambda c: c.patch(ACCOUNT, org, "odd", {"spec": {"contactInfo": {"email": "a@example.com"}}}), "spec.currencyCode")


def test_unknown_fields_survive_what_is_filled_in(c, org, plane):
    crd = json.loads(plane.kubectl("get", "crd", f"paymentmethods.{GROUP}", "-o", "json").stdout)
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-preserve-unknown-fields"] = True
    plane.kubectl("replace", "-f", "-", input=json.dumps(crd))
    future = {"a/b~c": [1, {"deep": None}], "ü": "\u2028"}

    def make():
        made = c.another(dry_run=True).create(METHOD, org, "any", {"billingAccountRef": {"name": "main", "later": 1}, "displayName": "Card",
                                                                   "future": future})
        return made["spec"] if "future" in made["spec"] else None
    try:
        made = until(make)
        assert made["paymentMethodClassRef"] == {"name": "manual"} and made["future"] == future
    finally:
        plane.kubectl("replace", "-f", ROOT / "crds" / "paymentmethod.yaml")


def test_generated_names(c, org):
    """They are not there yet when the object is looked at."""
    spec = {"billingAccountRef": {"name": "main"}, "type": "Invoice"}
    body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": ARRANGEMENT, "metadata": {"generateName": "terms-"}, "spec": spec}
    made = c.request("POST", c.path(ARRANGEMENT, org), body)
    assert made["metadata"]["name"].startswith("terms-") and made["spec"]["startsAt"]


# ----------------------------------------------- what has only just been written

def test_file_applied_in_order(c, plane):
    ns = c.namespace()
    common = {"apiVersion": f"{GROUP}/v1alpha1"}
    items = [{**common, "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec} for kind, name, spec in (
        (ACCOUNT, "main", {"currencyCode": "EUR"}),
        (METHOD, "visa", {"billingAccountRef": {"name": "main"}, "displayName": "Card"}),
        (BINDING, "shop", {"billingAccountRef": {"name": "main"}, "projectRef": {"name": c.unique("project")}}),
        (ARRANGEMENT, "terms", {"billingAccountRef": {"name": "main"}, "type": "Invoice"}))]
    done = plane.kubectl("apply", "-f", "-", input="\n---\n".join(map(json.dumps, items)))
    assert done.stdout.count(" created") == 4
    settles(lambda: c.phase(BINDING, ns, "shop"), "Active")


def test_account_of_a_moment_ago(c):
    ns = c.namespace()
    for number in range(100):
        name = f"a{number}"
        c.account(ns, name, ready=False)
        c.bind(ns, f"project-{ns}-{number}", name)
        c.method(ns, f"card-{number}", name)
        c.arrange(ns, f"terms-{number}", name)
    settles(lambda: [one.get("status", {}).get("phase") for one in c.list(BINDING, ns)], ["Active"] * 100)


def test_account_after_its_last_binding(c):
    ns = c.namespace()
    for number in range(20):
        name = c.account(ns, f"a{number}")
        binding = c.bound(ns, f"project-{ns}-{number}", name)
        c.delete(BINDING, ns, binding)
        c.delete(ACCOUNT, ns, name)
    settles(lambda: c.list(ACCOUNT, ns), [])


# --------------------------------------------------------- namespaces, and nobody there

def occupied(c):
    """A customer's namespace with all that holds each other: binding, default method, invoice, arrangement."""
    ns = c.namespace()
    c.account(ns)
    c.method(ns)
    settles(lambda: c.phase(METHOD, ns, "visa"), "Active")
    choose(c, ns, "visa")
    c.bound(ns, c.project())
    c.invoice(ns)
    c.arrange(ns)
    return ns


def test_namespace_is_deleted_with_all_that_is_in_it(c):
    ns = occupied(c)
    c.delete("Namespace", None, ns)
    until(lambda: c.find("Namespace", None, ns) is None, 60)


@pytest.fixture
def down(c, tollgate):
    """down(): nobody answers at the door from then on, until the test has ended."""
    yield tollgate.stop
    if tollgate.process.poll() is not None:
        tollgate.start()


def test_namespace_is_emptied_while_tollgate_is_down(c, tollgate, down):
    ns = occupied(c)
    assert down() == 0
    c.delete("Namespace", None, ns)
    settles(lambda: [c.list(kind, ns) for kind in (BINDING, METHOD, INVOICE, ARRANGEMENT)], [[]] * 4, 60)
    until(lambda: "deletionTimestamp" in c.get(ACCOUNT, ns, "main")["metadata"])  # for its finalizer it needs us
    tollgate.start()
    until(lambda: c.find("Namespace", None, ns) is None, 60)


def test_nothing_is_stored_unjudged_and_nothing_else_is_held_up(c, plane, paying, down):
    project = c.project()
    c.bound(paying, project)
    c.allowed(project)
    blocked = c.project()
    settles(lambda: c.get("Namespace", None, blocked)["metadata"]["labels"].get(f"{GROUP}/deploy"), "blocked")
    assert down() == 0
    for act in (lambda: c.account(paying, "other", ready=False), lambda: c.bind(paying, "another"), lambda: c.method(paying, "late", cls=None),
                lambda: c.invoice(paying), lambda: c.arrange(paying), lambda: choose(c, paying, None),
                lambda: c.create(CLASS, None, "late", {"provider": "manual"}), lambda: c.delete(ACCOUNT, paying, "main"),
                lambda: c.delete(METHOD, paying, "visa"), lambda: c.patch_status(METHOD, paying, "visa", phase="Failed")):
        with pytest.raises(ApiError, match=DOWN) as caught:
            act()
        assert caught.value.code == 500
    assert "deletionTimestamp" not in c.get(ACCOUNT, paying, "main")["metadata"]
    c.create("ConfigMap", paying, "any")
    c.patch("Namespace", None, paying, {"metadata": {"labels": {"team": "a"}}})
    c.patch(ACCOUNT, paying, "main", {"metadata": {"finalizers": [f"{GROUP}/billing-account"]}})

    def deploy(ns):
        return plane.kubectl("create", "deployment", "web", "--image=registry.example/web", "-n", ns, "--dry-run=server", check=False)
    assert "denied request: billing account required before deploy" in deploy(blocked).stderr
    assert deploy(project).returncode == 0


# ---------------------------------------------------------------------- rights

def test_rights_are_those_it_uses(c, plane, run):
    elected = run("--leader-elect", plane=plane)
    settles(lambda: {verb for verb, resource, *_ in audit.requests(plane) if resource == "leases"}, {"get", "create", "update"})
    assert elected.stop() == 0
    cluster, by_name = audit.granted(plane, "clusterrole")
    own, own_by_name = audit.granted(plane, "role", "-n", NAMESPACE)
    assert own - own_by_name == {("create", "leases")}, "a name cannot be asked for where something is created"
    asked = audit.requests(plane)
    used = {(verb, resource) for verb, resource, *_ in asked}
    # An event about what is in a namespace that goes is no longer taken.
    assert {one for one in asked if one[3] == 403 and one[1] != "events"} == set()
    assert used - cluster - own == set() and (by_name | own) - used == set()
    names = {name for verb, resource, name, _ in asked if (verb, resource) in by_name | own}
    assert names - {f"{NAMESPACE}/"} == {f"{NAMESPACE}/tollgate-webhook", f"{NAMESPACE}/tollgate", "/tollgate"}
