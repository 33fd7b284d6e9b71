"""The deploy gate: the API server itself refuses workloads in projects that may not deploy, and protects what it goes by."""

import json

import pytest

from client import ORGANIZATION, PROJECT, settles, until
from conftest import ROOT
from cluster import ACCOUNT, NAMESPACE

LABEL, MESSAGE = "billing.miloapis.com/deploy", "billing.miloapis.com/deploy-message"
REQUIRED = "payment method required before deploy"
POD = {"containers": [{"name": "app", "image": "registry.example/app"}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
SELECTOR = {"matchLabels": {"app": "web"}}
WORKLOADS = {
    "Deployment": ("apps/v1", {"replicas": 1, "selector": SELECTOR, "template": TEMPLATE}),
    "StatefulSet": ("apps/v1", {"serviceName": "web", "selector": SELECTOR, "template": TEMPLATE}),
    "DaemonSet": ("apps/v1", {"selector": SELECTOR, "template": TEMPLATE}),
    "ReplicaSet": ("apps/v1", {"selector": SELECTOR, "template": TEMPLATE}),
    "ReplicationController": ("v1", {"selector": {"app": "web"}, "template": TEMPLATE}),
    "Job": ("batch/v1", {"template": {"spec": {**POD, "restartPolicy": "Never"}}}),
    "CronJob": ("batch/v1", {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}}}),
    "Pod": ("v1", POD),
}


