"""The deploy gate: the API server itself refuses workloads in projects that may not deploy, and protects what it goes by."""

import itertools
import json
import os
import re
import string

import pytest

import audit
from client import ORGANIZATION, PROJECT, settles, until
from conftest import ROOT
from cluster import ACCOUNT, NAMESPACE

DEPLOY = ROOT / "deploy"
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
# Kinds of others, as far as the gate looks at them. The cluster learns of them after the gate, and here alone.
MIN_SCALE = "autoscaling.knative.dev/min-scale"
OTHERS = {
    "Rollout": ("argoproj.io/v1alpha1", {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}),
    "Service": ("serving.knative.dev/v1", {"template": {"metadata": {"annotations": {MIN_SCALE: "2"}}, "spec": POD}}),
    "VirtualMachine": ("kubevirt.io/v1", {"runStrategy": "Halted", "template": {"spec": {"domain": {}}}}),
    "VirtualMachineInstance": ("kubevirt.io/v1", {"domain": {}}),
}
UNGUARDED = {"VirtualMachinePool": ("pool.kubevirt.io/v1beta1", {"replicas": 1})}     # unless an overlay says so
SOMEBODY = "alice"
SELF = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
MASTERS = ["system:masters"]                                        # has all rights: what still refuses is the gate


def workload(kind, name="web", **metadata):
    version, spec = {**WORKLOADS, **OTHERS, **UNGUARDED}[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def namespace_of(name, **metadata):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def kubectl(plane, *arguments, thing=None, user=None, groups=()):
    """(went through, what kubectl said)."""
    who = [*(["--as", user] if user else []), *(f"--as-group={group}" for group in groups)]
    done = plane.kubectl(*arguments, *who, check=False, input=thing and json.dumps(thing))
    return done.returncode == 0, done.stdout + done.stderr


def create(plane, ns, thing, *more, **who):
    return kubectl(plane, "-n", ns, "create", "-f", "-", *more, thing=thing, **who)


def patch(plane, ns, what, body, *more, **who):
    return kubectl(plane, "-n", ns, "patch", what, "--type=merge", "--patch-file=/dev/stdin", *more, thing=body, **who)


def label(plane, ns, body, *more, **who):
    """Patches the namespace's metadata."""
    return patch(plane, ns, f"namespace/{ns}", {"metadata": body}, *more, **who)


def put(plane, ns, body, subresource="", **who):
    """Replaces the namespace, whatever its version is by now."""
    del body["metadata"]["resourceVersion"]
    return kubectl(plane, "replace", "--raw", f"/api/v1/namespaces/{ns}{subresource}", "-f", "-", thing=body, **who)


@pytest.fixture(scope="module")
def gate(plane, client, tollgate):
    """The policies are there and at work; afterwards they are gone, since other tests move namespaces about."""
    plain, project = client.namespace("plain"), client.project()

    def at_work():
        """Each of the four."""
        tries = [create(plane, project, workload("Pod"), "--dry-run=server"),
                 *(label(plane, ns, body, "--dry-run=server", user=user) for ns, body, user in (
                     (plain, {"labels": {LABEL: "allowed"}}, None), (plain, {"labels": {"team": "a"}}, SELF),
                     (project, {"labels": short(200)}, None)))]
        return ["denied request" in said for _, said in tries]
    plane.kubectl("apply", "-k", DEPLOY / "gate")
    settles(at_work, [True] * 4)
    yield
    plane.kubectl("delete", "-k", DEPLOY / "gate")
    settles(at_work, [False] * 4)


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
    until(lambda: create(plane, project, workload("Pod"), "--dry-run=server")[0])
    return blocked


def block(c, plane, org, project):
    """The terms are over."""
    c.delete("BillingArrangement", org, "terms")
    settles(lambda: marks(c, project), ("blocked", REQUIRED))
    until(lambda: REQUIRED in create(plane, project, workload("Pod"), "--dry-run=server")[1])


@pytest.fixture(scope="module")
def others(plane, gate):
    """The definitions of kinds that the gate has rules for already."""
    def definition(kind, version):
        group, version = version.split("/")
        names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
        scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
        return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{names['plural']}.{group}"},
                "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [{
                    "name": version, "served": True, "storage": True, "subresources": {"scale": scale},
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}
    kinds = {**OTHERS, **UNGUARDED}
    every = json.dumps({"apiVersion": "v1", "kind": "List", "items": [definition(kind, kinds[kind][0]) for kind in kinds]})
    plane.kubectl("create", "-f", "-", input=every)
    plane.kubectl("wait", "--for=condition=established", "--timeout=30s", "-f", "-", input=every)
    yield
    plane.kubectl("delete", "-f", "-", input=every)


