"""The webhooks' port as anybody in the cluster's network meets it: right requests, wrong ones, and none at all. Each test ends with a
request that is answered; the last one looks at what all of them have left behind."""

import base64
import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from client import GROUP, until
from conftest import plane_with_webhooks

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="its API server must reach us")

MIB = 1 << 20
CROWD = 1000
WEBHOOK = True


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with plane_with_webhooks(tmp_path_factory) as plane:
        yield plane


@pytest.fixture(scope="module")
def trust(plane, tollgate):
    """Trusts what the webhook configuration tells the API server to trust, and nothing else."""
    found = json.loads(plane.kubectl("get", "validatingwebhookconfiguration", "tollgate", "-o", "json").stdout)
    bundle = base64.b64decode(found["webhooks"][0]["clientConfig"]["caBundle"]).decode()
    return ssl.create_default_context(cadata=bundle)


@pytest.fixture(scope="module")
def before(tollgate, trust):
    """What tollgate held when it had answered once."""
    assert ask(tollgate, trust, review())[0] == 200
    return resources(tollgate)


@pytest.fixture(autouse=True)
def goes_on(tollgate, trust, before):
    yield
    assert tollgate.process.poll() is None, "tollgate has ended"
    assert ask(tollgate, trust, review())[1]["response"] == {"uid": "u-1", "allowed": True}


def resources(tollgate):
    """(descriptors, bytes of resident size)"""
    proc = Path(f"/proc/{tollgate.process.pid}")
    return len(os.listdir(proc / "fd")), int(re.search(r"VmRSS:\s+(\d+)", (proc / "status").read_text())[1]) << 10


def review(group=GROUP, kind="BillingAccount", resource="billingaccounts", spec=None, **request):
    """A request as the API server sends it, of something that is fine."""
    version = "v1alpha1"
    thing = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": "main", "namespace": "default"},
             "spec": spec or {"currencyCode": "EUR"}}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u-1", "kind": {"group": group, "version": version, "kind": kind}, "name": "main", "namespace": "default",
        "resource": {"group": group, "version": version, "resource": resource}, "operation": "CREATE",
        "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters"]}, "object": thing, "oldObject": None,
        "dryRun": False, "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}, **request}}


def ask(tollgate, trust, body, path="/validate", method="POST"):
    """(status, answer) of one request on a connection of its own; body: bytes, or what becomes JSON. JSON comes back read."""
    connection = http.client.HTTPSConnection("127.0.0.1", tollgate.webhook_port, timeout=20, context=trust)
    with contextlib.closing(connection):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.suppress(OSError):  # an answer may come before all is sent
            connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.status == 200 else text


@contextlib.contextmanager
def connected(tollgate, trust=None):
    with socket.create_connection(("127.0.0.1", tollgate.webhook_port), timeout=20) as plain:
        if not trust:
            yield plain
            return
        with trust.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
            yield tls


def is_closed(connection):
    """The server has closed it, in whatever way; TimeoutError if it does not."""
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        raise
    except OSError:
        pass
    return True


# ------------------------------------------------------------------- requests

def test_certificate_is_the_ports_own(tollgate, trust):
    with pytest.raises(ssl.SSLCertVerificationError):
        with connected(tollgate, ssl.create_default_context()):
            pass
    with connected(tollgate, trust) as connection:
        assert connection.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=str)
def test_old_versions_of_tls_are_refused(tollgate, version):
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = version
    with pytest.raises(ssl.SSLError, match="EOF occurred|alert protocol version"):
        with connected(tollgate, old):
            pass


@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_answer_is_of_the_version_that_was_asked_in(tollgate, trust, path):
    status, answer = ask(tollgate, trust, review(), path)
    assert (status, answer) == (200, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                                      "response": {"uid": "u-1", "allowed": True}})


def test_refusal_is_a_403_with_the_field(tollgate, trust):
    response = ask(tollgate, trust, review(spec={"currencyCode": "ZZZ"}))[1]["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"], response["status"]["reason"]) == ("u-1", False, 403, "Forbidden")
    assert response["status"]["message"].startswith("spec.currencyCode") and "patch" not in response


def test_connection_is_used_again(tollgate, trust):
    connection = http.client.HTTPSConnection("127.0.0.1", tollgate.webhook_port, timeout=20, context=trust)
    with contextlib.closing(connection):
        connection.connect()
        one = connection.sock
        for _ in range(20):
            connection.request("POST", "/validate", json.dumps(review()), {"Content-Type": "application/json"})
            assert json.loads(connection.getresponse().read())["response"]["allowed"] and connection.sock is one


@pytest.mark.parametrize("request_", [
    review(group="example.com"), review(kind="BillingAccounts", resource="others"), review(operation="CONNECT"),
    review(uid="🧾 \"\\\n"), review(spec={"currencyCode": 978}), review(object=None), review(object=[1])])
def test_what_is_odd_in_a_review_is_answered_by_its_uid(tollgate, trust, request_):
    status, answer = ask(tollgate, trust, request_)
    assert status == 200 and answer["response"]["uid"] == request_["request"]["uid"]


