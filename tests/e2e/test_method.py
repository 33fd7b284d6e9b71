"""PaymentMethod and PaymentMethodClass: whose the phase is, and what becomes of it."""

import re

import pytest

from client import GROUP, settles, until, utc_today

KIND = "PaymentMethod"
REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")


@pytest.fixture
def org(c):
    ns = c.namespace()
    c.account(ns)
    return ns


@pytest.fixture
def classes(c):
    """Makes classes, and takes them away: they are everybody's."""
    made = []

    def make(provider, default=False, **spec):
        name = c.unique("class")
        labels = {f"{GROUP}/is-default-class": "true"} if default == "label" else {}
        annotations = {f"{GROUP}/is-default-class": "true"} if default == "annotation" else {}
        c.create("PaymentMethodClass", None, name, {"provider": provider, **spec}, labels=labels,
                 annotations=annotations)
        made.append(name)
        return name
    yield make
    for name in made:
        c.delete("PaymentMethodClass", None, name)


def card(month, year):
    return {"type": "card", "card": {"brand": "visa", "last4": "4242", "country": "DE",
                                     "expiryMonth": month, "expiryYear": year}}


def instrument(c, ns, name="visa"):
    """(phase, status, reason) of the one condition."""
    [(kind, status, reason)] = c.conditions(KIND, ns, name)
    assert kind == "InstrumentReady"
    return c.phase(KIND, ns, name), status, reason


PENDING = ("Pending", "False", "Pending")
ACTIVE = ("Active", "True", "Active")


# ------------------------------------------------------------------- manual

def test_manual_method_is_pending_until_staff_say_otherwise(c, org):
    c.method(org, cls="manual")
    settles(lambda: instrument(c, org), PENDING)
    assert c.get(KIND, org, "visa")["status"]["observedGeneration"] == 1
    c.patch_status(KIND, org, "visa", phase="AwaitingConfirmation")
    settles(lambda: instrument(c, org), ("AwaitingConfirmation", "False", "AwaitingConfirmation"))
    c.patch_status(KIND, org, "visa", phase="Active")
    settles(lambda: instrument(c, org), ACTIVE)
    c.patch_status(KIND, org, "visa", phase="Failed")
    settles(lambda: instrument(c, org), ("Failed", "False", "Failed"))
    c.patch_status(KIND, org, "visa", failureReason="mandate_revoked", failureMessage="the bank took it back")
    settles(lambda: instrument(c, org), ("Failed", "False", "mandate_revoked"))
    c.patch_status(KIND, org, "visa", phase="Active", failureReason=None, failureMessage=None)
    settles(lambda: instrument(c, org), ACTIVE)


def test_phase_taken_away_becomes_pending(c, org):
    c.method(org, cls="manual")
    settles(lambda: instrument(c, org), PENDING)
    c.patch_status(KIND, org, "visa", phase="Active")
    settles(lambda: instrument(c, org), ACTIVE)
    c.patch_status(KIND, org, "visa", phase=None)
    settles(lambda: instrument(c, org), PENDING)


@pytest.mark.parametrize("sent", ["insufficient funds!", "51", "é", "  ", "do-not-honor.", "a" * 1024, "_x_", "x:,",
                                  "\u0000\n\t", "null", "🧾🧾"])
def test_failure_reason_becomes_a_reason_kubernetes_accepts(c, org, sent):
    c.method(org, cls="manual")
    settles(lambda: instrument(c, org), PENDING)
    c.patch_status(KIND, org, "visa", phase="Failed", failureReason=sent)
    until(lambda: instrument(c, org)[2] != "Pending")
    phase, status, reason = instrument(c, org)
    assert (phase, status) == ("Failed", "False") and REASON.fullmatch(reason) and len(reason) <= 1024
    assert c.get(KIND, org, "visa")["status"]["failureReason"] == sent, "the provider's word stays"
    if REASON.fullmatch(sent):
        assert reason == sent


def test_card_past_its_month_fails(c, org):
    today = utc_today()
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    c.method(org, cls="manual")
    c.patch_status(KIND, org, "visa", phase="Active", details=card(month, year))
    settles(lambda: instrument(c, org), ("Failed", "False", "card_expired"))
    assert c.get(KIND, org, "visa")["status"]["failureReason"] == "card_expired"
    assert c.get(KIND, org, "visa")["status"]["details"] == card(month, year)


def test_card_is_good_through_its_last_month(c, org):
    c.method(org, cls="manual")
    while True:  # a month may end meanwhile
        today = utc_today()
        c.patch_status(KIND, org, "visa", phase="Active", details=card(today.month, today.year))
        settles(lambda: instrument(c, org), ACTIVE)
        if utc_today().month == today.month:
            break