@pytest.fixture
def somebody(plane):
    """An ordinary user, and the service accounts that a test names, with an administrator's rights."""
    def may(user):
        made.append(f"gate-{user.replace(':', '-')}")
        plane.kubectl("create", "clusterrolebinding", made[-1], "--clusterrole=cluster-admin", f"--user={user}")
        return user
    made = []
    may(SOMEBODY)
    yield may
    plane.kubectl("delete", "clusterrolebinding", *made)


def marks(c, ns):
    meta = c.get("Namespace", None, ns)["metadata"]
    return meta.get("labels", {}).get(LABEL), meta.get("annotations", {}).get(MESSAGE)


def pods(plane, ns):
    found = json.loads(plane.kubectl("-n", ns, "get", "pods", "-l", "app=web", "-o", "json").stdout)
    return {one["metadata"]["name"] for one in found["items"]}


# ------------------------------------------------------------------ the policies themselves

@pytest.mark.parametrize("variant, action", [("gate", "Deny"), ("gate-warn", "Warn"), ("gate-audit", "Audit")])
def test_variants_differ_in_one_word(plane, variant, action):
    built = plane.kubectl("kustomize", DEPLOY / variant).stdout
    bindings = [text for text in built.split("---\n") if "kind: ValidatingAdmissionPolicyBinding" in text]
    actions = {re.search(r"policyName: (\S+)", text)[1]: re.search(r"validationActions:\n\s*- (\S+)", text)[1] for text in bindings}
    assert actions == {"tollgate-deploy": action, "tollgate-deploy-labels": "Deny", "tollgate-deploy-room": "Deny",
                       "tollgate-deploy-self": "Deny"}


def test_api_server_finds_no_fault_with_the_expressions(plane, gate):
    def faults():
        policies = json.loads(plane.kubectl("get", "validatingadmissionpolicies", "-o", "json").stdout)["items"]
        return {one["metadata"]["name"]: one["status"]["typeChecking"].get("expressionWarnings") for one in policies}
    settles(faults, dict.fromkeys(["tollgate-deploy", "tollgate-deploy-labels", "tollgate-deploy-room", "tollgate-deploy-self"]))


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
    assert create(plane, project, workload("Deployment"))[0]
    until(lambda: len(pods(plane, project)) == 1)
    block(c, plane, org, project)
    before = pods(plane, project)
    plane.kubectl("-n", project, "delete", "pod", *before, "--wait=false")
    until(lambda: len(pods(plane, project)) == 1 and pods(plane, project) != before)   # the ReplicaSet's controller passes
    scale = ["-n", project, "scale", "deployment/web"]
    assert REQUIRED in kubectl(plane, *scale, "--replicas=2")[1]
    assert REQUIRED in patch(plane, project, "deployment/web", {"spec": {"replicas": 2}})[1]
    image = {"containers": [{"name": "app", "image": "registry.example/app:2"}]}
    assert patch(plane, project, "deployment/web", {"spec": {"template": {"spec": image}}})[0]
    assert kubectl(plane, *scale, "--replicas=0")[0]
    assert REQUIRED in kubectl(plane, *scale, "--replicas=1")[1]                       # also from none
    assert kubectl(plane, "-n", project, "delete", "deployment/web", "--wait=false")[0]


