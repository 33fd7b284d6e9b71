"""The metrics port where others reach it: TLS with a certificate of its own, and the API server's word on who may read. On loopback it is plain, as
all other tests use it; here it is told to be secure there too."""

import socket
import ssl
import time

import pytest

import audit
from client import until
from cluster import ACCOUNT, NAMESPACE
from plane import _free_ports
from proxy import Proxy
from scrape import connect, scrape, trusting

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="looks into its audit log, and gives rights away")

SECURE = "--metrics-secure=true"
FLAGS = [SECURE, "--log-level=debug"]
KEPT_S = 10  # for how long a yes holds


@pytest.fixture(autouse=True)
def no_token_in_a_log(request, tollgate):
    yield
    for one in [tollgate, *getattr(request.node, "watched", [])]:
        assert "eyJ" not in one.log(), "how each of the API server's tokens begins"


@pytest.fixture
def bind(plane):
    """bind(namespace): lets its service account prometheus read metrics; returns when the API server goes by it."""
    bound = []

    def create(ns):
        bound.append(ns)
        plane.kubectl("create", "clusterrolebinding", ns, "--clusterrole=tollgate-metrics-reader", f"--serviceaccount={ns}:prometheus")
        user = f"--as=system:serviceaccount:{ns}:prometheus"
        until(lambda: plane.kubectl("auth", "can-i", "get", "/metrics", user, check=False).stdout.strip() == "yes")
    yield create
    if bound:
        plane.kubectl("delete", "clusterrolebinding", "--ignore-not-found", *bound)


@pytest.fixture
def reader(c, plane, bind):
    """reader(): (namespace of a new service account, its token), which may read metrics unless told otherwise."""
    def create(bound=True):
        ns = c.namespace("monitoring")
        plane.kubectl("create", "serviceaccount", "prometheus", "-n", ns)
        if bound:
            bind(ns)
        return ns, plane.kubectl("create", "token", "prometheus", "-n", ns).stdout.strip()
    return create


def test_who_may_reads(tollgate, reader):
    _, token = reader()
    assert scrape(tollgate.metrics_port, token).status == 200
    answer = scrape(tollgate.metrics_port, token)
    assert "\n# TYPE tollgate_" in answer.text and answer.challenge is None


def test_who_may_not_is_told_what_is_missing(tollgate, reader):
    ns, token = reader(bound=False)
    answer = scrape(tollgate.metrics_port, token)
    assert answer.status == 403 and answer.challenge is None
    assert f"system:serviceaccount:{ns}:prometheus" in answer.text
    assert "nonResourceURLs: [/metrics] verbs: [get]" in answer.text


def test_right_is_to_that_path_and_verb_alone(tollgate, reader):
    _, token = reader()
    assert scrape(tollgate.metrics_port, token).status == 200
    assert scrape(tollgate.metrics_port, token, "/metrics/").status == 403
    assert scrape(tollgate.metrics_port, token, "/debug/state").status == 403
    assert scrape(tollgate.metrics_port, token, method="HEAD").status == 403
    assert scrape(tollgate.metrics_port, token, method="POST").status == 405


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer nobody", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "Basic YTpi"])
def test_nobody_is_asked_who_they_are(tollgate, authorization):
    answer = scrape(tollgate.metrics_port, authorization=authorization)
    assert answer.status == 401 and answer.challenge.startswith("Bearer ") and "tollgate_" not in answer.text


def test_token_of_another_cluster_is_nobodys(tollgate, reader):
    _, token = reader()
    assert scrape(tollgate.metrics_port, token).status == 200
    head, body, signature = token.split(".")
    changed = ("B" if signature[9] == "A" else "A").join([signature[:9], signature[10:]])
    assert scrape(tollgate.metrics_port, ".".join([head, body, changed])).status == 401


def reviews(plane, offset):
    return sorted(resource for verb, resource, *_ in audit.requests(plane, offset) if resource.endswith("reviews"))


def test_verdict_is_kept_and_asked_for_once(plane, tollgate, reader):
    _, token = reader()
    offset, begun = audit.size(plane), time.monotonic()
    while reviews(plane, offset).count("subjectaccessreviews") < 2:
        assert scrape(tollgate.metrics_port, token).status == 200
        assert time.monotonic() - begun < KEPT_S + 3
    assert time.monotonic() - begun >= KEPT_S
    assert reviews(plane, offset) == ["subjectaccessreviews"] * 2 + ["tokenreviews"] * 2


