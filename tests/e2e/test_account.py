"""BillingAccount: phase, the four conditions, the finalizer."""

import pytest

from client import FINALIZER, ApiError, next_second, settles, until

KIND = "BillingAccount"
READY = ("Ready", "True", "BillingAccountReady")
NOT_READY = ("Ready", "False", "BillingAccountNotReady")
NO_METHOD = ("DefaultPaymentMethodReady", "False", "NotConfigured")
NO_INVOICES = ("InvoicingReady", "True", "NoInvoicesYet")
NO_PAYMENT = ("PaymentReady", "False", "NotConfigured")


def payment(reason):
    """The conditions of a Ready account whose default method is in this state."""
    good = reason == "Ready"
    return [READY, ("DefaultPaymentMethodReady", "True" if good else "False", reason), NO_INVOICES,
            ("PaymentReady", "True" if good else "False", "PaymentMethodReady" if good else reason)]


def ready_message(c, ns, name="main"):
    return c.condition(KIND, ns, name, "Ready")["message"]


def test_new_account_becomes_ready_with_all_four_conditions_in_order(c):
    ns = c.namespace()
    c.account(ns)
    settles(lambda: c.conditions(KIND, ns, "main"), [READY, NO_METHOD, NO_INVOICES, NO_PAYMENT])


def test_observed_generation_follows_the_spec(c):
    ns = c.namespace()
    c.account(ns)
    generation = c.patch(KIND, ns, "main", {"spec": {"contactInfo": {"email": "a@b.example"}}})["metadata"]["generation"]
    assert generation == 2

    def observed():
        status = c.get(KIND, ns, "main")["status"]
        return {status["observedGeneration"], *(one["observedGeneration"] for one in status["conditions"])}
    settles(observed, {2})


def test_unknown_currency_stays_in_provisioning_until_it_is_put_right(c):
    ns = c.namespace()
    c.account(ns, currency="ZZZ", ready=False)
    settles(lambda: c.phase(KIND, ns, "main"), "Provisioning")
    settles(lambda: c.conditions(KIND, ns, "main"), [NOT_READY, NO_METHOD, NO_INVOICES, NO_PAYMENT])
    message = ready_message(c, ns)
    assert message.startswith("Billing account is in Provisioning phase.") and "ZZZ" in message
    c.patch(KIND, ns, "main", {"spec": {"currencyCode": "JPY"}})
    settles(lambda: c.phase(KIND, ns, "main"), "Ready")
    settles(lambda: c.conditions(KIND, ns, "main")[0], READY)


def test_currency_is_immutable_past_provisioning(c):
    ns = c.namespace()
    c.account(ns)
    with pytest.raises(ApiError, match="currencyCode is immutable"):
        c.patch(KIND, ns, "main", {"spec": {"currencyCode": "USD"}})


@pytest.mark.parametrize("currency", ["eur", "EU", "EURO"])
def test_what_is_no_code_at_all_is_refused(c, currency):
    with pytest.raises(ApiError, match="spec.currencyCode"):
        c.account(c.namespace(), currency=currency)


def test_currency_changed_before_the_first_look(c, paused):
    ns = c.namespace()
    with paused():
        c.account(ns, currency="ZZZ", ready=False)
        c.patch(KIND, ns, "main", {"spec": {"currencyCode": "KWD"}})
    settles(lambda: c.phase(KIND, ns, "main"), "Ready")
    assert c.get(KIND, ns, "main")["status"]["observedGeneration"] == 2


@pytest.mark.parametrize("phase", ["Suspended", "Archived"])
def test_what_staff_set_sticks(c, phase):
    ns = c.namespace()
    c.account(ns)
    c.patch_status(KIND, ns, "main", phase=phase)
    settles(lambda: c.conditions(KIND, ns, "main")[0], NOT_READY)
    assert ready_message(c, ns) == f"Billing account is in {phase} phase."
    c.patch(KIND, ns, "main", {"spec": {"contactInfo": {"email": "new@b.example"}}})
    settles(lambda: c.get(KIND, ns, "main")["status"]["observedGeneration"], 2)
    assert c.phase(KIND, ns, "main") == phase
    c.patch_status(KIND, ns, "main", phase="Ready")
    settles(lambda: c.conditions(KIND, ns, "main")[0], READY)
    assert c.phase(KIND, ns, "main") == "Ready"


