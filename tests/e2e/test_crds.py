"""The schemas on a real API server: each rule is seen to refuse and to let pass, as clients meet it.

A row is (what it shows, changes to a good object, part of the refusal or None). Changes are {path: value}; the value
ABSENT removes. Nothing is stored where it can be helped: rows run as --dry-run=server, which validates in full.
"""

import copy
import json

import pytest

ABSENT = object()
GROUP = "billing.miloapis.com/v1alpha1"


def make(kind, name, spec, namespace=None):
    metadata = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": spec}


def change(thing, changes):
    thing = copy.deepcopy(thing)
    for path, value in changes.items():
        *parents, last = path.split(".")
        at = thing
        for parent in parents:
            at = at.setdefault(parent, {})
        if value is ABSENT:
            del at[last]
        else:
            at[last] = value
    return thing


def expect(plane, args, refusal, **kwargs):
    """Runs kubectl; what it says must hold `refusal`, or it must succeed."""
    done = plane.kubectl(*args, check=False, **kwargs)
    said = done.stderr + done.stdout
    if refusal is None:
        assert done.returncode == 0, said
    else:
        assert done.returncode != 0, f"was let pass, but should say: {refusal}"
        assert refusal in said, said
    return done


def try_create(plane, thing, refusal):
    expect(plane, ["create", "--dry-run=server", "-f", "-"], refusal, input=json.dumps(thing))


def try_patch(plane, namespace, what, patch, refusal, *more):
    expect(plane, ["-n", namespace, "patch", what, "--dry-run=server", "--type=merge", "-p", json.dumps(patch), *more], refusal)


def rows(table):
    return pytest.mark.parametrize("changes,refusal", [pytest.param(c, r, id=what) for what, c, r in table])


# ------------------------------------------------------------------ BillingAccount

MAIL = "must be a valid email address"
TERMS = "payment terms are granted by billing staff through a BillingArrangement"
TWICE = "must not hold the same address twice"