def workload(kind, name="web", **metadata):
    version, spec = WORKLOADS[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def kubectl(plane, *arguments, thing=None, user=None):
    """(went through, what kubectl said)."""
    done = plane.kubectl(*arguments, *(["--as", user] if user else []), check=False, input=thing and json.dumps(thing))
    return done.returncode == 0, done.stdout + done.stderr


def create(plane, ns, thing, *more, user=None):
    return kubectl(plane, "-n", ns, "create", "-f", "-", *more, thing=thing, user=user)


@pytest.fixture(scope="module")
def gate(plane, client, tollgate):
    """The policies are there and at work; afterwards they are gone, since other tests move namespaces about."""
    probe = client.namespace("probe")

    def refuses():
        return not kubectl(plane, "label", "namespace", probe, f"{LABEL}=allowed", "--dry-run=server")[0]
    plane.kubectl("apply", "-k", ROOT / "deploy" / "gate")
    ns = client.project()
    until(lambda: refuses() and not create(plane, ns, workload("Pod"), "--dry-run=server")[0])
    yield
    plane.kubectl("delete", "-k", ROOT / "deploy" / "gate")
    until(lambda: not refuses())


@pytest.fixture
def blocked(c, gate):
    """A project without a payment method, and its account's namespace."""
    org, project = c.namespace(), c.project()
    c.account(org)
    c.bound(org, project)
    settles(lambda: marks(c, project), ("blocked", REQUIRED))
    return org, project


@pytest.fixture
def allowed(c, plane, blocked):
    """The same, and it may deploy: the account pays by terms."""
    org, project = blocked
    c.arrange(org)
    settles(lambda: marks(c, project), ("allowed", None))
    return blocked


def block(c, plane, org, project):
    """The terms are over."""
    c.delete("BillingArrangement", org, "terms")
    settles(lambda: marks(c, project), ("blocked", REQUIRED))
    until(lambda: not create(plane, project, workload("Pod"), "--dry-run=server")[0])


def marks(c, ns):
    meta = c.get("Namespace", None, ns)["metadata"]
    return meta.get("labels", {}).get(LABEL), meta.get("annotations", {}).get(MESSAGE)


# ------------------------------------------------------------------ workloads

@pytest.mark.parametrize("kind", sorted(WORKLOADS))
def test_workload_is_refused_with_the_very_message_and_allowed_once_it_can_be_paid(c, plane, blocked, kind):
    org, project = blocked
    done, said = create(plane, project, workload(kind), "--dry-run=server")
    assert not done and f"denied request: {REQUIRED}" in said
    c.arrange(org)
    settles(lambda: marks(c, project), ("allowed", None))
    until(lambda: create(plane, project, workload(kind), "--dry-run=server")[0])


def test_gate_holds_while_tollgate_is_down(c, plane, blocked, tollgate):
    _, project = blocked
    fresh = None
    assert tollgate.stop() == 0
    try:
        assert REQUIRED in create(plane, project, workload("Deployment"))[1]
        fresh = c.project()
        done, said = create(plane, fresh, workload("Deployment"))
        assert not done and "billing account required before deploy" in said
    finally:
        tollgate.start()
    settles(lambda: marks(c, fresh), ("blocked", "billing account required before deploy"))


def test_what_runs_goes_on_and_is_not_raised(c, plane, allowed):
    org, project = allowed
    until(lambda: create(plane, project, workload("Deployment"))[0])
    pods = lambda: [one["metadata"]["name"] for one in json.loads(  # noqa: E731
        plane.kubectl("-n", project, "get", "pods", "-o", "json").stdout)["items"]]
    until(lambda: len(pods()) == 1)
    block(c, plane, org, project)
    before = pods()
    plane.kubectl("-n", project, "delete", "pod", *before, "--wait=false")
    until(lambda: len(pods()) == 1 and pods() != before)           # the ReplicaSet's controller passes
    deployment = ["-n", project]
    assert REQUIRED in kubectl(plane, *deployment, "scale", "deployment/web", "--replicas=2")[1]
    patch = lambda spec: kubectl(plane, *deployment, "patch", "deployment/web", "-p", json.dumps({"spec": spec}))  # noqa: E731
    assert REQUIRED in patch({"replicas": 2})[1]
    assert patch({"template": {"spec": {"containers": [{"name": "app", "image": "registry.example/app:2"}]}}})[0]
    assert kubectl(plane, *deployment, "scale", "deployment/web", "--replicas=0")[0]
    assert REQUIRED in kubectl(plane, *deployment, "scale", "deployment/web", "--replicas=1")[1]   # also from none
    assert kubectl(plane, *deployment, "delete", "deployment/web", "--wait=false")[0]


def test_jobs_are_not_resumed_nor_widened_and_autoscalers_not_raised(c, plane, allowed):
    org, project = allowed
    job, cron = workload("Job"), workload("CronJob")
    job["spec"].update(suspend=True, parallelism=1)
    cron["spec"]["suspend"] = True
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {
        "minReplicas": 2, "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}
    until(lambda: create(plane, project, job, "--dry-run=server")[0])
    for thing in (job, cron, scaler):
        assert create(plane, project, thing)[0]
    block(c, plane, org, project)

    def patch(what, **spec):
        return kubectl(plane, "-n", project, "patch", what, "--type=merge", "-p", json.dumps({"spec": spec}))
    for what, spec in (("job/web", {"suspend": False}), ("job/web", {"parallelism": 5}), ("cronjob/web", {"suspend": False}),
                       ("cronjob/web", {"jobTemplate": {"spec": {"parallelism": 5}}}), ("hpa/web", {"minReplicas": 7})):
        assert REQUIRED in patch(what, **spec)[1], what
    for what, spec in (("job/web", {"parallelism": 1}), ("cronjob/web", {"schedule": "0 0 2 1 *"}), ("hpa/web", {"minReplicas": 1})):
        assert patch(what, **spec)[0], what
    scaler["metadata"]["name"] = "new"
    assert REQUIRED in create(plane, project, scaler)[1]


def test_forged_owner_reference_is_refused(plane, blocked):
    _, project = blocked
    forged = workload("Pod", ownerReferences=[{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": True,
                                               "uid": "11111111-2222-3333-4444-555555555555"}])
    assert REQUIRED in create(plane, project, forged)[1]


def test_other_namespaces_are_untouched(c, plane, gate):
    plain = c.namespace("plain")
    assert marks(c, plain) == (None, None)
    for ns in (plain, "kube-system"):
        done, said = create(plane, ns, workload("Pod"), "--dry-run=server")
        assert done or "serviceaccount" in said, said


# ------------------------------------------------------------------ what it goes by

def test_only_tollgate_marks(c, plane, blocked):
    _, project = blocked
    for what, words in (("label", LABEL), ("annotate", MESSAGE)):
        for value in ("=allowed", "-"):
            done, said = kubectl(plane, what, "namespace", project, words + value, "--overwrite")
            assert not done and "is kept by Tollgate" in said
    assert marks(c, project) == ("blocked", REQUIRED)
    name = c.unique("forged")
    born = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {PROJECT: name, LABEL: "allowed"}}}
    assert "is kept by Tollgate" in kubectl(plane, "create", "-f", "-", thing=born)[1]