def test_bank_transfer_never_expires(c, org):
    c.method(org, cls="manual", type="bankTransfer")
    c.patch_status(KIND, org, "visa", phase="Active", details={"type": "bankTransfer"})
    settles(lambda: instrument(c, org), ACTIVE)


# ------------------------------------------------------------------ sandbox

@pytest.mark.parametrize("outcome, wanted", [
    (None, ACTIVE), ("active", ACTIVE), ("awaiting", ("AwaitingConfirmation", "False", "AwaitingConfirmation")),
    ("expired", ("Failed", "False", "card_expired"))])
def test_sandbox_does_as_the_annotation_says(c, org, outcome, wanted):
    c.method(org, outcome=outcome)
    settles(lambda: instrument(c, org), wanted)


def test_sandbox_changes_its_mind_with_the_annotation(c, org):
    c.method(org)
    settles(lambda: instrument(c, org), ACTIVE)
    c.outcome(org, "visa", "declined")
    until(lambda: instrument(c, org)[:2] == ("Failed", "False"))
    status = c.get(KIND, org, "visa")["status"]
    assert "declined" in status["failureReason"] == instrument(c, org)[2]
    c.outcome(org, "visa", "awaiting")
    settles(lambda: instrument(c, org), ("AwaitingConfirmation", "False", "AwaitingConfirmation"))
    c.outcome(org, "visa", None)
    settles(lambda: instrument(c, org), ACTIVE)
    status = c.get(KIND, org, "visa")["status"]
    assert not status.get("failureReason") and not status.get("failureMessage")


def test_sandbox_makes_a_card_up(c, org):
    c.method(org)
    settles(lambda: instrument(c, org), ACTIVE)
    details = c.get(KIND, org, "visa")["status"]["details"]
    assert details["type"] == "card" and re.fullmatch(r"\d{4}", details["card"]["last4"])


# ------------------------------------------------------ others' own, and none

def test_phase_of_an_outside_provider_is_its_own(c, org, classes):
    cls = classes("stripe.example")
    c.method(org, cls=cls, outcome="declined")
    settles(lambda: instrument(c, org), PENDING)
    mine = dict(phase="Active", details=card(12, 2099))
    c.patch_status(KIND, org, "visa", **mine)
    settles(lambda: instrument(c, org), ACTIVE)
    c.patch(KIND, org, "visa", {"spec": {"displayName": "another name"}})
    settles(lambda: c.get(KIND, org, "visa")["status"]["observedGeneration"], 2)
    status = c.get(KIND, org, "visa")["status"]
    assert {key: status[key] for key in mine} == mine
    c.patch_status(KIND, org, "visa", phase="Failed", failureReason="card_declined", failureMessage="do not honour")
    settles(lambda: instrument(c, org), ("Failed", "False", "card_declined"))
    assert c.get(KIND, org, "visa")["status"]["failureMessage"] == "do not honour"


def test_method_waits_for_its_class(c, org, classes):
    name = c.unique("late")
    c.method(org, cls=name)
    settles(lambda: instrument(c, org), PENDING)
    c.create("PaymentMethodClass", None, name, {"provider": "sandbox"})
    try:
        settles(lambda: instrument(c, org), ACTIVE)
    finally:
        c.delete("PaymentMethodClass", None, name)
    assert instrument(c, org) == ACTIVE, "the phase outlives the class"


def test_method_of_an_account_that_does_not_exist_yet(c):
    ns = c.namespace()
    c.method(ns)
    settles(lambda: instrument(c, ns), ACTIVE)


# -------------------------------------------------------------------- classes

def test_class_resolves_its_parameters(c, classes):
    name = classes("manual")
    settles(lambda: [one[0] for one in c.conditions("PaymentMethodClass", None, name)], ["ParametersResolved"])
    assert c.conditions("PaymentMethodClass", None, name)[0][1] == "True"
    assert c.get("PaymentMethodClass", None, name)["status"]["observedGeneration"] == 1


def test_two_default_classes_raced_in(c, org, classes, paused):
    with paused():
        one, two = classes("sandbox", default="label"), classes("manual", default="annotation")
        c.method(org, "undecided", cls=None)
        c.method(org, "decided", cls=one)
    settles(lambda: instrument(c, org, "decided"), ACTIVE)
    settles(lambda: instrument(c, org, "undecided"), PENDING)
    for name in (one, two):
        settles(lambda: [cond[0] for cond in c.conditions("PaymentMethodClass", None, name)], ["ParametersResolved"])