ACCOUNTS = [
    ("the least there can be", {}, None),
    ("no spec", {"spec": ABSENT}, "spec: Required value"),
    ("no currency", {"spec.currencyCode": ABSENT}, "spec.currencyCode: Required value"),
    ("a currency that is none is storable", {"spec.currencyCode": "ZZZ"}, None),
    ("currency in lower case", {"spec.currencyCode": "usd"}, "spec.currencyCode"),
    ("currency of four letters", {"spec.currencyCode": "USDT"}, "spec.currencyCode"),
    ("standard terms said aloud",
     {"spec.paymentTerms": {"netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1}}, None),
    ("terms said in part", {"spec.paymentTerms": {"netDays": 30}}, None),
    ("terms that are null", {"spec.paymentTerms": None}, None),
    ("other net days", {"spec.paymentTerms": {"netDays": 60}}, TERMS),
    ("other frequency", {"spec.paymentTerms": {"invoiceFrequency": "Quarterly"}}, TERMS),
    ("other day", {"spec.paymentTerms": {"invoiceDayOfMonth": 28}}, TERMS),
    ("a day that February lacks", {"spec.paymentTerms": {"invoiceDayOfMonth": 29}}, "less than or equal to 28"),
    ("no such frequency", {"spec.paymentTerms": {"invoiceFrequency": "Weekly"}}, "Unsupported value"),
    ("contact without e-mail", {"spec.contactInfo": {"name": "Ada"}}, "spec.contactInfo.email: Required value"),
    ("businessName of 256", {"spec.contactInfo": {"email": "a@example.com", "businessName": "ü" * 256}}, None),
    ("businessName of 257", {"spec.contactInfo": {"email": "a@example.com", "businessName": "ü" * 257}}, "Too long"),
    ("country in lower case", {"spec.contactInfo": {"email": "a@example.com", "address": {"country": "gb"}}}, "country"),
    ("address without country", {"spec.contactInfo": {"email": "a@example.com", "address": {"city": "Ulm"}}},
     "address.country: Required value"),
    ("whole address", {"spec.contactInfo": {"email": "a@example.com", "address": {
        "country": "DE", "line1": "Münsterplatz 1", "line2": "2. Stock", "city": "Ulm", "region": "BW",
        "postalCode": "89073"}}}, None),
    ("shipping address without country", {"spec.shippingAddress": {"city": "Ulm"}}, "shippingAddress.country"),
    ("invoice e-mails", {"spec.contactInfo": {
        "email": "a@example.com", "invoiceEmails": ["a@example.com", "b@example.com"]}}, None),
    ("ten invoice e-mails", {"spec.contactInfo": {
        "email": "a@example.com", "invoiceEmails": [f"a{i}@example.com" for i in range(10)]}}, None),
    ("eleven invoice e-mails", {"spec.contactInfo": {
        "email": "a@example.com", "invoiceEmails": [f"a{i}@example.com" for i in range(11)]}}, "must have at most 10 items"),
    ("the same invoice e-mail twice", {"spec.contactInfo": {
        "email": "a@example.com", "invoiceEmails": ["b@example.com", "b@example.com"]}}, "Duplicate value"),
    ("twice but for case", {"spec.contactInfo": {
        "email": "a@example.com", "invoiceEmails": ["b@example.com", "B@Example.com"]}}, TWICE),
    ("a bad invoice e-mail", {"spec.contactInfo": {"email": "a@example.com", "invoiceEmails": ["b"]}}, MAIL),
    ("tax ids", {"spec.taxIds": [{"type": "eu_vat", "value": "DE1"}, {"type": "us_ein", "value": "1" * 64}]}, None),
    ("tax type twice", {"spec.taxIds": [{"type": "eu_vat", "value": "1"}, {"type": "eu_vat", "value": "2"}]},
     "Duplicate value"),
    ("tax type in upper case", {"spec.taxIds": [{"type": "EU_VAT", "value": "1"}]}, "taxIds[0].type"),
    ("empty tax number", {"spec.taxIds": [{"type": "eu_vat", "value": ""}]}, "taxIds[0].value"),
    ("tax number of 65", {"spec.taxIds": [{"type": "eu_vat", "value": "1" * 65}]}, "Too long"),
    ("default method", {"spec.defaultPaymentMethodRef": {"name": "m" * 253}}, None),
    ("default method of 254", {"spec.defaultPaymentMethodRef": {"name": "m" * 254}}, "Too long"),
    ("default method without a name", {"spec.defaultPaymentMethodRef": {"name": ""}}, "defaultPaymentMethodRef.name"),
    ("closure requested", {"spec.closureRequested": True}, None),
    ("name of 253", {"metadata.name": "n" * 253}, None),
    ("name of 254", {"metadata.name": "n" * 254}, "metadata.name"),
]


@rows(ACCOUNTS)
def test_account(plane, changes, refusal):
    account = make("BillingAccount", "main", {"currencyCode": "USD"}, "default")
    try_create(plane, change(account, changes), refusal)


@pytest.mark.parametrize("email", [
    "a@example.com", "first.last+tag@sub.example.co.uk", "o'brien@example.com", "ünï@exämple.de", "x@1.de",
    "a" * 64 + "@example.com", "a@" + "b" * 63 + ".com", "!#$%&'*+-/=?^_`{|}~@example.com",
])
def test_good_email_is_taken(plane, email):
    spec = {"currencyCode": "USD", "contactInfo": {"email": email}}
    try_create(plane, make("BillingAccount", "main", spec, "default"), None)


@pytest.mark.parametrize("email", [
    "plain", "@example.com", "a@", "a@@example.com", "a@b@example.com", "a b@example.com", "a@exa mple.com", "a@example",
    "a@.com", "a@example..com", "a@example.com.", ".a@example.com", "a.@example.com", "a..b@example.com", "a@-example.com",
    "a@example-.com", "Ada <a@example.com>", "a@example.com,b@example.com", "a@example.com\n", " a@example.com",
    "a" * 65 + "@example.com", "a@" + "b" * 64 + ".com", "a\x01b@example.com", "a\x7f@example.com", '"a b"@example.com',
    "a[b]@example.com", "a\\b@example.com",
])
def test_bad_email_is_refused(plane, email):
    spec = {"currencyCode": "USD", "contactInfo": {"email": email}}
    try_create(plane, make("BillingAccount", "main", spec, "default"), MAIL)


def test_fresh_account_shows_the_standard_terms(plane):
    account = make("BillingAccount", "main", {"currencyCode": "USD"}, "default")
    done = plane.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(account))
    assert json.loads(done.stdout)["spec"]["paymentTerms"] == {
        "netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1}


def create(plane, *things):
    plane.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(things)}))


