"""The webhooks' certificates: made, kept, renewed and put right without a request that fails meanwhile; or somebody else's, from a folder."""

import base64
import contextlib
import json
import os
import socket
import ssl
import subprocess
import time

import pytest

import audit
from client import Client, settles, until
from cluster import CONFIGURATIONS, NAMESPACE
from conftest import ROOT, check_end, plane_with_webhooks
from plane import _free_ports

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="its API server must reach us")

SECRET = ["secret", "tollgate-webhook", "-n", NAMESPACE]
SOON = "--webhook-cert-lifetime=2m"  # it looks at everything every few seconds then; otherwise twice a minute
WEBHOOKS = ROOT / "deploy" / "base" / "webhooks.yaml"


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with plane_with_webhooks(tmp_path_factory, audit=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def c(plane):
    with contextlib.closing(Client(plane)) as client:
        yield client


@pytest.fixture(autouse=True)
def as_installed(plane):
    """An empty Secret, and webhooks that lead to the Service and trust nobody."""
    plane.kubectl("delete", "--ignore-not-found", *CONFIGURATIONS)
    plane.kubectl("patch", *SECRET, "--type=merge", "-p", '{"data": null}')
    plane.kubectl("apply", "-f", WEBHOOKS)


def clients(plane):
    """Whom the API server asks, of each webhook."""
    found = json.loads(plane.kubectl("get", *CONFIGURATIONS, "-o", "json").stdout)["items"]
    return [hook["clientConfig"] for one in found for hook in one["webhooks"]]


def bundle(plane):
    """What all webhooks trust, as PEM; ValueError as long as they do not agree: their configurations are written one after the other."""
    [text] = {one["caBundle"] for one in clients(plane)}
    return base64.b64decode(text).decode()


def secret(plane):
    data = json.loads(plane.kubectl("get", *SECRET, "-o", "json").stdout).get("data", {})
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


def authorities(text):
    """Each certificate of a PEM."""
    end = "-----END CERTIFICATE-----"
    return {one.strip() + end for one in text.split(end)[:-1]}


def served(port, trusted, name="127.0.0.1"):
    """The leaf of a new connection, as PEM, to one who trusts that and asks for that name."""
    context = ssl.create_default_context(cadata=trusted)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))


def is_trusted(port, trusted):
    try:
        return bool(served(port, trusted))
    except ssl.SSLCertVerificationError:
        return False


# ------------------------------------------------------------------- its own

def test_rotation_fails_no_request(c, plane, run):
    """A leaf is renewed every 20 s and the CA after 80, while objects are created all the time. New connections are made by somebody who has
    heard of a new bundle two seconds late, as an API server may."""
    tollgate = run("--webhook-cert-lifetime=30s", webhook=True)
    ns, dry = c.namespace(), c.another(dry_run=True)
    first = trusted = bundle(plane)
    heard, leaves, deadline = [], set(), time.monotonic() + 120
    while is_trusted(tollgate.webhook_port, first):
        assert time.monotonic() < deadline, "no leaf of a new CA"
        for _ in range(10):
            dry.account(ns, ready=False)
        heard.append((time.monotonic(), until(lambda: bundle(plane))))
        while heard[0][0] < time.monotonic() - 2:
            trusted = heard.pop(0)[1]
        leaves.add(served(tollgate.webhook_port, trusted))
    assert len(leaves) >= 4
    assert authorities(first) < authorities(trusted)
    settles(lambda: authorities(first) & authorities(bundle(plane)), set())  # and then the old one goes
    c.account(ns)


def test_restart_goes_on_with_the_same_certificate(plane, run):
    first = run(webhook=True)
    leaf = served(first.webhook_port, bundle(plane))
    check_end(first)
    again = run(webhook=True)
    assert served(again.webhook_port, bundle(plane)) == leaf


@pytest.mark.parametrize("number", range(3))
def test_two_that_start_at_once_agree(c, plane, run, number):
    ports = _free_ports(2)
    two = [run(f"--webhook-bind-address=127.0.0.1:{port}", f"--webhook-url=https://127.0.0.1:{ports[0]}", wait=False) for port in ports]
    for tollgate in two:
        tollgate.wait_ready()
    settles(lambda: bundle(plane), secret(plane)["ca.crt"])
    for port in ports:
        settles(lambda: served(port, bundle(plane)).split(), secret(plane)["tls.crt"].split())
    until(lambda: c.account(c.namespace(), ready=False))
    assert len(authorities(bundle(plane))) == 1