def test_suspended_during_a_decision_sticks(c, paused):
    ns = c.namespace()
    names = [f"a{i}" for i in range(20)]
    for name in names[:10]:  # raced: the decision about the new account may be under way
        c.account(ns, name, ready=False)
        c.patch_status(KIND, ns, name, phase="Suspended")
    with paused():           # seen at once: what was created and suspended is one event
        for name in names[10:]:
            c.account(ns, name, ready=False)
            c.patch_status(KIND, ns, name, phase="Suspended")
    for name in names:
        settles(lambda: c.conditions(KIND, ns, name)[:1], [NOT_READY])
        assert c.phase(KIND, ns, name) == "Suspended"


@pytest.mark.parametrize("phase", ["Provisioning", None])
def test_any_other_phase_converges_to_ready(c, phase):
    ns = c.namespace()
    c.account(ns)
    c.patch_status(KIND, ns, "main", phase=phase)
    settles(lambda: c.phase(KIND, ns, "main"), "Ready")


def test_conditions_of_an_older_order_are_put_in_order(c):
    ns = c.namespace()
    c.account(ns)
    settles(lambda: len(c.conditions(KIND, ns, "main")), 4)
    found = c.get(KIND, ns, "main")["status"]["conditions"]
    c.patch_status(KIND, ns, "main", conditions=found[::-1])
    settles(lambda: c.get(KIND, ns, "main")["status"]["conditions"], found)
    c.patch_status(KIND, ns, "main", conditions=found[2:3])
    settles(lambda: [one[0] for one in c.conditions(KIND, ns, "main")], [one["type"] for one in found])


def test_default_method_through_its_life(c):
    ns = c.namespace()
    c.account(ns, default="visa")
    settles(lambda: c.conditions(KIND, ns, "main"), payment("PaymentMethodNotFound"))
    c.method(ns, outcome="awaiting")
    settles(lambda: c.conditions(KIND, ns, "main"), payment("PaymentMethodDegraded"))
    c.outcome(ns, "visa", "active")
    settles(lambda: c.conditions(KIND, ns, "main"), payment("Ready"))
    c.outcome(ns, "visa", "declined")
    settles(lambda: c.conditions(KIND, ns, "main"), payment("PaymentMethodDegraded"))
    c.delete("PaymentMethod", ns, "visa")
    settles(lambda: c.conditions(KIND, ns, "main"), payment("PaymentMethodNotFound"))


def test_default_method_changed_while_it_fails(c):
    ns = c.namespace()
    c.account(ns, default="visa")
    c.method(ns, outcome="declined")
    c.method(ns, "other")
    settles(lambda: c.conditions(KIND, ns, "main"), payment("PaymentMethodDegraded"))
    c.patch(KIND, ns, "main", {"spec": {"defaultPaymentMethodRef": {"name": "other"}}})
    settles(lambda: c.conditions(KIND, ns, "main"), payment("Ready"))
    c.patch(KIND, ns, "main", {"spec": {"defaultPaymentMethodRef": None}})
    settles(lambda: c.conditions(KIND, ns, "main"), [READY, NO_METHOD, NO_INVOICES, NO_PAYMENT])


def test_default_method_of_another_account_does_not_pay(c):
    ns = c.namespace()
    c.account(ns, "other")
    c.method(ns, account="other")
    settles(lambda: c.phase("PaymentMethod", ns, "visa"), "Active")
    c.account(ns, default="visa")
    settles(lambda: [one[:2] for one in c.conditions(KIND, ns, "main")],
            [("Ready", "True"), ("DefaultPaymentMethodReady", "False"), ("InvoicingReady", "True"),
             ("PaymentReady", "False")])
    assert "other" in c.condition(KIND, ns, "main", "PaymentReady")["message"]


def test_default_method_of_another_namespace_does_not_exist(c):
    elsewhere, ns = c.namespace(), c.namespace()
    c.account(elsewhere)
    c.method(elsewhere)
    c.account(ns, default="visa")
    settles(lambda: c.conditions(KIND, ns, "main"), payment("PaymentMethodNotFound"))


def test_transition_time_moves_only_with_the_status(c):
    ns = c.namespace()
    c.account(ns)
    settles(lambda: len(c.conditions(KIND, ns, "main")), 4)
    before = c.condition(KIND, ns, "main", "PaymentReady")
    next_second()
    c.patch(KIND, ns, "main", {"spec": {"defaultPaymentMethodRef": {"name": "visa"}}})
    settles(lambda: c.conditions(KIND, ns, "main"), payment("PaymentMethodNotFound"))
    after = c.condition(KIND, ns, "main", "PaymentReady")
    assert after["reason"] != before["reason"] and after["lastTransitionTime"] == before["lastTransitionTime"]
    c.method(ns)
    settles(lambda: c.conditions(KIND, ns, "main"), payment("Ready"))
    assert c.condition(KIND, ns, "main", "PaymentReady")["lastTransitionTime"] > before["lastTransitionTime"]