def test_other_groups_are_none_of_our_business(tollgate, trust):
    assert ask(tollgate, trust, review(group="example.com", spec={"currencyCode": "ZZZ"}))[1]["response"]["allowed"]


@pytest.mark.parametrize("body", [
    b"", b"{", b"not JSON", b"\0" * 100, b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"null", b"[]", b"{}", b'"text"', b"1e999",
    json.dumps({**review(), "kind": "Review"}).encode(), json.dumps({**review(), "apiVersion": "admission.k8s.io/v1beta1"}).encode(),
    json.dumps({**review(), "request": None}).encode(), json.dumps(review(uid="")).encode(), json.dumps(review(uid=None)).encode(),
    json.dumps(review()).encode() + b"x"], ids=lambda body: repr(body[:20]))
def test_what_is_no_review_is_a_400(tollgate, trust, body):
    assert ask(tollgate, trust, body)[0] == 400


@pytest.mark.parametrize("size, wanted", [(6 * MIB, 200), (8 * MIB, 413)])
def test_large_bodies(tollgate, trust, size, wanted):
    body = review()
    body["request"]["object"]["metadata"]["annotations"] = {"note": "x" * size}
    assert ask(tollgate, trust, body)[0] == wanted


def test_body_that_would_unfold_to_much_more(tollgate, trust):
    body = json.dumps(review(options={"a": "HERE"})).replace('"HERE"', f"[{'{},' * (2 * MIB)}{{}}]").encode()
    assert ask(tollgate, trust, body)[0] in (200, 400, 413)


@pytest.mark.parametrize("method, path, wanted", [
    ("GET", "/validate", 405), ("PUT", "/validate", 405), ("DELETE", "/mutate", 405), ("POST", "/", 404), ("POST", "/validate/x", 404),
    ("POST", "/metrics", 404), ("POST", "/" + "x" * 2000, 404)])
def test_other_methods_and_paths(tollgate, trust, method, path, wanted):
    assert ask(tollgate, trust, review() if method == "POST" else None, path, method)[0] == wanted


# ------------------------------------------------------------ connections

def test_plain_http_is_not_spoken(tollgate):
    with connected(tollgate) as connection:
        connection.sendall(b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert is_closed(connection)


@pytest.mark.parametrize("garbage", [b"\0" * 1000, b"\x16\x03\x01\xff\xff" + b"x" * 70_000, bytes(range(256)) * 40, b"\x15\x03\x03\0\x02\x02\x28"],
                         ids=lambda garbage: repr(garbage[:5]))
def test_garbage_instead_of_tls(tollgate, garbage):
    with connected(tollgate) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)


@pytest.mark.parametrize("sent", [b"", b"POST /valid", b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"])
@pytest.mark.parametrize("speaks_tls", [True, False])
def test_connection_that_its_client_half_closes(tollgate, trust, sent, speaks_tls):
    with connected(tollgate, trust if speaks_tls else None) as connection:
        with contextlib.suppress(OSError):  # what is no TLS is cut off at once
            connection.sendall(sent)
            socket.socket.shutdown(connection, socket.SHUT_WR)
        assert is_closed(connection)


@pytest.mark.parametrize("head", [
    b"GARBAGE\r\n\r\n", b"POST /validate HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST /validate HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /validate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n", b"POST /validate HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"],
    ids=lambda head: repr(head[:60]))
def test_garbage_instead_of_http(tollgate, trust, head):
    with connected(tollgate, trust) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(head)
            socket.socket.shutdown(connection, socket.SHUT_WR)
        assert is_closed(connection)


@contextlib.contextmanager
def crowd(tollgate, trust):
    """So many connections that say nothing; half of them speak TLS first."""
    with contextlib.ExitStack() as connections:
        for number in range(CROWD):
            with contextlib.suppress(OSError):  # turned away at the door is fine
                connections.enter_context(connected(tollgate, trust if number % 2 else None))
        yield


def test_crowd_that_says_nothing_keeps_nobody_out(c, tollgate, trust):
    """The API server goes on to be answered, on connections old and new."""
    ns = c.namespace()
    failed = []

    def create():
        for number in range(100):
            try:
                other.account(ns, f"a{number}", ready=False)
            except Exception as error:  # noqa: BLE001 - told below
                failed.append(error)
    other = c.another()
    creating = threading.Thread(target=create)
    creating.start()
    with crowd(tollgate, trust):
        creating.join()
        assert failed == []
        for number in range(20):
            c.account(ns, f"b{number}", ready=False)
            assert ask(tollgate, trust, review())[0] == 200


def test_nothing_is_left_of_all_this(tollgate, trust, before):
    """The allocator keeps what a crowd needed, up to a bound: the next one needs no more."""
    descriptors, size = before
    until(lambda: resources(tollgate)[0] <= descriptors + 2)  # the API server may keep another connection or two
    once = resources(tollgate)[1]
    for _ in range(3):
        with crowd(tollgate, trust):
            assert ask(tollgate, trust, review())[0] == 200
        until(lambda: resources(tollgate)[0] <= descriptors + 2)
    if "TOLLGATE_BINARY" not in os.environ:  # a sanitizer keeps what was freed
        assert resources(tollgate)[1] <= min(once + 2 * MIB, size + 16 * MIB)