def test_bundle_that_somebody_resets_comes_back(c, plane, run):
    run(SOON, webhook=True)
    ours = bundle(plane)
    foreign = base64.b64encode((plane.dir / "pki" / "ca.crt").read_bytes()).decode()
    at = "/webhooks/{}/clientConfig/caBundle".format
    for name, patch in ((CONFIGURATIONS[0], [{"op": "remove", "path": at(number)} for number in range(3)]),
                        (CONFIGURATIONS[1], [{"op": "replace", "path": at(number), "value": foreign} for number in range(2)])):
        plane.kubectl("patch", name, "--type=json", "-p", json.dumps(patch))
    settles(lambda: bundle(plane), ours, 60)
    until(lambda: c.account(c.namespace(), ready=False))


def test_secret_that_somebody_empties_is_filled_again(c, plane, run):
    """With another CA: its key is not to be had any more. Nobody is refused on the way there."""
    run(SOON, webhook=True)
    first = bundle(plane)
    plane.kubectl("patch", *SECRET, "--type=merge", "-p", '{"data": null}')
    ns, dry = c.namespace(), c.another(dry_run=True)

    def filled():
        dry.account(ns, ready=False)
        return secret(plane).get("ca.crt") not in (None, first)
    deadline = time.monotonic() + 60
    while not filled():
        assert time.monotonic() < deadline
    settles(lambda: bundle(plane), secret(plane)["ca.crt"], 60)


def test_applying_the_manifests_again_changes_nothing(plane, run):
    """As in a cluster: through the Service, whose name the certificate has."""
    [port] = _free_ports(1)
    run(f"--webhook-bind-address=127.0.0.1:{port}")
    trusted = until(lambda: bundle(plane))
    kept = secret(plane)
    assert sorted(kept) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]
    plane.kubectl("apply", "-f", WEBHOOKS)
    assert (bundle(plane), secret(plane)) == (trusted, kept)
    assert all(one["service"]["name"] == "tollgate-webhook" and "url" not in one for one in clients(plane))
    for name in ("tollgate-webhook.tollgate-system.svc", "tollgate-webhook.tollgate-system.svc.cluster.local"):
        assert served(port, trusted, name).split() == kept["tls.crt"].split()


# ------------------------------------------------------------- from a folder

@pytest.fixture
def mounted(tmp_path):
    """A folder as kubelet mounts a Secret: mounted.swap(certificate, key) changes both at once, by the rename of a symbolic link."""
    class Mounted:
        path = tmp_path / "mounted"
        count = 0

        def swap(self, certificate, key):
            self.count += 1
            version = self.path / f"..version-{self.count}"
            version.mkdir(parents=True)
            for name, text in (("tls.crt", certificate), ("tls.key", key)):
                if text is not None:
                    (version / name).write_text(text)
                if not (self.path / name).is_symlink():
                    (self.path / name).symlink_to(f"..data/{name}")
            (self.path / "..data_tmp").symlink_to(version.name)
            os.rename(self.path / "..data_tmp", self.path / "..data")
    return Mounted()


@pytest.fixture
def pair(tmp_path):
    """pair(): a new self-signed certificate of 127.0.0.1 and its key, as PEM."""
    def make():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=given", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "crt"],
                       check=True, capture_output=True)
        return (tmp_path / "crt").read_text(), (tmp_path / "key").read_text()
    return make


def read_errors(tollgate):
    [line] = [line for line in tollgate.metrics().splitlines() if line.startswith("certwatcher_read_certificate_errors_total ")]
    return int(line.split()[1])


def test_folder_is_served_and_followed(plane, run, mounted, pair):
    offset, [port] = audit.size(plane), _free_ports(1)
    first, second, third = pair(), pair(), pair()
    mounted.swap(*first)
    tollgate = run(f"--webhook-bind-address=127.0.0.1:{port}", f"--webhook-cert-dir={mounted.path}")
    assert served(port, first[0]) == first[0]
    mounted.swap(*second)
    until(lambda: is_trusted(port, second[0]), 10)
    for bad in ((first[0], third[1]), ("garbage", ""), (None, second[1])):
        errors = read_errors(tollgate)
        mounted.swap(*bad)
        until(lambda: read_errors(tollgate) > errors, 15)
        assert served(port, second[0]) == second[0]
    assert str(mounted.path) in tollgate.log() or "tls." in tollgate.log(), "it says what is wrong"
    mounted.swap(*third)
    until(lambda: is_trusted(port, third[0]), 10)
    touched = {resource for _, resource, *_ in audit.requests(plane, offset)}
    assert not [one for one in touched if one == "secrets" or "webhook" in one], "what it serves is not its own to publish"


def test_folder_that_cannot_be_used_at_the_start(run, mounted, pair):
    mounted.swap(pair()[0], pair()[1])
    [port] = _free_ports(1)
    tollgate = run(f"--webhook-bind-address=127.0.0.1:{port}", f"--webhook-cert-dir={mounted.path}", wait=False)
    assert tollgate.process.wait(10) == 2
    assert "tls.key" in tollgate.log() or str(mounted.path) in tollgate.log()