def test_right_that_is_taken_away_is_gone_in_ten_seconds(plane, tollgate, reader, bind):
    ns, token = reader()
    assert scrape(tollgate.metrics_port, token).status == 200
    plane.kubectl("delete", "clusterrolebinding", ns)
    begun = time.monotonic()
    until(lambda: scrape(tollgate.metrics_port, token).status == 403, KEPT_S + 3)
    assert time.monotonic() - begun <= KEPT_S + 2
    bind(ns)
    until(lambda: scrape(tollgate.metrics_port, token).status == 200, 5)  # and is back sooner than that


def test_service_account_that_is_deleted_is_nobody(plane, tollgate, reader):
    ns, token = reader()
    assert scrape(tollgate.metrics_port, token).status == 200
    plane.kubectl("delete", "serviceaccount", "prometheus", "-n", ns)
    # The API server itself believes a token for up to ten seconds more.
    until(lambda: scrape(tollgate.metrics_port, token).status == 401, 2 * KEPT_S + 3)


def test_certificate_names_this_host_and_itself(tollgate):
    with socket.create_connection(("127.0.0.1", tollgate.metrics_port), timeout=10) as plain, trusting().wrap_socket(plain) as tls:
        served = ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))
        assert tls.version() == "TLSv1.3"
    for name in ("localhost", "127.0.0.1", socket.gethostname()):
        with socket.create_connection(("127.0.0.1", tollgate.metrics_port), timeout=10) as plain:
            with ssl.create_default_context(cadata=served).wrap_socket(plain, server_hostname=name) as tls:
                assert tls.getpeercert()["notAfter"]


def test_plain_client_gets_nothing(tollgate):
    assert tollgate.get(tollgate.metrics_port, "/metrics") == (None, "")


# ------------------------------------------------------------------ addresses

def test_loopback_is_plain_and_for_all_as_it_was(run):
    tollgate = run()
    status, text = tollgate.get(tollgate.metrics_port, "/metrics")
    assert status == 200 and "\n# TYPE tollgate_" in text
    assert "--metrics-secure" not in tollgate.log()


def test_all_addresses_are_secure(run):
    [port] = _free_ports(1)
    run(f"--metrics-bind-address=:{port}")
    assert scrape(port).status == 401


def test_plain_everywhere_is_warned_of(run):
    [port] = _free_ports(1)
    tollgate = run(f"--metrics-bind-address=:{port}", "--metrics-secure=false")
    assert tollgate.get(port, "/metrics")[0] == 200
    [line] = [line for line in tollgate.log().splitlines() if "--metrics-secure=false" in line]
    assert '"level":"warn"' in line and "in the clear" in line


# -------------------------------------------------------------------- trouble

def test_api_server_that_does_not_answer_is_waited_for_ten_seconds(plane, run, reader, tmp_path):
    _, known = reader()
    _, other = reader()
    with Proxy(plane.ports["kube-apiserver"]) as proxy:
        kubeconfig = proxy.reroute(plane.service_account_kubeconfig(tmp_path / "kubeconfig", NAMESPACE, ACCOUNT))
        tollgate = run(SECURE, kubeconfig=kubeconfig)
        assert scrape(tollgate.metrics_port, known).status == 200
        proxy.blackhole()
        assert scrape(tollgate.metrics_port, known).status == 200  # its verdict holds
        begun = time.monotonic()
        gone = connect(tollgate.metrics_port)  # does not wait for its answer
        gone.request("GET", "/metrics", headers={"Authorization": f"Bearer {other}"})
        gone.close()
        answer = scrape(tollgate.metrics_port, other)
        assert answer.status == 503 and answer.challenge is None
        assert KEPT_S - 1 <= time.monotonic() - begun < KEPT_S + 3
        proxy.cut()
        proxy.pass_()
        for token in (known, other):
            until(lambda: scrape(tollgate.metrics_port, token).status == 200)


def test_crowd_of_nobodies_keeps_nobody_out(tollgate, reader):
    _, token = reader()
    assert scrape(tollgate.metrics_port, token).status == 200
    crowd = [connect(tollgate.metrics_port) for _ in range(100)]
    for number, one in enumerate(crowd):
        one.request("GET", "/metrics", headers={"Authorization": f"Bearer nobody-{number}"})
    assert scrape(tollgate.metrics_port, token).status == 200
    assert {one.getresponse().status for one in crowd} <= {401, 503}
    for one in crowd:
        one.close()