def set_status(plane, namespace, what, status):
    plane.kubectl("-n", namespace, "patch", what, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


@pytest.mark.parametrize("phase,refusal", [
    (None, None),
    ("Provisioning", None),
    ("Ready", "currencyCode is immutable"),
    ("Suspended", "currencyCode is immutable"),
    ("Archived", "currencyCode is immutable"),
])
def test_currency_is_fixed_past_provisioning(plane, namespace, phase, refusal):
    create(plane, make("BillingAccount", "main", {"currencyCode": "USD"}, namespace))
    if phase:
        set_status(plane, namespace, "bacct/main", {"phase": phase})
    try_patch(plane, namespace, "bacct/main", {"spec": {"currencyCode": "EUR"}}, refusal)
    try_patch(plane, namespace, "bacct/main", {"spec": {"currencyCode": "USD", "closureRequested": True}}, None)
    try_patch(plane, namespace, "bacct/main", {"status": {"phase": "Suspended"}}, None, "--subresource=status")


CONDITION = {"type": "Ready", "status": "True", "reason": "BillingAccountReady", "message": "",
             "lastTransitionTime": "2026-01-01T00:00:00Z"}


@rows([
    ("every account phase", {"phase": "Archived"}, None),
    ("no such phase", {"phase": "Closed"}, "Unsupported value"),
    ("a condition", {"conditions": [CONDITION]}, None),
    ("a reason with commas, colons and underscores", {"conditions": [{**CONDITION, "reason": "a_b:c,D9"}]}, None),
    ("a reason with a blank", {"conditions": [{**CONDITION, "reason": "card declined"}]}, "reason"),
    ("an empty reason", {"conditions": [{**CONDITION, "reason": ""}]}, "reason"),
    ("a condition without message",
     {"conditions": [{k: v for k, v in CONDITION.items() if k != "message"}]}, "message: Required value"),
    ("a condition twice", {"conditions": [CONDITION, CONDITION]}, "Duplicate value"),
    ("a long message", {"conditions": [{**CONDITION, "message": "m" * 32768}]}, None),
    ("a longer message", {"conditions": [{**CONDITION, "message": "m" * 32769}]}, "Too long"),
    ("all that Tollgate adds", {
        "estimate": {"monthToDate": "12.50", "forecast": "30", "asOf": "2026-01-15T00:00:00Z"}, "creditBalance": "0",
        "outstandingAmount": "-1.5", "upcomingInvoice": {"total": "3.00", "period": {
            "start": "2026-01-01T00:00:00Z", "end": "2026-01-31T23:59:59Z"}}, "actionRequiredCount": 0,
        "suspension": {"reason": "an invoice is past due", "since": "2026-01-01T00:00:00Z"}, "linkedProjectsCount": 3,
        "latestInvoiceRef": {"name": "main-2026-01"}, "observedGeneration": 2,
        "paymentArrangement": {"name": "a", "type": "Invoice", "startsAt": "2026-01-01T00:00:00Z",
                               "endsAt": "2027-01-01T00:00:00Z", "invoice": {"netDays": 90, "creditLimit": "10000"}}}, None),
    ("money with an exponent", {"creditBalance": "1e3"}, "creditBalance"),
    ("money as a number", {"creditBalance": 3}, "creditBalance"),
    ("a date without time", {"suspension": {"since": "2026-01-01"}}, "since"),
    ("too many net days", {"paymentArrangement": {"invoice": {"netDays": 91}}}, "netDays"),
])
def test_account_status(plane, account_in_default, changes, refusal):
    try_patch(plane, "default", "bacct/status-rows", {"status": changes}, refusal, "--subresource=status")


@pytest.fixture(scope="module")
def account_in_default(plane):
    create(plane, make("BillingAccount", "status-rows", {"currencyCode": "USD"}, "default"))


def test_conditions_keep_the_order_they_are_written_in(plane, namespace):
    create(plane, make("BillingAccount", "main", {"currencyCode": "USD"}, namespace))
    types = ["Ready", "DefaultPaymentMethodReady", "InvoicingReady", "PaymentReady"]
    for order in (types[::-1], types):
        set_status(plane, namespace, "bacct/main", {"conditions": [{**CONDITION, "type": t} for t in order]})
        shown = plane.kubectl("-n", namespace, "get", "bacct/main", "-o", "jsonpath={.status.conditions[*].type}").stdout
        assert shown.split() == order


# ------------------------------------------------------------------ BillingAccountBinding

BINDING = {"billingAccountRef": {"name": "main"}, "projectRef": {"name": "till"}}


@rows([
    ("both names", {}, None),
    ("no account", {"spec.billingAccountRef": ABSENT}, "spec.billingAccountRef: Required value"),
    ("no project", {"spec.projectRef": ABSENT}, "spec.projectRef: Required value"),
    ("empty project", {"spec.projectRef.name": ""}, "spec.projectRef.name"),
    ("project of 253", {"spec.projectRef.name": "p" * 253}, None),
    ("project of 254", {"spec.projectRef.name": "p" * 254}, "Too long"),
])
def test_binding(plane, changes, refusal):
    try_create(plane, change(make("BillingAccountBinding", "b", BINDING, "default"), changes), refusal)


@pytest.mark.parametrize("spec,refusal", [
    ({"billingAccountRef": {"name": "other"}}, "immutable"),
    ({"projectRef": {"name": "other"}}, "immutable"),
    ({"projectRef": {"name": "till"}}, None),
])
def test_binding_is_immutable(plane, namespace, spec, refusal):
    create(plane, make("BillingAccountBinding", "b", BINDING, namespace))
    try_patch(plane, namespace, "bbind/b", {"spec": spec}, refusal)
    try_patch(plane, namespace, "bbind/b", {"metadata": {"labels": {"a": "b"}}}, None)


# ------------------------------------------------------------------ PaymentMethod

METHOD = {"billingAccountRef": {"name": "main"}, "displayName": "Corporate Visa"}
MARKETPLACE = {"provider": "aws", "subscriptionId": "s-1"}
EXACTLY = "marketplace must be set if, and only if, type is marketplaceSubscription"


@rows([
    ("the least there can be", {}, None),
    ("no display name", {"spec.displayName": ABSENT}, "spec.displayName: Required value"),
    ("empty display name", {"spec.displayName": ""}, "spec.displayName"),
    ("display name of 128", {"spec.displayName": "卡" * 128}, None),
    ("display name of 129", {"spec.displayName": "卡" * 129}, "Too long"),
    ("a class", {"spec.paymentMethodClassRef": {"name": "stripe"}}, None),
    ("a class without a name is none", {"spec.paymentMethodClassRef": {}}, None),
    ("each type: card", {"spec.type": "card"}, None),
    ("each type: usBankAccount", {"spec.type": "usBankAccount"}, None),
    ("each type: bankTransfer", {"spec.type": "bankTransfer"}, None),
    ("no such type", {"spec.type": "cheque"}, "Unsupported value"),
    ("marketplace with its type", {"spec.type": "marketplaceSubscription", "spec.marketplace": MARKETPLACE}, None),
    ("marketplace without a type", {"spec.marketplace": MARKETPLACE}, EXACTLY),
    ("marketplace with another type", {"spec.type": "card", "spec.marketplace": MARKETPLACE}, EXACTLY),
    ("the type without marketplace", {"spec.type": "marketplaceSubscription"}, EXACTLY),
    ("no such marketplace", {"spec.type": "marketplaceSubscription",
                             "spec.marketplace": {"provider": "ebay", "subscriptionId": "s"}}, "Unsupported value"),
])
def test_method(plane, changes, refusal):
    try_create(plane, change(make("PaymentMethod", "visa", METHOD, "default"), changes), refusal)


@pytest.mark.parametrize("old,new,refusal", [
    (None, {"billingAccountRef": {"name": "other"}}, "billingAccountRef is immutable"),
    (None, {"displayName": "Another name"}, None),
    (None, {"paymentMethodClassRef": {"name": "stripe"}}, None),
    ({}, {"paymentMethodClassRef": {"name": "stripe"}}, None),
    ({}, {"paymentMethodClassRef": None}, None),
    ({"name": "stripe"}, {"paymentMethodClassRef": {"name": "stripe"}}, None),
    ({"name": "stripe"}, {"displayName": "Another name"}, None),
    ({"name": "stripe"}, {"paymentMethodClassRef": {"name": "other"}}, "paymentMethodClassRef is immutable"),
    ({"name": "stripe"}, {"paymentMethodClassRef": None}, "paymentMethodClassRef is immutable"),
    ({"name": "stripe"}, {"paymentMethodClassRef": {"name": None}}, "paymentMethodClassRef is immutable"),
])
def test_method_keeps_account_and_class(plane, namespace, old, new, refusal):
    spec = METHOD if old is None else {**METHOD, "paymentMethodClassRef": old}
    create(plane, make("PaymentMethod", "visa", spec, namespace))
    try_patch(plane, namespace, "bpm/visa", {"spec": new}, refusal)


@rows([
    ("a card", {"type": "card", "card": {"brand": "visa", "last4": "4242", "country": "US", "funding": "credit",
                                         "expiryMonth": 12, "expiryYear": 2030}}, None),
    ("a bank account", {"type": "usBankAccount", "usBankAccount": {
        "bankName": "First", "last4": "0001", "accountType": "checking", "accountHolderType": "company"}}, None),
    ("a transfer", {"type": "bankTransfer"}, None),
    ("a card of another type", {"type": "bankTransfer", "card": {"brand": "visa"}}, "card may be set only with type card"),
    ("a bank account of another type", {"type": "card", "usBankAccount": {"bankName": "First"}},
     "usBankAccount may be set only with type usBankAccount"),
    ("month 0", {"type": "card", "card": {"expiryMonth": 0}}, "expiryMonth"),
    ("month 13", {"type": "card", "card": {"expiryMonth": 13}}, "expiryMonth"),
    ("five last digits", {"type": "card", "card": {"last4": "12345"}}, "last4"),
])
def test_method_details(plane, method_in_default, changes, refusal):
    try_patch(plane, "default", "bpm/status-rows", {"status": {"details": changes}}, refusal, "--subresource=status")


def test_provider_may_write_any_failure_reason(plane, method_in_default):
    status = {"phase": "Failed", "failureReason": "karte abgelehnt: 日本!", "failureMessage": "x\ny"}
    try_patch(plane, "default", "bpm/status-rows", {"status": status}, None, "--subresource=status")


@pytest.fixture(scope="module")
def method_in_default(plane):
    create(plane, make("PaymentMethod", "status-rows", METHOD, "default"))


# ------------------------------------------------------------------ PaymentMethodClass, ProjectBilling

@rows([
    ("a provider", {}, None),
    ("no provider", {"spec.provider": ABSENT}, "spec.provider: Required value"),
    ("empty provider", {"spec.provider": ""}, "spec.provider"),
    ("parameters", {"spec.parametersRef": {"group": "x.example.com", "kind": "Settings", "name": "s"}}, None),
    ("parameters of the core group", {"spec.parametersRef": {"group": "", "kind": "ConfigMap", "name": "s"}}, None),
    ("parameters without a name", {"spec.parametersRef": {"kind": "ConfigMap"}}, "parametersRef.name: Required value"),
])
def test_class(plane, changes, refusal):
    try_create(plane, change(make("PaymentMethodClass", "c", {"provider": "manual"}), changes), refusal)


def test_project_billing_needs_nothing_but_a_name(plane, namespace):
    thing = make("ProjectBilling", "shop", None, namespace)
    del thing["spec"]
    create(plane, thing)
    set_status(plane, namespace, "pbill/shop", {
        "billingAccount": {"namespace": "acme", "name": "main"}, "bindingRef": {"namespace": "acme", "name": "b"},
        "deployAllowed": False, "conditions": [{**CONDITION, "type": "DeployAllowed", "reason": "NoBinding"}]})
    try_patch(plane, namespace, "pbill/shop", {"status": {"billingAccount": {"name": "main", "namespace": None}}},
              "billingAccount.namespace: Required value", "--subresource=status")


# ------------------------------------------------------------------ Invoice, BillingArrangement

INVOICE = {"billingAccountRef": {"name": "main"}, "period": {"start": "2026-10-01T00:00:00Z", "end": "2026-10-31T23:59:59Z"}}
TERMS = {"billingAccountRef": {"name": "main"}, "type": "Invoice"}


@rows([
    ("good", {}, None),
    ("account missing", {"spec.billingAccountRef": ABSENT}, "spec.billingAccountRef: Required value"),
    ("period missing", {"spec.period": ABSENT}, "spec.period: Required value"),
    ("period without end", {"spec.period": {"start": "2026-10-01T00:00:00Z"}}, "spec.period.end: Required value"),
    ("period reversed", {"spec.period": {"start": "2026-11-01T00:00:00Z", "end": "2026-10-01T00:00:00Z"}}, "start must be before end"),
    ("period empty", {"spec.period": {"start": "2026-10-01T00:00:00Z", "end": "2026-10-01T00:00:00Z"}}, "start must be before end"),
    ("period no time", {"spec.period": {"start": "October", "end": "2026-10-01T00:00:00Z"}}, "spec.period.start"),
    ("to be voided", {"spec.voidRequested": True}, None),
])
def test_invoice_spec(plane, namespace, changes, refusal):
    try_create(plane, change(make("Invoice", "main-2026-10", INVOICE, namespace), changes), refusal)


AMOUNT = "should match"


@pytest.mark.parametrize("status, refusal", [
    ({"phase": "Open", "currencyCode": "EUR", "total": "119.00", "amountPaid": "0", "amountDue": "-0.5"}, None),
    ({"total": "9" * 29 + "." + "9" * 9}, None), ({"total": "1e3"}, AMOUNT), ({"total": "NaN"}, AMOUNT), ({"total": "+1"}, AMOUNT),
    ({"total": "1."}, AMOUNT), ({"total": ".5"}, AMOUNT), ({"total": "1,5"}, AMOUNT), ({"total": ""}, AMOUNT), ({"total": "9" * 40}, AMOUNT),
    ({"total": 5}, "must be of type string"), ({"phase": "Overdue"}, 'Unsupported value: "Overdue"'),
    ({"currencyCode": "eur"}, "status.currencyCode"), ({"dueDate": "2027-02-29T00:00:00Z"}, "status.dueDate"),
    ({"lines": [{"amount": "ten"}]}, "status.lines[0].amount"), ({"attemptCount": -1}, "status.attemptCount"),
], ids=str)
def test_invoice_status(plane, namespace, status, refusal):
    plane.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(make("Invoice", "main-2026-10", INVOICE, namespace)))
    try_patch(plane, namespace, "invoice/main-2026-10", {"status": status}, refusal, "--subresource=status")


