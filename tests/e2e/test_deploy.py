"""deploy/ as a cluster's administrator meets it."""

import re

import pytest
import yaml

from client import GROUP, settles

from conftest import ROOT

BASE = ROOT / "deploy" / "base"


def test_base_is_accepted_without_a_warning(plane):
    """Pod Security warns of whatever is not `restricted`."""
    done = plane.kubectl("apply", "-k", BASE, "--dry-run=server")
    assert "deployment.apps/tollgate" in done.stdout and done.stderr == ""


def test_crds_folder_can_be_applied_alone(plane):
    done = plane.kubectl("apply", "-f", ROOT / "crds", "--dry-run=server")
    assert done.stdout.count("customresourcedefinition") == len(list((ROOT / "crds").glob("*.yaml")))


def test_kustomize_takes_every_crd(plane):
    built = plane.kubectl("kustomize", BASE).stdout
    assert built.count("kind: CustomResourceDefinition\n") == len(list((ROOT / "crds").glob("*.yaml")))


def test_image_is_this_version(plane):
    version = (ROOT / "VERSION").read_text().strip()
    assert f"image: tollgate:{version}\n" in plane.kubectl("kustomize", BASE).stdout


def test_rights_have_no_wildcard(plane):
    rules = (BASE / "rbac.yaml").read_text()
    assert "*" not in rules and "escalate" not in rules


@pytest.mark.parametrize("verb, what", [("get", "secrets"), ("create", "pods"), ("update", "namespaces"),
                                        ("patch", "paymentmethods"), ("delete", "billingaccounts"),
                                        ("patch", "customresourcedefinitions"), ("patch", "validatingwebhookconfigurations"),
                                        ("list", "serviceaccounts"), ("create", "serviceaccounts/token"),
                                        ("impersonate", "users"), ("create", "localsubjectaccessreviews")])
def test_service_account_may_not(plane, verb, what):
    assert not may(plane, verb, what, "-A")


@pytest.mark.parametrize("verb, what, allowed", [
    ("get", "secrets/tollgate-webhook", True), ("update", "secrets/tollgate-webhook", True), ("get", "secrets/another", False),
    ("list", "secrets", False), ("create", "secrets", False), ("delete", "secrets/tollgate-webhook", False),
    ("patch", "validatingwebhookconfigurations/tollgate", True), ("patch", "mutatingwebhookconfigurations/tollgate", True),
    ("patch", "validatingwebhookconfigurations/another", False), ("list", "mutatingwebhookconfigurations", False),
    ("delete", "mutatingwebhookconfigurations/tollgate", False)])
def test_service_account_may_keep_its_own_webhooks_and_nobody_elses(plane, verb, what, allowed):
    assert may(plane, verb, what, "-n", "tollgate-system") == allowed


def may(plane, verb, what, *where):
    user = "--as=system:serviceaccount:tollgate-system:tollgate"
    return plane.kubectl("auth", "can-i", verb, what, *where, user, check=False).stdout.strip() == "yes"


def test_webhooks_are_for_our_group_alone_and_hold_no_certificate(plane):
    built = list(yaml.safe_load_all(plane.kubectl("kustomize", BASE).stdout))
    hooks = [hook for one in built if one["kind"].endswith("WebhookConfiguration") for hook in one["webhooks"]]
    assert len(hooks) == 5 and len({hook["name"] for hook in hooks}) == 5
    for hook in hooks:
        assert {group for rule in hook["rules"] for group in rule["apiGroups"]} == {GROUP}
        assert "caBundle" not in hook["clientConfig"] and hook["matchConditions"]
        assert (hook["failurePolicy"], hook["sideEffects"], hook["timeoutSeconds"], hook["admissionReviewVersions"]) == \
            ("Fail", "None", 5, ["v1"])
    [secret] = [one for one in built if one["kind"] == "Secret"]
    assert "data" not in secret and "stringData" not in secret


@pytest.mark.parametrize("name, port, flag", [("tollgate-webhook", 443, "webhook-bind-address"), ("tollgate-metrics", 8080, "metrics-bind-address")])
def test_service_leads_to_the_port_that_tollgate_listens_on(plane, name, port, flag):
    built = list(yaml.safe_load_all(plane.kubectl("kustomize", BASE).stdout))
    [service] = [one for one in built if one["kind"] == "Service" and one["metadata"]["name"] == name]
    [deployment] = [one for one in built if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]
    [container] = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    [leads] = service["spec"]["ports"]
    assert leads["port"] == port and service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert f"--{flag}=:{ports[leads['targetPort']]}" in container["args"]


def test_metrics_role_is_for_metrics_alone(plane):
    [role] = [one for one in yaml.safe_load_all(plane.kubectl("kustomize", BASE).stdout)
              if one["kind"] == "ClusterRole" and one["metadata"]["name"] == "tollgate-metrics-reader"]
    assert role["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


def test_samples_make_a_project_that_may_deploy(c, plane):
    samples = ["project", "account", "binding", "card", "takeover", "terms", "invoice"]
    for name in samples:
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / f"{name}.yaml")
    c.patch("BillingAccount", "acme", "reserve", {"spec": {"defaultPaymentMethodRef": {"name": "mastercard"}}})
    c.allowed("shop")
    settles(lambda: c.get("ProjectBilling", "shop", "shop")["status"]["billingAccount"]["name"], "reserve")
    table = plane.kubectl("get", "billing", "-A").stdout
    for line in (r"acme +billingaccount\S*/main +Ready +EUR +False", r"acme +billingaccount\S*/reserve +Ready +EUR +True",
                 r"acme +billingaccountbinding\S*/shop-2 .*Active", r"acme +paymentmethod\S*/visa .*Active",
                 r"paymentmethodclass\S*/manual +manual", r"shop +projectbilling\S*/shop +reserve +true +Allowed"):
        assert re.search(line, table), f"no {line} in\n{table}"