def test_linked_projects_are_the_active_bindings(c):
    ns = c.namespace()
    c.account(ns)
    c.account(ns, "other")
    count = lambda name: c.get(KIND, ns, name)["status"].get("linkedProjectsCount", 0)  # noqa: E731
    one, two = c.project(), c.project()
    first = c.bound(ns, one)
    c.bound(ns, two)
    settles(lambda: count("main"), 2)
    next_second()
    c.bound(ns, two, "other")
    settles(lambda: (count("main"), count("other")), (1, 1))
    c.delete("BillingAccountBinding", ns, first)
    settles(lambda: count("main"), 0)


# ------------------------------------------------------------------ its end

def test_finalizer_is_there_and_leaves_others_alone(c):
    ns = c.namespace()
    c.account(ns, finalizers=["example.com/hold"])
    until(lambda: set(c.get(KIND, ns, "main")["metadata"]["finalizers"]) == {"example.com/hold", FINALIZER})
    c.delete(KIND, ns, "main")
    settles(lambda: c.get(KIND, ns, "main")["metadata"]["finalizers"], ["example.com/hold"])
    c.patch(KIND, ns, "main", {"metadata": {"finalizers": None}})
    until(lambda: c.find(KIND, ns, "main") is None)


def test_account_with_an_active_binding_waits_for_its_end(c):
    ns, project = c.namespace(), c.project()
    c.account(ns)
    binding = c.bound(ns, project)
    c.delete(KIND, ns, "main")
    c.refused(project, "AccountDeleting", "main")
    assert c.get(KIND, ns, "main")["metadata"]["finalizers"] == [FINALIZER]
    assert c.phase("BillingAccountBinding", ns, binding) == "Active"
    c.delete("BillingAccountBinding", ns, binding)
    until(lambda: c.find(KIND, ns, "main") is None)
    c.refused(project, "NoBinding")


def test_account_with_only_superseded_bindings_goes_at_once(c):
    ns, project = c.namespace(), c.project()
    c.account(ns)
    c.account(ns, "other")
    old = c.bound(ns, project)
    next_second()
    c.bound(ns, project, "other")
    settles(lambda: c.phase("BillingAccountBinding", ns, old), "Superseded")
    c.delete(KIND, ns, "main")
    until(lambda: c.find(KIND, ns, "main") is None)
    assert c.phase("BillingAccountBinding", ns, old) == "Superseded"


def test_account_being_deleted_takes_no_new_binding(c):
    ns, project, late = c.namespace(), c.project(), c.project()
    c.account(ns)
    binding = c.bound(ns, project)
    c.delete(KIND, ns, "main")
    c.refused(project, "AccountDeleting", "main")
    new = c.bind(ns, late)
    settles(lambda: c.standing(ns, new), (None, "False", "AccountNotReady"))
    c.delete("BillingAccountBinding", ns, binding)
    until(lambda: c.find(KIND, ns, "main") is None)
    settles(lambda: c.standing(ns, new), (None, "False", "AccountNotFound"))


@pytest.mark.parametrize("first", ["deletion", "binding"])
def test_deletion_racing_a_binding_leaves_neither_hanging(c, paused, first):
    ns, project = c.namespace(), c.project()
    c.account(ns)
    with paused():
        if first == "deletion":
            c.delete(KIND, ns, "main")
        binding = c.bind(ns, project)
        if first == "binding":
            c.delete(KIND, ns, "main")

    def end():  # either the account went, or the binding was in time and holds it
        if c.find(KIND, ns, "main") is None:
            return c.standing(ns, binding) == (None, "False", "AccountNotFound") and "without"
        return c.standing(ns, binding) == ("Active", "True", "SuccessfulBinding") and "with"
    if until(end) == "with":
        c.refused(project, "AccountDeleting", "main")
        c.delete("BillingAccountBinding", ns, binding)
    until(lambda: c.find(KIND, ns, "main") is None)


def test_recreated_account_begins_anew(c):
    ns = c.namespace()
    c.account(ns)
    c.patch_status(KIND, ns, "main", phase="Suspended")
    settles(lambda: c.conditions(KIND, ns, "main")[0], NOT_READY)
    c.delete(KIND, ns, "main")
    until(lambda: c.find(KIND, ns, "main") is None)
    c.account(ns, currency="USD")
    settles(lambda: c.conditions(KIND, ns, "main"), [READY, NO_METHOD, NO_INVOICES, NO_PAYMENT])


