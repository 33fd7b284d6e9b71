"""Tests of the test control plane itself (pytest): are the real controllers
at work, are rights enforced, and is nothing left behind? Run build.sh first.

TOLLGATE_KUBECONFIG is ignored here: these tests are about our own processes.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import plane as plane_module  # noqa: E402
from plane import COMPONENTS, KubectlError, Plane, PlaneError  # noqa: E402

PLANE_PY = Path(__file__).with_name("plane.py")
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.invalid/web}]}
"""


@pytest.fixture(scope="module", autouse=True)
def own_cluster():
    """Never somebody's cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TOLLGATE_KUBECONFIG", raising=False)
        yield


@pytest.fixture(scope="module")
def plane(own_cluster, tmp_path_factory):
    with Plane(tmp_path_factory.mktemp("plane") / "p", audit=True) as running:
        yield running


@pytest.fixture
def namespace(plane, request):
    name = request.node.name.replace("_", "-")
    plane.kubectl("create", "namespace", name)
    eventually(lambda: plane.kubectl("get", "serviceaccount", "default", "-n", name))
    yield name
    plane.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def eventually(check, seconds=30):
    """Calls `check` until it neither fails nor returns False; its last result."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            result = check()
            assert result is not False
            return result
        except (AssertionError, KubectlError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def names(plane, kind, namespace):
    return plane.kubectl("get", kind, "-n", namespace, "-o", "name").stdout.split()


def processes_of(folder):
    """Living processes that name the folder on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


def run_plane(*arguments, **options):
    return subprocess.run([sys.executable, PLANE_PY, *map(str, arguments)],
                          capture_output=True, text=True, timeout=120, **options)


# ------------------------------------------------------------- the cluster

@pytest.mark.skipif("KUBEBUILDER_ASSETS" in os.environ, reason="those are of any version")
def test_version_is_the_pinned_one(plane):
    pinned = Path(__file__).with_name("go.mod").read_text()
    version = json.loads(plane.kubectl("version", "-o", "json").stdout)
    for side in ("clientVersion", "serverVersion"):
        assert f"k8s.io/kubernetes {version[side]['gitVersion']}" in pinned


def test_deployment_gets_replica_set_and_pods(plane, namespace):
    plane.kubectl("apply", "-n", namespace, "-f", "-", input=DEPLOYMENT)
    eventually(lambda: len(names(plane, "pods", namespace)) == 2)
    assert len(names(plane, "replicasets", namespace)) == 1
    pods = json.loads(plane.kubectl("get", "pods", "-n", namespace, "-o", "json").stdout)
    assert all("nodeName" not in pod["spec"] for pod in pods["items"]), "no scheduler runs here"


def test_namespace_deletes_completely(plane, namespace):
    plane.kubectl("apply", "-n", namespace, "-f", "-", input=DEPLOYMENT)
    eventually(lambda: len(names(plane, "pods", namespace)) == 2)
    plane.kubectl("delete", "namespace", namespace, "--timeout=60s")
    with pytest.raises(KubectlError, match="not found"):
        plane.kubectl("get", "namespace", namespace)
    assert names(plane, "pods", namespace) == []


def test_garbage_collector_removes_a_dependent(plane, namespace):
    plane.kubectl("create", "configmap", "owner", "-n", namespace)
    uid = plane.kubectl("get", "configmap", "owner", "-n", namespace,
                        "-o", "jsonpath={.metadata.uid}").stdout
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    dependent = {"apiVersion": "v1", "kind": "ConfigMap",
                 "metadata": {"name": "dependent", "ownerReferences": [owner]}}
    plane.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(dependent))
    plane.kubectl("delete", "configmap", "owner", "-n", namespace)
    eventually(lambda: "configmap/dependent" not in names(plane, "configmaps", namespace))


def test_service_account_has_its_rights_and_no_other(plane, namespace, tmp_path):
    plane.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    plane.kubectl("create", "role", "reader", "-n", namespace,
                  "--verb=list", "--resource=configmaps")
    plane.kubectl("create", "rolebinding", "reader", "-n", namespace,
                  "--role=reader", f"--serviceaccount={namespace}:reader")
    config = plane.service_account_kubeconfig(tmp_path / "reader", namespace, "reader")
    token = tmp_path / "reader.token"
    assert str(token) in config.read_text() and token.stat().st_mode & 0o077 == 0
    eventually(lambda: plane.kubectl("get", "configmaps", "-n", namespace, kubeconfig=config))
    with pytest.raises(KubectlError, match=f"system:serviceaccount:{namespace}:reader.*cannot list"):
        plane.kubectl("get", "secrets", "-n", namespace, kubeconfig=config)
    token.write_text("no.such.token")
    with pytest.raises(KubectlError, match="(?i)unauthorized|logged in"):
        plane.kubectl("get", "configmaps", "-n", namespace, kubeconfig=config)


def test_user_certificate_carries_user_and_groups(plane, tmp_path):
    config = plane.user_kubeconfig(tmp_path / "anna", "anna/o+1", ["team:a", "team/b"])
    who = json.loads(plane.kubectl("auth", "whoami", "-o", "json", kubeconfig=config).stdout)
    assert who["status"]["userInfo"]["username"] == "anna/o+1"
    assert {"team:a", "team/b"} <= set(who["status"]["userInfo"]["groups"])
    with pytest.raises(KubectlError, match="forbidden|Forbidden"):
        plane.kubectl("get", "namespaces", kubeconfig=config)


def test_audit_log_names_the_request(plane):
    plane.kubectl("get", "configmap", "audited", "-n", "default", check=False)
    events = [json.loads(line) for line in (plane.dir / "audit.log").read_text().splitlines()]
    hits = [e for e in events if e.get("objectRef", {}).get("name") == "audited"]
    assert [e["responseStatus"]["code"] for e in hits] == [404]
    assert hits[0]["level"] == "Metadata" and hits[0]["user"]["username"] == "kubernetes-admin"


# -------------------------------------------------------- trouble on purpose

@pytest.mark.parametrize("name, number", [
    *((name, signal.SIGKILL) for name in COMPONENTS),
    ("kube-apiserver", signal.SIGTERM)])    # etcd's is the same, but slow
def test_component_restarts_with_its_data(plane, name, number):
    url, before = plane.url, plane.pid(name)
    mark = f"{name}-{number.name.lower()}"
    plane.kubectl("create", "configmap", mark)
    plane.stop_component(name, number)
    assert plane.pid(name) is None
    plane.start_component(name)
    assert plane.url == url and plane.pid(name) != before
    plane.wait_ready()
    eventually(lambda: plane.kubectl("get", "configmap", mark))
    # A controller manager that loses the API server while it starts its controllers ends: let it be done before the next one goes.
    plane.kubectl("create", "namespace", mark)
    eventually(lambda: plane.kubectl("get", "serviceaccount", "default", "-n", mark))


def test_paused_api_server_does_not_answer_until_resumed(plane):
    plane.pause("kube-apiserver")
    try:
        stuck = plane.kubectl("get", "namespaces", "--request-timeout=1s", check=False)
        assert stuck.returncode != 0
    finally:
        plane.resume("kube-apiserver")
    eventually(lambda: plane.kubectl("get", "namespaces"))


# ------------------------------------------------------------- beginning, end

def test_start_refuses_a_second_time_and_stop_leaves_no_process(tmp_path):
    folder = tmp_path / "p"
    began = time.monotonic()
    first = run_plane("start", folder)
    assert first.returncode == 0, first.stderr
    assert time.monotonic() - began < plane_module.READY_SECONDS
    try:
        assert f"export KUBECONFIG={folder}/kubeconfig" in first.stdout
        assert len(processes_of(folder)) == len(COMPONENTS)
        second = run_plane("start", folder)
        assert second.returncode == 1 and "already running" in second.stderr
        Plane.attach(folder).pause("kube-apiserver")    # even a frozen one must end
    finally:
        stopped = run_plane("stop", folder)
    assert stopped.returncode == 0, stopped.stderr
    assert processes_of(folder) == []
    assert not (folder / "state.json").exists()
    assert run_plane("stop", folder).returncode == 0


def test_run_passes_the_exit_code_and_stops(tmp_path):
    script = 'kubectl get --raw /readyz && test -f "$TOLLGATE_PLANE_DIR/state.json" && exit 7'
    done = run_plane("run", tmp_path / "p", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (7, "ok"), done.stderr
    assert processes_of(tmp_path) == []


def test_processes_end_with_a_test_that_is_killed(tmp_path):
    code = (f"import sys, time; sys.path.insert(0, {str(PLANE_PY.parent)!r})\n"
            f"from plane import Plane; Plane({str(tmp_path / 'p')!r}).start()\n"
            "print('up', flush=True); time.sleep(600)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "up\n"
        child.kill()
    eventually(lambda: processes_of(tmp_path) == [], seconds=15)


def test_stale_state_is_no_obstacle(tmp_path, monkeypatch):
    monkeypatch.setattr(Plane, "_start_once", lambda self, detach: self._prepare_folder())
    (tmp_path / plane_module.MARKER).touch()
    # Our own pid, but not our own time of start: a pid that was used again.
    state = {"id": "x", "pids": {"etcd": os.getpid()}, "started": {"etcd": 1}}
    (tmp_path / "state.json").write_text(json.dumps(state))
    Plane(tmp_path).start()
    assert not (tmp_path / "state.json").exists()


def test_a_folder_with_other_things_in_it_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.tex").touch()
    done = run_plane("start", tmp_path)
    assert done.returncode == 1 and "neither empty" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_component_that_dies_is_named_with_its_log(tmp_path):
    broken = Plane(tmp_path / "p", extra_args={"kube-apiserver": ["--no-such-flag"]})
    with pytest.raises(PlaneError, match="kube-apiserver ended with exit code 1(.|\n)*no-such-flag"):
        broken.start()
    assert processes_of(tmp_path) == []


def test_a_taken_port_is_tried_again(tmp_path, monkeypatch):
    real, calls = plane_module._free_ports, []

    def first_time_taken(count):
        calls.append(real(count))
        return calls[0] if len(calls) > 1 else [*taken, *calls[0][1:]]

    with socket.socket() as blocker:
        blocker.bind(("127.0.0.1", 0))
        blocker.listen()
        taken = [blocker.getsockname()[1]]
        monkeypatch.setattr(plane_module, "_free_ports", first_time_taken)
        with Plane(tmp_path / "p") as running:
            assert len(calls) == 2 and running.ports["etcd"] != taken[0]


def test_external_cluster_is_used_and_not_stopped(plane, tmp_path, monkeypatch):
    monkeypatch.setenv("TOLLGATE_KUBECONFIG", str(plane.kubeconfig))
    with Plane(tmp_path / "p") as external:
        assert external.url == plane.url
        external.kubectl("get", "namespaces")
        config = external.service_account_kubeconfig(tmp_path / "sa", "default", "default")
        assert external.kubectl("auth", "whoami", kubeconfig=config).returncode == 0
        for call in (external.stop_component, external.pause, external.start_component):
            with pytest.raises(PlaneError, match="not available on an external cluster"):
                call("etcd")
        assert processes_of(tmp_path) == []
    assert not external.kubeconfig.exists()
    assert plane.pid("kube-apiserver")