def test_nobody_leaves_project_or_organization(c, plane, gate):
    project = c.project(organization="acme")
    for label, words in ((PROJECT, "stays with its project"), (ORGANIZATION, "stays with its organization")):
        for value in ("=other", "-"):
            assert words in kubectl(plane, "label", "namespace", project, label + value, "--overwrite")[1]
    status = json.dumps({"metadata": {"labels": {PROJECT: "other"}}})
    assert "stays with its project" in kubectl(plane, "patch", "namespace", project, "--subresource=status", "-p", status)[1]
    assert kubectl(plane, "label", "namespace", project, "team=a")[0]
    plain = c.namespace("plain")
    assert "must name a project" in kubectl(plane, "label", "namespace", plain, f"{PROJECT}=")[1]
    assert kubectl(plane, "label", "namespace", plain, f"{PROJECT}=late")[0]


@pytest.mark.parametrize("patch, goes", [
    ({"metadata": {"labels": {LABEL: "allowed"}}}, True), ({"metadata": {"annotations": {MESSAGE: "x"}}}, True),
    ({"metadata": {"labels": {"team": "a"}}}, False), ({"metadata": {"labels": {PROJECT: None}}}, False),
    ({"metadata": {"annotations": {"a": "b"}}}, False), ({"metadata": {"finalizers": ["example.com/x"]}}, False)], ids=str)
def test_tollgate_itself_is_held_to_its_keys(plane, blocked, patch, goes):
    _, project = blocked
    done, said = kubectl(plane, "patch", "namespace", project, "--dry-run=server", "--type=merge", "-p", json.dumps(patch),
                         user=f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
    assert done == goes and (goes or "may change nothing of a namespace" in said), said


def test_deleting_never_hangs(c, plane, blocked):
    org, project = blocked
    for binding in c.list("BillingAccountBinding", org):
        c.delete("BillingAccountBinding", org, binding["metadata"]["name"])
    c.delete("Namespace", None, project)
    c.delete("Namespace", None, org)
    until(lambda: c.find("Namespace", None, project) is None and c.find("Namespace", None, org) is None, 60)


@pytest.mark.parametrize("variant, seen", [("warn", True), ("audit", False)])
def test_variants_do_not_refuse(c, plane, blocked, variant, seen):
    _, project = blocked
    plane.kubectl("apply", "-k", ROOT / "deploy" / f"gate-{variant}")
    try:
        until(lambda: create(plane, project, workload("Pod"), "--dry-run=server")[0])
        assert (REQUIRED in create(plane, project, workload("Pod"), "--dry-run=server")[1]) == seen
        assert "is kept by Tollgate" in kubectl(plane, "label", "namespace", project, f"{LABEL}=allowed", "--overwrite")[1]
    finally:
        plane.kubectl("apply", "-k", ROOT / "deploy" / "gate")
        until(lambda: not create(plane, project, workload("Pod"), "--dry-run=server")[0])
