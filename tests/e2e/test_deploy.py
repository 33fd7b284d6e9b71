"""deploy/ as a cluster's administrator meets it."""

import re

import pytest

from client import settles

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


def test_rights_have_no_wildcard_and_no_secrets(plane):
    rules = (BASE / "rbac.yaml").read_text()
    assert "*" not in rules and "secrets" not in rules and "escalate" not in rules


@pytest.mark.parametrize("verb, what", [("get", "secrets"), ("create", "pods"), ("update", "namespaces"),
                                        ("patch", "paymentmethods"), ("delete", "billingaccounts"),
                                        ("patch", "customresourcedefinitions")])
def test_service_account_may_not(plane, verb, what):
    user = "--as=system:serviceaccount:tollgate-system:tollgate"
    assert plane.kubectl("auth", "can-i", verb, what, "-A", user, check=False).stdout.strip() == "no"


def test_samples_make_a_project_that_may_deploy(c, plane):
    samples = ["project", "account", "binding", "card", "takeover", "terms", "invoice"]
    for name in samples:
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / f"{name}.yaml")
    c.allowed("shop")
    settles(lambda: c.get("ProjectBilling", "shop", "shop")["status"]["billingAccount"]["name"], "reserve")
    table = plane.kubectl("get", "billing", "-A").stdout
    for line in (r"acme +billingaccount\S*/main +Ready +EUR +False", r"acme +billingaccount\S*/reserve +Ready +EUR +True",
                 r"acme +billingaccountbinding\S*/shop-2 .*Active", r"acme +paymentmethod\S*/visa .*Active",
                 r"paymentmethodclass\S*/manual +manual", r"shop +projectbilling\S*/shop +reserve +true +Allowed"):
        assert re.search(line, table), f"no {line} in\n{table}"
