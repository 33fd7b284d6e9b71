"""Is it alive, is it ready, and if not, why: the health address under trouble, the log's level, and the debugging view. On a control plane
of its own, where each test starts the tollgate it needs. A watch is silent for long after 2 s here, and stale after 4 s."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from client import GROUP, NAMES, Client, until
from cluster import install
from conftest import ROOT
from plane import Plane, _free_ports
from proxy import Proxy
from test_runtime import set_rules, without, works  # noqa: F401

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="breaks the cluster")

IMPATIENT = "--watch-idle-timeout=2s"
KINDS = {names["plural"] for names in NAMES} | {"namespaces"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with Plane(tmp_path_factory.mktemp("health") / "plane", audit=True) as plane:
        install(plane)
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
        yield plane


@pytest.fixture(scope="module")
def c(plane):
    with contextlib.closing(Client(plane)) as client:
        yield client


def ask(tollgate, path, method="GET", body=None, host="127.0.0.1", port=None, headers=None):
    """(status, text) at the health address; (None, "") when it does not answer."""
    connection = http.client.HTTPConnection(host, port or tollgate.health_port, timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return None, ""


def state(tollgate):
    status, text = ask(tollgate, "/debug/state")
    assert status == 200, text
    return json.loads(text)


def check(tollgate, endpoint, name):
    """(does the endpoint pass, what it says of that check)"""
    status, text = ask(tollgate, f"/{endpoint}?verbose")
    lines = text.splitlines()
    assert lines[-1] == f"{endpoint} check {'passed' if status == 200 else 'failed'}"
    [line] = [line for line in lines if line[3:].startswith(name)]
    return status == 200, line


def stays(well, seconds):
    """It is well at each look for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert well()
        time.sleep(0.1)


# ----------------------------------------------------------------- readiness

def test_ready_when_every_kind_is_listed(c, run, plane):
    crd = json.loads(plane.kubectl("get", "crd", f"invoices.{GROUP}", "-o", "json").stdout)
    plane.kubectl("delete", "crd", crd["metadata"]["name"])
    tollgate = run(wait=False)
    until(lambda: check(tollgate, "readyz", "caches-synced") == (
        False, "[-]caches-synced failed: not listed yet: invoices (its definition is missing)"))
    assert ask(tollgate, "/readyz/caches-synced")[0] == 500 and ask(tollgate, "/readyz/shutdown") == (200, "ok")
    assert ask(tollgate, "/readyz?exclude=caches-synced") == (200, "ok")
    assert ask(tollgate, "/livez") == ask(tollgate, "/healthz") == (200, "ok")
    plane.kubectl("apply", "-f", ROOT / "crds" / "invoice.yaml")
    tollgate.wait_ready()
    assert ask(tollgate, "/readyz") == (200, "ok")


def test_not_ready_while_the_api_server_does_not_answer_at_the_start(c, run, plane):
    first = run()
    first.stop()
    plane.pause("kube-apiserver")
    try:
        tollgate = run(wait=False, kubeconfig=first.kubeconfig)
        until(lambda: tollgate.get(tollgate.health_port, "/livez")[0] == 200)
        passes, line = check(tollgate, "readyz", "caches-synced")
        assert not passes and all(kind in line for kind in KINDS)
        assert ask(tollgate, "/livez") == (200, "ok")
    finally:
        plane.resume("kube-apiserver")
    tollgate.wait_ready(60)


def gone_stale(tollgate):
    passes, line = check(tollgate, "readyz", "watches-fresh")
    return not passes and all(f"{kind}: nothing heard for " in line for kind in KINDS)


def test_watches_go_stale_and_recover(c, run, plane):
    tollgate = run(IMPATIENT)
    works(c)
    stays(lambda: ask(tollgate, "/readyz") == (200, "ok"), 7)  # nobody has anything to tell, and all is well
    plane.pause("kube-apiserver")
    try:
        until(lambda: gone_stale(tollgate))
        assert ask(tollgate, "/livez") == (200, "ok"), "killing it would not help"
        assert state(tollgate)["watches"]["invoices"]["heardSecondsAgo"] > 4
    finally:
        plane.resume("kube-apiserver")
    tollgate.wait_ready(60)
    works(c)