def test_jobs_are_not_resumed_nor_widened_and_autoscalers_not_raised(c, plane, allowed):
    org, project = allowed
    job, cron, daemon = workload("Job"), workload("CronJob"), workload("DaemonSet")
    job["spec"].update(suspend=True, parallelism=1)
    cron["spec"]["suspend"] = cron["spec"]["jobTemplate"]["spec"]["suspend"] = True
    daemon["spec"]["template"] = {**daemon["spec"]["template"], "spec": {
        **daemon["spec"]["template"]["spec"], "nodeSelector": {"no-node": "has-this"}}}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {
        "minReplicas": 2, "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}
    for thing in (job, cron, scaler, daemon):
        assert create(plane, project, thing)[0]
    block(c, plane, org, project)
    for what, spec in (("job/web", {"suspend": False}), ("job/web", {"parallelism": 5}), ("cronjob/web", {"suspend": False}),
                       ("cronjob/web", {"jobTemplate": {"spec": {"parallelism": 5}}}), ("hpa/web", {"minReplicas": 7}),
                       ("cronjob/web", {"jobTemplate": {"spec": {"suspend": False}}}),
                       ("daemonset/web", {"template": {"spec": {"nodeSelector": None}}}),
                       ("daemonset/web", {"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}}),
                       ("hpa/web", {"maxReplicas": 10}), ("hpa/web", {"scaleTargetRef": {"name": "other"}})):
        assert REQUIRED in patch(plane, project, what, {"spec": spec})[1], (what, spec)
    for what, spec in (("job/web", {"parallelism": 1}), ("cronjob/web", {"schedule": "0 0 2 1 *"}), ("hpa/web", {"minReplicas": 1}),
                       ("daemonset/web", {"template": {"metadata": {"annotations": {"restarted": "now"}}}}),
                       ("hpa/web", {"maxReplicas": 8})):
        assert patch(plane, project, what, {"spec": spec})[0], (what, spec)
    scaler["metadata"]["name"] = "new"
    assert REQUIRED in create(plane, project, scaler)[1]


def test_everyday_commands(c, plane, allowed):
    """Creation and raising are refused. What keeps going what runs, or looks at it, is not hindered."""
    org, project = allowed
    for thing in (workload("CronJob"), workload("Pod", "alone")):
        assert create(plane, project, thing)[0]

    def apply(*more):
        return kubectl(plane, "-n", project, "apply", "-f", "-", *more, thing=workload("Deployment"))
    assert apply()[0]
    until(lambda: len(pods(plane, project)) == 1)
    block(c, plane, org, project)
    before = pods(plane, project)
    shell = "--image=registry.example/shell"
    for words in (f"run shell {shell}", "create job now --from=cronjob/web", f"create deployment more {shell}",
                  f"debug alone --copy-to=twin {shell} --attach=false"):
        assert REQUIRED in kubectl(plane, "-n", project, *words.split())[1], words
    for words in ("label pod alone team=a", "set image pod/alone app=registry.example/app:2", "rollout restart deployment/web",
                  "annotate cronjob web a=b", f"debug alone {shell} --container=shell --attach=false"):
        done, said = kubectl(plane, "-n", project, *words.split())
        assert done, said
    for how in ([], ["--server-side", "--force-conflicts"]):        # nothing has changed
        done, said = apply(*how)
        assert done, said
    until(lambda: pods(plane, project) - before)                    # of the restarted Deployment
    pod = json.loads(plane.kubectl("-n", project, "get", "pod/alone", "-o", "json").stdout)["spec"]
    assert pod["ephemeralContainers"] and pod["containers"][0]["image"].endswith(":2")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "alone", "namespace": project}}
    done, said = kubectl(plane, "create", "--raw", f"/api/v1/namespaces/{project}/pods/alone/eviction", "-f", "-", thing=eviction)
    assert done, said


def test_forged_owner_reference_is_refused(c, plane, allowed, somebody):
    """No pod passes for saying that it is of a ReplicaSet, though that is really there, whoever sends it."""
    org, project = allowed
    assert create(plane, project, workload("ReplicaSet"))[0]
    block(c, plane, org, project)
    owner = json.loads(plane.kubectl("-n", project, "get", "replicaset/web", "-o", "json").stdout)
    forged = workload("Pod", "forged", labels=TEMPLATE["metadata"]["labels"], ownerReferences=[{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": owner["metadata"]["uid"], "controller": True}])
    for user in (None, SOMEBODY, somebody(f"system:serviceaccount:{project}:default")):
        assert REQUIRED in create(plane, project, forged, user=user)[1], user


def test_clusters_own_controllers_pass_and_no_namesakes(plane, blocked):
    _, project = blocked
    for kind, name in (("Pod", "replicaset-controller"), ("Job", "cronjob-controller"), ("ReplicaSet", "deployment-controller")):
        done, said = create(plane, project, workload(kind), "--dry-run=server", user=f"system:serviceaccount:kube-system:{name}")
        assert done, said
        namesake = f"system:serviceaccount:{project}:{name}"
        assert REQUIRED in create(plane, project, workload(kind), user=namesake, groups=MASTERS)[1]


def test_other_namespaces_are_untouched(c, plane, gate):
    plain = c.namespace("plain")
    assert marks(c, plain) == (None, None)
    for ns in (plain, "kube-system"):
        done, said = create(plane, ns, workload("Pod"), "--dry-run=server")
        assert done or "serviceaccount" in said, said
        assert label(plane, ns, {"annotations": {"a": "x" * (200 << 10)}}, "--dry-run=server")[0]


# ------------------------------------------------------------------ workloads of others

@pytest.mark.parametrize("kind", OTHERS)
def test_kinds_of_others_are_guarded_though_defined_after_the_gate(c, plane, blocked, others, kind):
    org, project = blocked
    assert REQUIRED in create(plane, project, workload(kind))[1]
    c.arrange(org)
    until(lambda: create(plane, project, workload(kind))[0])


def scale(number):
    return {MIN_SCALE: number}


@pytest.mark.parametrize("kind, at_first, steps", [
    ("Rollout", {}, [({"replicas": 3}, False), ({"replicas": 1}, True), ({"template": {"a": "b"}}, True), ({"replicas": 0}, True),
                     ({"replicas": 1}, False), ({"replicas": None}, False)]),          # without a number it runs one
    ("VirtualMachine", {}, [({"runStrategy": "Always"}, False), ({"runStrategy": "Manual"}, False),
                            ({"runStrategy": None, "running": True}, False), ({"template": {"a": "b"}}, True)]),
    ("VirtualMachine", {"runStrategy": "Always"}, [({"runStrategy": "RerunOnFailure"}, True), ({"runStrategy": "Halted"}, True),
                                                   ({"runStrategy": "RerunOnFailure"}, False)]),
    ("VirtualMachine", {"runStrategy": None, "running": True}, [({"running": False}, True), ({"running": True}, False)]),
    ("Service", {}, [({"template": {"metadata": {"annotations": scale("3")}}}, False),
                     ({"template": {"metadata": {"annotations": scale("1")}}}, True),
                     ({"template": {"metadata": {"annotations": scale("2")}}}, False),
                     ({"template": {"spec": {"a": "b"}}}, True),
                     ({"template": {"metadata": {"annotations": scale("no number")}}}, True)])])
def test_kinds_of_others_are_lowered_and_not_raised(c, plane, allowed, others, kind, at_first, steps):
    org, project = allowed
    thing = workload(kind)
    group = thing["apiVersion"].split("/")[0]
    thing["spec"] = {name: value for name, value in {**thing["spec"], **at_first}.items() if value is not None}
    assert create(plane, project, thing)[0]
    block(c, plane, org, project)
    for spec, goes in steps:
        done, said = patch(plane, project, f"{kind}.{group}/web", {"spec": spec})
        assert done == goes and (goes or REQUIRED in said), (spec, said)


def test_scale_of_others_is_guarded(c, plane, allowed, others):
    org, project = allowed
    assert create(plane, project, workload("Rollout"))[0]
    block(c, plane, org, project)
    for replicas, goes in ((3, False), (1, True), (2, False), (0, True), (1, False)):
        done, said = kubectl(plane, "-n", project, "scale", "rollouts.argoproj.io/web", f"--replicas={replicas}")
        assert done == goes and (goes or REQUIRED in said), (replicas, said)


def test_overlay_of_the_readme_guards_another_kind_and_trusts_another_controller(plane, blocked, others, tmp_path):
    _, project = blocked
    [overlay] = re.findall(r"(?m)((?:^    .*\n)*    resources: \[\.\./gate\]\n(?:^    .*\n)*)", (DEPLOY / "README.md").read_text())
    overlay = re.sub("(?m)^    ", "", overlay).replace("../gate", os.path.relpath(DEPLOY / "gate", tmp_path))
    (tmp_path / "kustomization.yaml").write_text(overlay)
    controller = {"user": "system:serviceaccount:argo-rollouts:argo-rollouts", "groups": MASTERS}

    def tries():
        return [create(plane, project, workload(kind), "--dry-run=server", **who)[0]
                for kind, who in (("VirtualMachinePool", {}), ("ReplicaSet", controller), ("ReplicaSet", {}))]
    assert tries() == [True, False, False]
    plane.kubectl("apply", "-k", tmp_path)
    try:
        settles(tries, [False, True, False])
    finally:
        plane.kubectl("apply", "-k", DEPLOY / "gate")
        settles(tries, [True, False, False])


# ------------------------------------------------------------------ what it goes by

WAYS = ["patch", "apply", "replace", "status", "finalize"]


def set_key(c, plane, ns, way, member, key, value, **who):
    """Sets metadata.<member>[key], or takes it away, in one of the ways that the API has."""
    if way in ("patch", "status"):
        return label(plane, ns, {member: {key: value}}, *(["--subresource=status"] if way == "status" else []), **who)
    if way == "apply":                                              # and what it has not set it can't take away
        return kubectl(plane, "apply", "--server-side", "--force-conflicts", "--field-manager=other", "-f", "-",
                       thing=namespace_of(ns, **{member: {key: value or ""}}), **who)
    whole = c.get("Namespace", None, ns)
    every = {**whole["metadata"].get(member, {}), key: value}
    whole["metadata"][member] = {key: value for key, value in every.items() if value is not None}
    return put(plane, ns, whole, "/finalize" if way == "finalize" else "", **who)


def users(somebody, way, project):
    return [None, SOMEBODY, somebody(f"system:serviceaccount:{project}:default")] if way == "patch" else [SOMEBODY]


@pytest.mark.parametrize("way", WAYS)
def test_only_tollgate_marks(c, plane, blocked, somebody, way):
    _, project = blocked
    for user in users(somebody, way, project):
        for member, key in (("labels", LABEL), ("annotations", MESSAGE)):
            for value in ("allowed", "", None):
                done, said = set_key(c, plane, project, way, member, key, value, user=user)
                assert not done and "is kept by Tollgate" in said, (user, member, value, said)
    assert marks(c, project) == ("blocked", REQUIRED)


@pytest.mark.parametrize("user", [None, SOMEBODY])
@pytest.mark.parametrize("member, key", [("labels", LABEL), ("annotations", MESSAGE)], ids=["label", "annotation"])
def test_no_namespace_is_born_with_a_mark(c, plane, gate, somebody, user, member, key):
    name = c.unique("forged")
    born = namespace_of(name, labels={PROJECT: name})
    born["metadata"].setdefault(member, {})[key] = "allowed"
    for way in (["create"], ["apply", "--server-side"]):
        assert "is kept by Tollgate" in kubectl(plane, *way, "-f", "-", thing=born, user=user)[1]


@pytest.mark.parametrize("way", WAYS)
def test_nobody_leaves_project_or_organization(c, plane, gate, somebody, way):
    project = c.project(organization="acme")
    settles(lambda: marks(c, project)[0], "blocked")
    for user in users(somebody, way, project):
        for key, now, words in ((PROJECT, project, "stays with its project"), (ORGANIZATION, "acme", "stays with its organization")):
            for value in ("other", now.upper(), "", None):
                done, said = set_key(c, plane, project, way, "labels", key, value, user=user)
                assert not done and words in said, (user, key, value, said)
    assert set_key(c, plane, project, way, "labels", "team", "a")[0]


def test_a_namespace_gets_its_project_once(c, plane, gate):
    plain = c.namespace("plain")
    assert "must name a project" in kubectl(plane, "label", "namespace", plain, f"{PROJECT}=")[1]
    assert kubectl(plane, "label", "namespace", plain, f"{PROJECT}=late")[0]
    assert "stays with its project" in kubectl(plane, "label", "namespace", plain, f"{PROJECT}=later", "--overwrite")[1]


OWNER = {"apiVersion": "v1", "kind": "Namespace", "name": "x", "uid": "1"}
CONDITION = {"type": "X", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2026-11-22T10:06:20Z"}


@pytest.mark.parametrize("body, goes", [
    ({"labels": {LABEL: "allowed"}}, True), ({"annotations": {MESSAGE: "x"}}, True),
    ({"labels": {"team": "a"}}, False), ({"labels": {PROJECT: None}}, False), ({"labels": {PROJECT: "other"}}, False),
    ({"annotations": {"a": "b"}}, False), ({"finalizers": ["example.com/x"]}, False), ({"ownerReferences": [OWNER]}, False)], ids=str)
def test_tollgate_itself_is_held_to_its_keys(plane, blocked, body, goes):
    _, project = blocked
    done, said = label(plane, project, body, "--dry-run=server", user=SELF)
    assert done == goes and (goes or "may change nothing of a namespace" in said), said


@pytest.mark.parametrize("deed", ["create", "delete", "spec", "status", "labels through status"])
def test_tollgate_itself_may_do_nothing_else_whatever_its_rights(c, plane, blocked, deed):
    _, project = blocked
    who = {"user": SELF, "groups": MASTERS}
    if deed == "create":
        done, said = kubectl(plane, "create", "-f", "-", thing=namespace_of(c.unique("new")), **who)
    elif deed == "delete":
        done, said = kubectl(plane, "delete", "namespace", project, **who)
    elif deed == "spec":
        whole = c.get("Namespace", None, project)
        whole["spec"]["finalizers"].append("example.com/x")
        done, said = put(plane, project, whole, "/finalize", **who)
    elif deed == "status":
        done, said = patch(plane, project, f"namespace/{project}", {"status": {"conditions": [CONDITION]}}, "--subresource=status", **who)
    else:
        done, said = label(plane, project, {"labels": {"team": "a"}}, "--subresource=status", **who)
    assert not done and "may change nothing of a namespace" in said, said


# ------------------------------------------------------------------ room for the marks

def short(n, value=""):
    """n entries with the shortest keys that there are, and so the most entries in a given room."""
    keys = itertools.product(string.ascii_lowercase + string.digits, repeat=3)
    return {"".join(key): value for key in itertools.islice(keys, n)}


def managed(number):
    return {"apiVersion": "v1", "manager": f"m{number}", "operation": "Update", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in short(8000)}}}}


def finalizers(n):
    return [f"example.com/{number}" for number in range(n)]


TOO_MUCH = {
    "labels": ("128 labels", {"labels": short(140)}),
    "one long annotation": ("128 KiB of annotations", {"annotations": {"a": "x" * (129 << 10)}}),
    "one of few characters": ("128 KiB of annotations", {"annotations": {"a": "\u20ac" * (44 << 10)}}),
    "many short annotations": ("128 KiB of annotations", {"annotations": short(14000)}),
    "finalizers": ("512 KiB in all", {"finalizers": finalizers(30000)}),
    "owners": ("512 KiB in all", {"ownerReferences": [{**OWNER, "name": "x" * (600 << 10)}]}),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_nobody_takes_the_room_of_the_marks(c, plane, blocked, what):
    _, project = blocked
    words, body = TOO_MUCH[what]
    done, said = label(plane, project, body, user=SOMEBODY, groups=MASTERS)
    assert not done and words in said, said
    name = c.unique("big")
    born = namespace_of(name, **{**body, "labels": {**body.get("labels", {}), PROJECT: name}})
    assert words in kubectl(plane, "create", "-f", "-", thing=born)[1]
    assert kubectl(plane, "create", "-f", "-", thing=namespace_of(name, **body))[0]     # no project's
    assert words in kubectl(plane, "label", "namespace", name, f"{PROJECT}={name}")[1]
    c.patch("Namespace", None, name, {"metadata": {"finalizers": None}})


def test_nobody_takes_it_by_ways_that_have_no_limit(c, plane, blocked):
    _, project = blocked
    condition = {**CONDITION, "message": "x" * (600 << 10)}
    applied = namespace_of(project, annotations=short(9000))
    names = [kubectl(plane, "apply", "--server-side", f"--field-manager=m{number}", "-f", "-", thing=applied) for number in range(6)]
    assert names[0][0]
    whole = c.get("Namespace", None, project)
    whole["spec"]["finalizers"] += finalizers(30000)
    for done, said in (patch(plane, project, f"namespace/{project}", {"status": {"conditions": [condition]}}, "--subresource=status"),
                       put(plane, project, whole, "/finalize"), names[-1],
                       label(plane, project, {"managedFields": [managed(number) for number in range(6)]})):
        assert not done and "512 KiB in all" in said, said


def test_marks_fit_where_others_took_all_they_may(c, plane, allowed):
    """Also within what the API server lets an expression cost."""
    org, project = allowed
    free = 128 - len(c.get("Namespace", None, project)["metadata"]["labels"])
    full = {"labels": {f"{key:x<63}": "x" * 63 for key in short(free)}, "annotations": short(13000), "finalizers": finalizers(3000)}
    done, said = label(plane, project, full)
    assert done, said
    for more in ({"labels": {"one": "more"}}, {"annotations": short(14000)}):
        assert "has room for" in label(plane, project, more)[1]
    block(c, plane, org, project)
    c.arrange(org)
    settles(lambda: marks(c, project), ("allowed", None))
    c.patch("Namespace", None, project, {"metadata": {"finalizers": None}})


@pytest.fixture
def filled(c, plane, allowed):
    """A project into whose namespace no message fits. Only the cluster's own controllers can make it so, and others before the gate came."""
    _, project = allowed
    done, said = label(plane, project, {"annotations": {"a": "x" * ((256 << 10) - 1)}, "labels": short(200)},
                       user="system:serviceaccount:kube-system:any", groups=MASTERS)
    assert done, said
    return allowed


def test_gate_closes_where_no_message_fits(c, plane, filled):
    org, project = filled
    c.delete("BillingArrangement", org, "terms")
    settles(lambda: marks(c, project), ("blocked", None))
    until(lambda: "its ProjectBilling says why" in create(plane, project, workload("Pod"), "--dry-run=server")[1])
    assert label(plane, project, {"annotations": {"a": "x" * (200 << 10)}})[0]
    settles(lambda: marks(c, project), ("blocked", REQUIRED))


def test_what_is_too_big_may_shrink_and_stay_and_not_grow(c, plane, filled):
    _, project = filled
    for body, goes in (({"annotations": {"a": "x" * (200 << 10)}}, True), ({"annotations": {"b": "x"}}, False),
                       ({"labels": {"new": "x"}}, False), ({"labels": {"aaa": "other", "aab": None}}, True),
                       ({"finalizers": ["example.com/x"]}, True), ({"finalizers": None}, True)):
        done, said = label(plane, project, body)
        assert done == goes and (goes or "has room for" in said), (str(body)[:80], said)


# ------------------------------------------------------------------ endings, variants

def test_deleting_never_hangs(c, plane, filled, tollgate):
    """Neither while Tollgate is down, with workloads and bindings in the namespace."""
    org, project = filled
    assert create(plane, project, workload("Deployment"))[0]
    until(lambda: len(pods(plane, project)) == 1)
    c.bind(project, "elsewhere")
    assert c.find("ProjectBilling", project, project)
    assert tollgate.stop() == 0
    try:
        c.delete("Namespace", None, project)
        until(lambda: c.find("Namespace", None, project) is None, 60)
    finally:
        tollgate.start()
    for binding in c.list("BillingAccountBinding", org):
        c.delete("BillingAccountBinding", org, binding["metadata"]["name"])
    c.delete("Namespace", None, org)
    until(lambda: c.find("Namespace", None, org) is None, 60)


@pytest.fixture
def variant(plane, blocked):
    """`with variant("warn"):` that one in place of the gate."""
    def change(name):
        plane.kubectl("apply", "-k", DEPLOY / f"gate-{name}")
        until(lambda: create(plane, blocked[1], workload("Pod"), "--dry-run=server")[0])
    yield change
    plane.kubectl("apply", "-k", DEPLOY / "gate")
    until(lambda: "denied request" in create(plane, blocked[1], workload("Pod"), "--dry-run=server")[1])


def noted(plane, offset):
    """What the audit log says of policies since then."""
    with open(plane.dir / "audit.log", "rb") as log:
        log.seek(offset)
        events = [json.loads(line) for line in log if line.endswith(b"\n")]
    return [event["annotations"]["validation.policy.admission.k8s.io/validation_failure"] for event in events
            if "validation.policy.admission.k8s.io/validation_failure" in event.get("annotations", {})]


@pytest.mark.parametrize("name", ["warn", "audit"])
def test_variants_do_not_refuse(plane, blocked, variant, name):
    _, project = blocked
    variant(name)
    offset = None if plane.external else audit.size(plane)
    done = plane.kubectl("-n", project, "create", "-f", "-", input=json.dumps(workload("Pod")))
    warning = f"Warning: Validation failed for ValidatingAdmissionPolicy 'tollgate-deploy' with binding 'tollgate-deploy': {REQUIRED}\n"
    assert done.stderr == (warning if name == "warn" else "")
    assert "is kept by Tollgate" in kubectl(plane, "label", "namespace", project, f"{LABEL}=allowed", "--overwrite")[1]
    if offset is not None:
        found = until(lambda: noted(plane, offset)) if name == "audit" else noted(plane, offset)
        assert [REQUIRED in one and '"Audit"' in one for one in found] == ([True] if name == "audit" else [])
