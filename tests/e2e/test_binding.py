"""BillingAccountBinding: the contest for a project, and its history."""

import pytest

from client import ORGANIZATION, next_second, settles, stamp, until

KIND = "BillingAccountBinding"
ACTIVE = ("Active", "True", "SuccessfulBinding")
SUPERSEDED = ("Superseded", "False", "Superseded")


def waiting(reason):
    return None, "False", reason


@pytest.fixture
def org(c):
    """A namespace with two Ready accounts, main and other."""
    ns = c.namespace()
    c.account(ns)
    c.account(ns, "other")
    return ns


def test_binding_becomes_active_and_says_since_when(c, org):
    project = c.project()
    name = c.bound(org, project)
    settles(lambda: c.conditions(KIND, org, name),
            [("Bound", "True", "SuccessfulBinding"), ("DeployAllowed", "False", "PaymentMethodRequired")])
    found = c.get(KIND, org, name)
    assert found["status"]["observedGeneration"] == 1
    assert {one["observedGeneration"] for one in found["status"]["conditions"]} == {1}
    responsibility = found["status"]["billingResponsibility"]
    assert responsibility["currentAccount"] == "main"
    assert stamp(responsibility["establishedAt"]) >= stamp(found["metadata"]["creationTimestamp"])
    assert "endedAt" not in found["status"]


def test_binding_shows_the_gate_of_its_project(c, org):
    project = c.project()
    name = c.bound(org, project)
    c.patch("BillingAccount", org, "main", {"spec": {"defaultPaymentMethodRef": {"name": "visa"}}})
    c.method(org)
    c.allowed(project)
    settles(lambda: c.conditions(KIND, org, name),
            [("Bound", "True", "SuccessfulBinding"), ("DeployAllowed", "True", "Allowed")])
    c.outcome(org, "visa", "declined")
    c.refused(project, "PaymentMethodNotUsable")
    settles(lambda: c.condition(KIND, org, name, "DeployAllowed")["message"], c.verdict(project)[2])


def test_newest_wins_and_the_older_becomes_history(c, org):
    project = c.project()
    old = c.bound(org, project)
    established = c.get(KIND, org, old)["status"]["billingResponsibility"]["establishedAt"]
    next_second()
    new = c.bound(org, project, "other")
    settles(lambda: c.standing(org, old), SUPERSEDED)
    status = c.get(KIND, org, old)["status"]
    assert c.conditions(KIND, org, old) == [("Bound", "False", "Superseded")], "DeployAllowed is of Active ones only"
    assert status["billingResponsibility"]["establishedAt"] == established <= status["endedAt"]
    settles(lambda: c.get("ProjectBilling", project, project)["status"]["bindingRef"]["name"], new)


def test_superseded_is_never_rewritten(c, org):
    project = c.project()
    old = c.bound(org, project)
    next_second()
    new = c.bound(org, project, "other")
    settles(lambda: c.standing(org, old), SUPERSEDED)
    version = c.get(KIND, org, old)["metadata"]["resourceVersion"]
    c.patch_status("BillingAccount", org, "main", phase="Suspended")
    c.patch("Namespace", None, project, {"metadata": {"labels": {ORGANIZATION: "somebody-else"}}})
    c.patch_status("BillingAccount", org, "other", phase="Suspended")
    c.refused(project, "AccountSuspended", "other")
    c.delete(KIND, org, new)
    c.refused(project, "NoBinding")
    c.delete("BillingAccount", org, "main")
    until(lambda: c.find("BillingAccount", org, "main") is None)
    c.delete("Namespace", None, project)
    until(lambda: c.find("ProjectBilling", project, project) is None)
    assert c.get(KIND, org, old)["metadata"]["resourceVersion"] == version


def test_deleting_the_active_one_revives_none(c, org):
    project = c.project()
    old = c.bound(org, project)
    next_second()
    new = c.bound(org, project, "other")
    settles(lambda: c.standing(org, old), SUPERSEDED)
    c.delete(KIND, org, new)
    c.refused(project, "NoBinding")
    assert c.standing(org, old) == SUPERSEDED
    again = c.bound(org, project)
    assert c.standing(org, old) == SUPERSEDED and c.standing(org, again) == ACTIVE


def test_rebinding_to_the_same_account_is_a_new_responsibility(c, org):
    project = c.project()
    old = c.bound(org, project)
    next_second()
    new = c.bound(org, project)
    settles(lambda: c.standing(org, old), SUPERSEDED)
    assert c.standing(org, new) == ACTIVE
    settles(lambda: c.get("BillingAccount", org, "main")["status"]["linkedProjectsCount"], 1)


@pytest.mark.parametrize("names", [["b", "c", "a", "e", "d"], ["e", "d", "c", "b", "a"], ["a", "b", "c", "d", "e"]],
                         ids="".join)
