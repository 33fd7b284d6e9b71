"""ProjectBilling: one in each namespace of a project, and what it says for each reason of DeployAllowed."""

import pytest

from client import PROJECT, settles, until

KIND = "ProjectBilling"


@pytest.fixture
def org(c):
    ns = c.namespace()
    c.account(ns)
    return ns


@pytest.fixture
def project(c):
    return c.project()


@pytest.fixture
def bound(c, org, project):
    """The project is bound to the account main."""
    return c.bound(org, project)


def choose(c, org, name="visa"):
    c.patch("BillingAccount", org, "main", {"spec": {"defaultPaymentMethodRef": {"name": name}}})


# --------------------------------------------------------- one a namespace

def test_namespace_of_a_project_gets_one(c):
    project = c.unique("project")
    namespaces = [c.namespace("env", project=project) for _ in range(2)]
    for ns in namespaces:
        settles(lambda: c.verdict(project, ns), (False, "NoBinding", "billing account required before deploy"))
        status = c.get(KIND, ns, project)["status"]
        assert "billingAccount" not in status and "bindingRef" not in status


def test_namespace_of_no_project_gets_none(c, project):
    plain = c.namespace("plain")
    settles(lambda: [one["metadata"]["name"] for one in c.list(KIND, project)], [project])
    later = c.project()
    settles(lambda: [one["metadata"]["name"] for one in c.list(KIND, later)], [later])
    assert c.list(KIND, plain) == []


def test_it_is_made_anew_when_deleted(c, project, bound):
    c.refused(project, "PaymentMethodRequired")
    uid = c.get(KIND, project, project)["metadata"]["uid"]
    c.delete(KIND, project, project)
    until(lambda: c.get(KIND, project, project)["metadata"]["uid"] != uid)
    c.refused(project, "PaymentMethodRequired")


def test_it_is_kept_right(c, project, bound, org):
    c.refused(project, "PaymentMethodRequired")
    c.patch_status(KIND, project, project, deployAllowed=True, billingAccount={"namespace": "x", "name": "y"},
                   conditions=[])
    c.refused(project, "PaymentMethodRequired")
    assert c.get(KIND, project, project)["status"]["billingAccount"] == {"namespace": org, "name": "main"}


def test_it_follows_the_label(c, project, bound):
    c.refused(project, "PaymentMethodRequired")
    other = c.unique("renamed")
    c.patch("Namespace", None, project, {"metadata": {"labels": {PROJECT: other}}})
    settles(lambda: [one["metadata"]["name"] for one in c.list(KIND, project)], [other])
    settles(lambda: c.verdict(other, project)[1], "NoBinding")
    c.patch("Namespace", None, project, {"metadata": {"labels": {PROJECT: None}}})
    settles(lambda: c.list(KIND, project), [])


def test_it_goes_with_its_namespace(c, project):
    c.refused(project, "NoBinding")
    c.delete("Namespace", None, project)
    until(lambda: c.find("Namespace", None, project) is None)


def test_label_at_its_limit(c, org):
    project = "p" + "-" * 61 + "p"
    ns = c.namespace("env", project=project)
    c.bound(org, project)
    settles(lambda: c.verdict(project, ns)[1], "PaymentMethodRequired")


def test_label_that_can_be_no_objects_name_harms_nobody(c, org):
    odd = c.namespace("env", project="Shop_Front")
    c.bound(org, "shop-front")
    fine = c.project()
    c.refused(fine, "NoBinding")
    assert c.list(KIND, odd) == []


# ---------------------------------------------------------- who pays, may it

def test_it_says_who_pays_and_through_which_binding(c, org, project, bound):
    c.refused(project, "PaymentMethodRequired")
    status = c.get(KIND, project, project)["status"]
    assert status["billingAccount"] == {"namespace": org, "name": "main"}
    assert status["bindingRef"] == {"namespace": org, "name": bound}


def test_payment_method_required(c, project, bound):
    settles(lambda: c.verdict(project), (False, "PaymentMethodRequired", "payment method required before deploy"))


def test_a_method_that_is_nobodys_choice_does_not_count(c, org, project, bound):
    c.method(org)
    settles(lambda: c.phase("PaymentMethod", org, "visa"), "Active")
    c.refused(project, "PaymentMethodRequired")


def test_allowed_and_in_all_of_its_namespaces(c, org, project, bound):
    second = c.namespace("env", project=project)
    c.method(org)
    choose(c, org)
    c.allowed(project)
    settles(lambda: c.verdict(project, second), (True, "Allowed", ""))


@pytest.mark.parametrize("outcome, why", [("declined", "declined"), ("expired", "expired"), ("awaiting", "confirmation")])
def test_method_not_usable_says_which_and_why(c, org, project, bound, outcome, why):
    c.method(org)
    choose(c, org)
    c.allowed(project)
    c.outcome(org, "visa", outcome)
    c.refused(project, "PaymentMethodNotUsable", "visa", why)
    c.outcome(org, "visa", "active")
    c.allowed(project)


def test_pending_method_is_not_usable(c, org, project, bound):
    c.method(org, cls="manual")
    choose(c, org)
    c.refused(project, "PaymentMethodNotUsable", "visa")


@pytest.mark.parametrize("how", ["deleted", "another account's", "never there"])
def test_default_method_that_is_not_ours_does_not_allow(c, org, project, bound, how):
    c.account(org, "other")
    if how != "never there":
        c.method(org, account="main" if how == "deleted" else "other")
        settles(lambda: c.phase("PaymentMethod", org, "visa"), "Active")
    choose(c, org)
    if how == "deleted":
        c.allowed(project)
        c.delete("PaymentMethod", org, "visa")
    c.refused(project, "PaymentMethodNotUsable", "visa")


@pytest.mark.parametrize("phase, reason", [("Suspended", "AccountSuspended"), ("Archived", "AccountNotReady")])
def test_account_not_ready_names_it_and_its_phase(c, org, project, bound, phase, reason):
    c.method(org)
    choose(c, org)
    c.allowed(project)
    c.patch_status("BillingAccount", org, "main", phase=phase)
    c.refused(project, reason, "main", phase)
    c.patch_status("BillingAccount", org, "main", phase="Ready")
    c.allowed(project)


def test_account_being_deleted_is_named(c, org, project, bound):
    c.method(org)
    choose(c, org)
    c.allowed(project)
    c.delete("BillingAccount", org, "main")
    c.refused(project, "AccountDeleting", "main")


def test_binding_deleted(c, org, project, bound):
    c.refused(project, "PaymentMethodRequired")
    c.delete("BillingAccountBinding", org, bound)
    settles(lambda: c.verdict(project), (False, "NoBinding", "billing account required before deploy"))
    status = c.get(KIND, project, project)["status"]
    assert "billingAccount" not in status and "bindingRef" not in status


def test_one_account_pays_for_many_projects(c, org):
    projects = [c.project() for _ in range(5)]
    for project in projects:
        c.bind(org, project)
    c.method(org)
    choose(c, org)
    for project in projects:
        c.allowed(project)
    c.outcome(org, "visa", "declined")
    for project in projects:
        c.refused(project, "PaymentMethodNotUsable", "visa", "declined")


def test_transition_time_moves_with_the_answer(c, org, project, bound):
    c.refused(project, "PaymentMethodRequired")
    gate = lambda: c.condition(KIND, project, project, "DeployAllowed")  # noqa: E731
    before = gate()
    choose(c, org)
    c.refused(project, "PaymentMethodNotUsable")
    assert gate()["lastTransitionTime"] == before["lastTransitionTime"]