def test_watches_in_a_black_hole_are_opened_anew(c, run, plane):
    first = run()
    first.stop()
    with Proxy(plane.ports["kube-apiserver"]) as proxy:
        tollgate = run(IMPATIENT, kubeconfig=proxy.reroute(first.kubeconfig))
        works(c)
        before = proxy.accepted
        proxy.blackhole()
        until(lambda: gone_stale(tollgate))
        until(lambda: proxy.accepted > before)  # it does not wait for the old connection
        proxy.cut()  # what is in the hole stays there
        proxy.pass_()
        tollgate.wait_ready(60)
        works(c)
        tollgate.stop()


# ------------------------------------------------------------------ liveness

def test_a_loop_that_cannot_keep_up_is_not_alive(run, tmp_path, monkeypatch):
    shim, late = tmp_path / "late.so", tmp_path / "late"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, Path(__file__).with_name("late.c")], check=True)
    # AddressSanitizer wants to be the first library, and works as the second as well.
    for name, value in {"LD_PRELOAD": str(shim), "ASAN_OPTIONS": "verify_asan_link_order=0", "LATE_WHILE": str(late)}.items():
        monkeypatch.setenv(name, value)
    tollgate = run(wait=False)
    for name in ("LD_PRELOAD", "ASAN_OPTIONS", "LATE_WHILE"):
        monkeypatch.delenv(name)
    tollgate.wait_ready()
    assert check(tollgate, "livez", "loop-lag") == (True, "[+]loop-lag ok")
    late.touch()
    until(lambda: not check(tollgate, "livez", "loop-lag")[0], timeout=60)
    assert "late by more than a second" in ask(tollgate, "/livez/loop-lag")[1]
    assert state(tollgate)["loop"]["sluggish"]
    late.unlink()
    until(lambda: ask(tollgate, "/livez") == (200, "ok"))