def test_active_binding_outlives_an_account_torn_away(c):
    ns, project = c.namespace(), c.project()
    c.account(ns, default="visa")
    c.method(ns)
    binding = c.bound(ns, project)
    c.allowed(project)
    c.delete(KIND, ns, "main")
    c.patch(KIND, ns, "main", {"metadata": {"finalizers": None}})  # by hand, against all advice
    until(lambda: c.find(KIND, ns, "main") is None)
    settles(lambda: c.verdict(project)[0], False)
    assert c.phase("BillingAccountBinding", ns, binding) == "Active"
    c.account(ns, default="visa")
    c.allowed(project)


# -------------------------------------------------------------------- limits

def test_names_of_253_characters_and_any_script(c):
    ns, project = c.namespace(), c.project()
    account, method, binding = ("m" * 253, "v" * 249 + ".x-1", "b" * 253)
    display = "Müller & Søn, 東京 🧾 \u202eabc"
    c.account(ns, account, default=method, annotations={"kubernetes.io/display-name": display})
    c.method(ns, method, account, displayName="Ж" * 128)
    c.bound(ns, project, account, binding)
    c.allowed(project)
    status = c.get("ProjectBilling", project, project)["status"]
    assert status["billingAccount"] == {"namespace": ns, "name": account}
    assert status["bindingRef"]["name"] == binding
    assert c.get(KIND, ns, account)["metadata"]["annotations"]["kubernetes.io/display-name"] == display
    assert c.get("PaymentMethod", ns, method)["spec"]["displayName"] == "Ж" * 128
    c.outcome(ns, method, "declined")
    c.refused(project, "PaymentMethodNotUsable", method)


def test_deletion_says_what_it_waits_for(c, tollgate):
    ns = c.namespace()
    c.account(ns)
    for _ in range(2):
        c.bound(ns, c.project())
    c.delete(KIND, ns, "main")
    until(lambda: ready_message(c, ns).endswith("Deletion waits for 2 active bindings."))
    until(lambda: any("DeletionBlocked" in line and ns in line for line in tollgate.log().splitlines()))


# ------------------------------------------------------------------ closing it

def test_closure_says_what_stands_in_the_way_and_then_comes_about(c):
    ns, project = c.namespace(), c.project()
    c.account(ns)
    binding = c.bound(ns, project)
    c.invoice(ns, phase="Open", total="5.00")
    c.patch(KIND, ns, "main", {"spec": {"closureRequested": True}})
    until(lambda: ready_message(c, ns).endswith(
        "Closure is requested; it waits for 1 active binding and 1 unpaid invoice (the oldest is main-2026-10)."))
    assert c.conditions(KIND, ns, "main")[0] == READY
    c.delete("BillingAccountBinding", ns, binding)
    until(lambda: ready_message(c, ns).endswith("it waits for 1 unpaid invoice (the oldest is main-2026-10)."))
    c.patch_status("Invoice", ns, "main-2026-10", phase="Paid")
    settles(lambda: c.phase(KIND, ns, "main"), "Archived")
    settles(lambda: c.conditions(KIND, ns, "main")[0], NOT_READY)
    c.patch(KIND, ns, "main", {"spec": {"closureRequested": False}})
    settles(lambda: c.get(KIND, ns, "main")["status"]["observedGeneration"], 3)
    assert c.phase(KIND, ns, "main") == "Archived"
    late = c.bind(ns, project)
    settles(lambda: c.standing(ns, late), (None, "False", "AccountNotReady"))


def test_suspended_account_is_not_closed(c):
    ns = c.namespace()
    c.account(ns)
    c.patch_status(KIND, ns, "main", phase="Suspended")
    c.patch(KIND, ns, "main", {"spec": {"closureRequested": True}})
    until(lambda: "waits for billing staff" in ready_message(c, ns))
    assert c.phase(KIND, ns, "main") == "Suspended"


def test_rename_and_addresses_are_the_owners(c):
    ns = c.namespace()
    c.account(ns)
    address = {"country": "IE", "line1": "1 Main Street", "city": "Dublin"}
    c.patch(KIND, ns, "main", {"metadata": {"annotations": {"kubernetes.io/display-name": "Überkonto"}},
                               "spec": {"shippingAddress": address}})
    settles(lambda: c.get(KIND, ns, "main")["status"]["observedGeneration"], 2)
    found = c.get(KIND, ns, "main")
    assert found["spec"]["shippingAddress"] == address
    assert found["metadata"]["annotations"]["kubernetes.io/display-name"] == "Überkonto"