@pytest.mark.parametrize("spec, refusal", [
    ({"billingAccountRef": {"name": "other"}}, "billingAccountRef is immutable"),
    ({"period": {"end": "2026-11-30T23:59:59Z"}}, "period is immutable"), ({"voidRequested": True}, None)], ids=str)
def test_invoice_is_immutable_but_for_voiding(plane, namespace, spec, refusal):
    create(plane, make("Invoice", "main-2026-10", INVOICE, namespace))
    try_patch(plane, namespace, "invoice/main-2026-10", {"spec": spec}, refusal)


@rows([
    ("good", {}, None),
    ("type missing", {"spec.type": ABSENT}, "spec.type: Required value"),
    ("another type", {"spec.type": "Prepaid"}, 'Unsupported value: "Prepaid"'),
    ("ends before it starts", {"spec.startsAt": "2027-01-01T00:00:00Z", "spec.endsAt": "2026-01-01T00:00:00Z"},
     "endsAt must not be before startsAt"),
    ("withdrawn", {"spec.startsAt": "2027-01-01T00:00:00Z", "spec.endsAt": "2027-01-01T00:00:00Z"}, None),
    ("no reason", {"spec.reason": ""}, "spec.reason"),
    ("91 days", {"spec.invoice": {"netDays": 91}}, "spec.invoice.netDays"),
    ("90 days", {"spec.invoice": {"netDays": 90}}, None),
    ("credit limit below zero", {"spec.invoice": {"creditLimit": "-1"}}, "spec.invoice.creditLimit"),
])
def test_arrangement_spec(plane, namespace, changes, refusal):
    try_create(plane, change(make("BillingArrangement", "terms", TERMS, namespace), changes), refusal)