@pytest.mark.parametrize("at_once", [True, False], ids=["seen-at-once", "seen-one-by-one"])
def test_tie_of_one_second_goes_to_the_greater_name(c, org, paused, names, at_once):
    project = c.project()
    version = c.version(KIND, org)
    next_second()
    if at_once:
        with paused():
            for name in names:
                c.bind(org, project, "main" if name < "c" else "other", name)
    else:
        for name in names:
            c.bind(org, project, "main" if name < "c" else "other", name)
    created = [c.get(KIND, org, name)["metadata"]["creationTimestamp"] for name in names]
    assert len(set(created)) < len(created), "these were to be created in one second"
    winner = c.winner(org, names)
    settles(lambda: {name: c.standing(org, name) for name in names},
            {name: ACTIVE if name == winner else SUPERSEDED for name in names})
    settles(lambda: c.get("ProjectBilling", project, project)["status"]["bindingRef"]["name"], winner)
    c.never_two_active(org, version)


def test_older_one_seen_together_with_the_newer_is_superseded_too(c, org, paused):
    project = c.project()
    with paused():
        old = c.bind(org, project)
        next_second()
        new = c.bind(org, project, "other", name="a-lesser-name")
    settles(lambda: (c.standing(org, old), c.standing(org, new)), (SUPERSEDED, ACTIVE))


# ------------------------------------------------------- what keeps it waiting

def test_binding_waits_for_its_account(c):
    ns, project = c.namespace(), c.project()
    name = c.bind(ns, project)
    settles(lambda: c.conditions(KIND, ns, name), [("Bound", "False", "AccountNotFound")])
    assert c.standing(ns, name) == waiting("AccountNotFound")
    c.refused(project, "NoBinding", "billing account required before deploy", "main")
    c.account(ns)
    settles(lambda: c.standing(ns, name), ACTIVE)


def test_account_of_another_namespace_is_none(c, org):
    ns = c.namespace()
    name = c.bind(ns, c.project())
    settles(lambda: c.standing(ns, name), waiting("AccountNotFound"))


def test_binding_waits_for_its_account_to_be_ready(c):
    ns, project = c.namespace(), c.project()
    c.account(ns, currency="ZZZ", ready=False)
    name = c.bind(ns, project)
    settles(lambda: c.conditions(KIND, ns, name), [("Bound", "False", "AccountNotReady")])
    c.refused(project, "NoBinding", "billing account required before deploy", "main", "Provisioning")
    c.patch("BillingAccount", ns, "main", {"spec": {"currencyCode": "EUR"}})
    settles(lambda: c.standing(ns, name), ACTIVE)


@pytest.mark.parametrize("phase", ["Suspended", "Archived"])
def test_binding_waits_while_its_account_is(c, phase):
    ns, project = c.namespace(), c.project()
    c.account(ns)
    c.patch_status("BillingAccount", ns, "main", phase=phase)
    settles(lambda: c.condition("BillingAccount", ns, "main", "Ready")["status"], "False")
    name = c.bind(ns, project)
    settles(lambda: c.standing(ns, name), waiting("AccountNotReady"))
    c.patch_status("BillingAccount", ns, "main", phase="Ready")
    settles(lambda: c.standing(ns, name), ACTIVE)


@pytest.mark.parametrize("phase, reason", [("Suspended", "AccountSuspended"), ("Archived", "AccountNotReady")])
def test_active_stays_active_while_its_account_is(c, org, phase, reason):
    project = c.project()
    name = c.bound(org, project)
    c.patch_status("BillingAccount", org, "main", phase=phase)
    c.refused(project, reason, "main", phase)
    settles(lambda: c.conditions(KIND, org, name),
            [("Bound", "True", "SuccessfulBinding"), ("DeployAllowed", "False", reason)])
    assert c.phase(KIND, org, name) == "Active"


def test_newer_one_that_cannot_become_active_supersedes_none(c, org):
    project = c.project()
    old = c.bound(org, project)
    next_second()
    new = c.bind(org, project, "not-yet")
    settles(lambda: c.standing(org, new), waiting("AccountNotFound"))
    assert c.standing(org, old) == ACTIVE
    c.account(org, "not-yet")
    settles(lambda: (c.standing(org, old), c.standing(org, new)), (SUPERSEDED, ACTIVE))


# ------------------------------------------------------ projects, organizations

def test_project_need_not_be_in_the_cluster(c, org):
    project = c.unique("later")
    name = c.bound(org, project)
    c.create("Namespace", None, project, labels={"resourcemanager.miloapis.com/project-name": project})
    c.refused(project, "PaymentMethodRequired")
    assert c.get("ProjectBilling", project, project)["status"]["bindingRef"] == {"namespace": org, "name": name}