def test_who_was_stopped_for_a_while_is_alive(run):
    tollgate = run()
    os.kill(tollgate.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            tollgate.process.wait(8)  # for longer than it takes to be called dead
    finally:
        os.kill(tollgate.process.pid, signal.SIGCONT)
    stays(lambda: ask(tollgate, "/livez") == (200, "ok"), 4)
    assert state(tollgate)["loop"]["lateSeconds"] > 5, "it has seen the gap"


# ------------------------------------------------------ what is stuck, and why

def lines(tollgate):
    return [json.loads(line) for line in tollgate.log().splitlines()]


def test_what_is_stuck_can_be_seen(c, run, without):  # noqa: F811
    tollgate = run()
    ns, project = works(c)
    without("patch", "billingaccountbindings/status")
    name = c.bind(ns, c.project())

    def stuck():
        [key] = state(tollgate)["queue"]["failing"]
        assert (key["kind"], key["namespace"], key["name"]) == ("BillingAccountBinding", ns, name)
        return key["failures"] > 5 and key["nextTryInSeconds"] is not None and key
    assert until(stuck)["nextTryInSeconds"] < 60

    # The same again is told at debug only.
    assert ask(tollgate, "/debug/loglevel") == (200, "info\n")
    assert not any(line["level"] == "debug" for line in lines(tollgate))
    assert ask(tollgate, "/debug/loglevel", "PUT", "debug") == (200, "debug\n")
    until(lambda: any(line["level"] == "debug" and line.get("name") == name for line in lines(tollgate)), timeout=60)
    assert ask(tollgate, "/debug/loglevel", "PUT", "error\n") == (200, "error\n")
    changes = [(line["from"], line["to"]) for line in lines(tollgate) if line["msg"] == "log level changed while running"]
    assert changes == [("info", "debug"), ("debug", "error")]
    status, text = ask(tollgate, "/debug/loglevel", "PUT", "loud")
    assert status == 400 and all(level in text for level in ("error", "warn", "info", "debug"))
    assert ask(tollgate, "/debug/loglevel") == (200, "error\n")
    said = len(lines(tollgate))
    without.give_back()
    until(lambda: state(tollgate)["queue"]["failing"] == [], timeout=90)
    assert len(lines(tollgate)) == said, "all it had to tell was less than an error"


def test_the_view_shows_the_whole(c, run, plane):
    tollgate = run()
    ns, _ = works(c)
    # An API server that has just got a kind may end its first streams.
    until(lambda: {watch["state"] for watch in state(tollgate)["watches"].values()} == {"Watching"})
    view = state(tollgate)
    assert set(view["watches"]) == KINDS
    for kind, watch in view["watches"].items():
        assert watch["standing"] == "Fine" and watch["lists"] >= 1, kind
        assert watch["resourceVersion"] and watch["bytes"] > 0 and 0 <= watch["heardSecondsAgo"] < 100
    assert view["synced"] and view["deciding"] and not view["stopping"]
    assert set(view["checks"].values()) == {"ok"}
    assert view["cache"]["billingaccounts"]["objects"] == len(c.list("BillingAccount"))
    assert view["cache"]["billingaccounts"]["bytes"] > 0
    assert view["server"]["url"] == plane.url
    assert view["queue"]["depth"] == 0 and view["queue"]["failing"] == []
    streams = [one for one in view["requests"] if one["method"] == "GET"]
    assert {one["path"].rsplit("/", 1)[1] for one in streams} == KINDS and all("?" not in one["path"] for one in streams)
    assert view["certificates"]["client"]["source"] == "token file"


def own_address():
    """One of this machine's that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


@pytest.mark.skipif(not own_address(), reason="this machine has no address but loopback")
def test_the_view_is_for_this_host_alone(run):
    [port] = _free_ports(1)
    tollgate = run(f"--health-probe-bind-address=0.0.0.0:{port}", wait=False)
    until(lambda: tollgate.get(port, "/readyz")[0] == 200)
    there = {"host": own_address(), "port": port}
    assert ask(tollgate, "/readyz", **there) == (200, "ok"), "kubelet comes from there"
    for path in ("/debug/state", "/debug/loglevel"):
        status, text = ask(tollgate, path, **there)
        assert status == 403 and "loopback only" in text
        assert ask(tollgate, path, port=port)[0] == 200
    assert ask(tollgate, "/debug/loglevel", "PUT", "error", **there)[0] == 403
    assert ask(tollgate, "/debug/loglevel", port=port) == (200, "info\n")


def test_the_view_is_for_no_web_page(run):
    """One may have its own name point at a port-forward, or just ask there."""
    tollgate = run()
    for headers, why in (({"Host": "evil.example:8081"}, "Host"), ({"Origin": "http://evil.example"}, "Origin")):
        for method, path, body in (("GET", "/debug/state", None), ("PUT", "/debug/loglevel", "error")):
            status, text = ask(tollgate, path, method, body, headers=headers)
            assert status == 403 and why in text
        assert ask(tollgate, "/readyz", headers=headers) == (200, "ok")
    assert ask(tollgate, "/debug/loglevel", headers={"Host": "localhost", "Origin": "http://localhost"}) == (200, "info\n")


# ------------------------------------------------------------------- secrets

def test_no_token_is_ever_shown(c, run, plane, without):  # noqa: F811
    """At debug, with refusals on the way and a token that is not accepted: where one might slip out."""
    tollgate = run("--log-level=debug")
    secret = tollgate.kubeconfig.with_name(tollgate.kubeconfig.name + ".token")
    token = secret.read_text().strip()
    ns, _ = works(c)
    without("patch", "billingaccountbindings/status")
    c.bind(ns, c.project())
    until(lambda: state(tollgate)["queue"]["failing"])
    shown = ask(tollgate, "/debug/state")[1]
    tollgate.stop()
    bad = token[:-12] + "xxxxxxxxxxxx"
    secret.write_text(bad)
    refused = run("--log-level=debug", wait=False, kubeconfig=tollgate.kubeconfig)
    until(lambda: any("Unauthorized" in json.dumps(line) or "credentials" in json.dumps(line) for line in lines(refused)))
    shown += ask(refused, "/debug/state")[1] + ask(refused, "/readyz?verbose")[1]
    refused.stop()
    for text in (shown, tollgate.log(), refused.log()):
        for part in (token, bad, *token.split(".")[1:], "Bearer "):
            assert part not in text
    for line in tollgate.log().splitlines():
        assert list(json.loads(line))[:3] == ["ts", "level", "msg"]