@pytest.mark.parametrize("spec, refusal", [
    ({"billingAccountRef": {"name": "other"}}, "billingAccountRef is immutable"), ({"endsAt": "2090-01-01T00:00:00Z"}, None)], ids=str)
def test_arrangement_can_be_ended_but_not_moved(plane, namespace, spec, refusal):
    create(plane, make("BillingArrangement", "terms", TERMS, namespace))
    try_patch(plane, namespace, "barr/terms", {"spec": spec}, refusal)


def test_standard_terms_are_thirty_days(plane, namespace):
    create(plane, make("BillingArrangement", "terms", TERMS, namespace))
    stored = json.loads(plane.kubectl("-n", namespace, "get", "barr", "terms", "-o", "json").stdout)
    assert stored["spec"]["invoice"] == {"netDays": 30}


# ------------------------------------------------------------------ what people see

COLUMNS = {
    "bacct": "NAME PHASE CURRENCY PAYMENT OUTSTANDING PROJECTS AGE",
    "bbind": "NAME ACCOUNT PROJECT PHASE BOUND DEPLOY REASON AGE",
    "bpm": "NAME ACCOUNT TYPE PHASE REASON AGE",
    "bpmclass": "NAME PROVIDER AGE",
    "pbill": "NAME ACCOUNT ALLOWED REASON AGE",
    "binv": "NAME ACCOUNT PHASE CATEGORY TOTAL DUE CURRENCY DUEDATE AGE",
    "barr": "NAME ACCOUNT TYPE PHASE STARTS ENDS AGE",
}