@pytest.mark.parametrize("ours, theirs", [("a", "a"), ("a", None), (None, "b"), (None, None)])
def test_organizations_that_do_not_differ(c, ours, theirs):
    ns = c.namespace(**({"organization": ours} if ours else {}))
    c.account(ns)
    c.bound(ns, c.project(**({"organization": theirs} if theirs else {})))


def test_organizations_that_differ(c):
    ns, project = c.namespace(organization="a"), c.project(organization="b")
    c.account(ns)
    name = c.bind(ns, project)
    settles(lambda: c.conditions(KIND, ns, name), [("Bound", "False", "ProjectInOtherOrganization")])
    assert c.standing(ns, name) == waiting("ProjectInOtherOrganization")
    c.refused(project, "NoBinding", "billing account required before deploy")
    c.patch("Namespace", None, project, {"metadata": {"labels": {ORGANIZATION: "a"}}})
    settles(lambda: c.standing(ns, name), ACTIVE)


def test_organization_of_the_binding_put_right(c):
    ns, project = c.namespace(organization="a"), c.project(organization="b")
    c.account(ns)
    name = c.bind(ns, project)
    settles(lambda: c.standing(ns, name), waiting("ProjectInOtherOrganization"))
    c.patch("Namespace", None, ns, {"metadata": {"labels": {ORGANIZATION: "b"}}})
    settles(lambda: c.standing(ns, name), ACTIVE)


def test_earliest_claim_of_two_namespaces_keeps_the_project(c, org):
    project, rival = c.project(), c.namespace()
    c.account(rival)
    mine = c.bound(org, project)
    next_second()
    theirs = c.bind(rival, project)
    settles(lambda: c.conditions(KIND, rival, theirs), [("Bound", "False", "ProjectClaimedElsewhere")])
    assert c.standing(rival, theirs) == waiting("ProjectClaimedElsewhere")
    next_second()
    newer = c.bound(org, project, "other")  # the namespace that holds it may rebind
    settles(lambda: c.standing(org, mine), SUPERSEDED)
    assert c.standing(rival, theirs) == waiting("ProjectClaimedElsewhere")
    c.delete(KIND, org, newer)              # and once it lets go, the other's claim is the earliest
    settles(lambda: c.standing(rival, theirs), ACTIVE)
    assert c.standing(org, mine) == SUPERSEDED


def test_earliest_claim_counts_when_both_are_seen_at_once(c, org, paused):
    project, rival = c.project(), c.namespace()
    c.account(rival)
    with paused():
        mine = c.bind(org, project)
        next_second()
        theirs = c.bind(rival, project, name="zzz")
    settles(lambda: (c.standing(org, mine), c.standing(rival, theirs)), (ACTIVE, waiting("ProjectClaimedElsewhere")))


def test_claim_that_never_held_gives_way(c, org):
    project, rival = c.project(), c.namespace()
    early = c.bind(rival, project)
    settles(lambda: c.standing(rival, early), waiting("AccountNotFound"))
    next_second()
    c.bound(org, project)
    c.account(rival)
    settles(lambda: c.standing(rival, early), waiting("ProjectClaimedElsewhere"))


def test_active_stays_active_when_its_project_changes_organization(c):
    ns, project = c.namespace(organization="a"), c.project(organization="a")
    c.account(ns)
    name = c.bound(ns, project)
    c.patch("Namespace", None, project, {"metadata": {"labels": {ORGANIZATION: "b"}}})
    newer = c.bind(ns, project)
    settles(lambda: c.standing(ns, newer), waiting("ProjectInOtherOrganization"))
    assert c.phase(KIND, ns, name) == "Active"


def test_namespace_of_an_organization_goes_completely(c, org):
    project = c.project()
    c.bound(org, project)
    c.delete("Namespace", None, org)
    until(lambda: c.find("Namespace", None, org) is None, timeout=40)
    c.refused(project, "NoBinding")


def test_history_is_kept_when_its_project_goes(c, org):
    project = c.project()
    old = c.bound(org, project)
    next_second()
    new = c.bound(org, project, "other")
    settles(lambda: c.standing(org, old), SUPERSEDED)
    c.delete("Namespace", None, project)
    until(lambda: c.find("Namespace", None, project) is None)
    assert (c.standing(org, old), c.standing(org, new)) == (SUPERSEDED, ACTIVE)
    c.create("Namespace", None, project, labels={"resourcemanager.miloapis.com/project-name": project})
    c.refused(project, "PaymentMethodRequired")  # recreated under its name, it is still paid for by the same account
    assert (c.standing(org, old), c.standing(org, new)) == (SUPERSEDED, ACTIVE)