def test_columns_read_well(plane, namespace):
    pbill = make("ProjectBilling", "shop", None, namespace)
    del pbill["spec"]
    create(plane, pbill, make("BillingAccount", "main", {"currencyCode": "USD"}, namespace),
           make("BillingAccountBinding", "b", BINDING, namespace), make("PaymentMethod", "visa", METHOD, namespace),
           make("Invoice", "main-2026-10", INVOICE, namespace), make("BillingArrangement", "terms", TERMS, namespace),
           make("PaymentMethodClass", namespace, {"provider": "manual"}))
    set_status(plane, namespace, "bacct/main", {
        "phase": "Ready", "outstandingAmount": "12.50", "linkedProjectsCount": 2,
        "conditions": [{**CONDITION, "type": "PaymentReady"}]})
    for short, columns in COLUMNS.items():
        shown = plane.kubectl("-n", namespace, "get", short).stdout.splitlines()
        assert shown[0].split() == columns.split()
    main = plane.kubectl("-n", namespace, "get", "bacct", "--no-headers").stdout.split()
    assert main[:-1] == ["main", "Ready", "USD", "True", "12.50", "2"]
    everything = plane.kubectl("get", "billing", "-A").stdout
    for what in ("billingaccount", "billingaccountbinding", "paymentmethod", "paymentmethodclass", "projectbilling",
                 "invoice", "billingarrangement"):
        assert f"{what}.billing.miloapis.com/" in everything


@pytest.mark.parametrize("path,words", [
    ("billingaccount.spec.currencyCode", "ISO 4217"),
    ("billingaccount.spec.paymentTerms", "BillingArrangement"),
    ("bbind.spec", "Immutable"),
    ("bpm.status.details.card.expiryMonth", "last day of that month"),
    ("bpmclass.spec.provider", "sandbox"),
    ("binv.status.dueDate", "PastDue"),
    ("barr.spec.endsAt", "no longer in force"),
    ("pbill.status.deployAllowed", "May the project deploy?"),
])
def test_explain_helps(plane, path, words):
    text = plane.kubectl("explain", path).stdout
    assert words in " ".join(text.split())


def test_every_crd_is_accepted_without_warnings(plane):
    said = plane.kubectl("get", "crd", "-o", "json").stdout
    for crd in json.loads(said)["items"]:
        conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}, crd["metadata"]["name"]
