"""Who Tollgate is to the API server, while that changes under it: tokens, client certificates, authorities and plugins rotate without a
restart, and while bindings are created all the time none is forgotten. What has been rotated away really does not work any more, or the
audit log shows that it is not used. Then the ways to the server: proxies, and kubeconfigs in several files."""

import base64
import contextlib
import itertools
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import threading

import pytest
import yaml

import audit
from client import Client, settles, until
from cluster import ACCOUNT, NAMESPACE, install
from conftest import ROOT
from plane import Plane

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="its API server's certificates must be ours to change")

USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
SERVED_AS = "rotating.tollgate.test"
REREAD = 75  # files of certificates are looked at once a minute


class Authority:
    """One of our own, beside the cluster's."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.openssl("req", "-x509", *self.new_key(name), "-out", f"{name}.crt", "-subj", f"/CN={name}", "-days", "2")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    @staticmethod
    def new_key(name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"

    @property
    def certificate(self):
        return (self.folder / f"{self.name}.crt").read_text()

    def serve(self, file):
        """Puts a serving certificate in place as FILE.crt and FILE.key."""
        (self.folder / "san").write_text(f"subjectAltName=DNS:{SERVED_AS}\n")
        self.openssl("req", *self.new_key("leaf"), "-out", "leaf.csr", "-subj", "/CN=leaf")
        self.openssl("x509", "-req", "-in", "leaf.csr", "-CA", f"{self.name}.crt", "-CAkey", f"{self.name}.key", "-CAcreateserial",
                     "-extfile", "san", "-days", "2", "-out", "leaf.crt")
        for end in ("key", "crt"):
            (self.folder / f"leaf.{end}").rename(self.folder / f"{file}.{end}")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    first, second = Authority(folder, "first"), Authority(folder, "second")
    first.serve("server")
    return first, second


@pytest.fixture(scope="module")
def plane(tmp_path_factory, authorities):
    """It shows the certificate of an authority of ours to whoever asks for that name, and goes along when the files change."""
    server = authorities[0].folder / "server"
    extra = {"kube-apiserver": [f"--tls-sni-cert-key={server}.crt,{server}.key:{SERVED_AS}"]}
    with Plane(tmp_path_factory.mktemp("credentials") / "plane", audit=True, extra_args=extra) as plane:
        install(plane)
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
        yield plane


@pytest.fixture(scope="module")
def c(plane):
    with contextlib.closing(Client(plane)) as client:
        yield client


class Bindings:
    """Creates a binding every moment, of an account that is ready, until it is told to end; then all must be decided."""

    def __init__(self, client):
        self.client, self.reader = client.another(), client.another()
        self.ended, self.made, self.failure = threading.Event(), [], None
        self.ns = client.namespace()
        client.method(self.ns)
        client.account(self.ns, default="visa")
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        try:
            while not self.ended.wait(0.1):
                self.made.append(self.client.bind(self.ns, self.client.project()))
        except Exception as failure:  # for check()
            self.failure = failure

    def more(self):
        """Waits for some that are made, and decided, from now on."""
        n = len(self.made)
        until(lambda: len(self.made) >= n + 3)
        for name in self.made[n:n + 3]:
            settles(lambda: self.phase(name), "Active")

    def phase(self, name):
        return self.reader.phase("BillingAccountBinding", self.ns, name)

    def check(self):
        self.ended.set()
        self.thread.join()
        assert self.failure is None and self.made
        for name in self.made:
            settles(lambda: self.phase(name), "Active")


@pytest.fixture
def bindings(c):
    """To be called when tollgate is there."""
    made = []

    def start():
        made.append(Bindings(c))
        return made[-1]
    yield start
    for one in made:
        one.ended.set()
        one.thread.join()


@pytest.fixture
def secrets():
    """Whatever is added to it must not be in any log."""
    return set()


@pytest.fixture
def start(run, request, secrets):
    def start(kubeconfig, *flags, **more):
        return run("--enable-sandbox-provider", "--log-level=debug", *flags, kubeconfig=kubeconfig, **more)
    yield start
    for tollgate in request.node.watched:
        for secret in secrets:
            assert secret not in tollgate.log(), "a secret is in the log"


def write(path, text, mode=0o600):
    """As one should: never half."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(path)
    return path


def kubeconfig(plane, path, user, **cluster):
    cluster = {"server": plane.url, "certificate-authority-data": plane._ca_base64(), **cluster}
    return write(path, yaml.safe_dump({
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {key: value for key, value in cluster.items() if value is not None}}],
        "users": [{"name": "u", "user": user}]}))


class Tokens:
    """Tokens of tollgate's service account, each of which can be revoked."""

    numbers = itertools.count(1)

    def __init__(self, plane, secrets):
        self.plane, self.secrets = plane, secrets

    def new(self):
        """(a token, its id in the audit log, a function that revokes it)"""
        name = f"token-{next(self.numbers)}"
        self.plane.kubectl("create", "secret", "generic", name, "-n", NAMESPACE)
        token = self.plane.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE, "--bound-object-kind=Secret", f"--bound-object-name={name}").stdout.strip()
        self.secrets.add(token)
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return token, f"JTI={claims['jti']}", lambda: self.plane.kubectl("delete", "secret", name, "-n", NAMESPACE)


@pytest.fixture
def tokens(plane, secrets):
    return Tokens(plane, secrets)


def requests(plane, since=0):
    """Tollgate's requests in the audit log from that byte on, as (credential's id, code)."""
    with open(plane.dir / "audit.log", encoding="utf-8") as log:
        log.seek(since)
        lines = log.read().splitlines()
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):  # the last one may be half written
            event = json.loads(line)
            if event.get("userAgent", "").startswith("tollgate/"):
                ids = event["user"].get("extra", {}).get("authentication.kubernetes.io/credential-id", [None])
                found.append((ids[0], event.get("responseStatus", {}).get("code")))
    return found


def credentials(plane, since):
    return {id for id, code in requests(plane, since) if code != 401}


def pid_of(tollgate):
    return tollgate.process.pid if tollgate.process.poll() is None else None


# --------------------------------------------------------------------- tokens

def test_token_file_is_followed(plane, bindings, start, tokens, tmp_path):
    """Twice the new token is there before the old one is revoked, as kubelet does it; once only after a while of empty files."""
    token, id, revoke = tokens.new()
    file = write(tmp_path / "token", token)
    tollgate = start(kubeconfig(plane, tmp_path / "config", {"tokenFile": str(file)}))
    pid, load = pid_of(tollgate), bindings()
    load.more()
    for late in (False, False, True):
        token, fresh, revoke_fresh = tokens.new()
        since = audit.size(plane)
        if late:
            write(file, "")
            revoke()
            until(lambda: (None, 401) in requests(plane, since), 30)
            until(lambda: "the token file cannot be used" in tollgate.log(), 30)
        write(file, token + "\n")
        if not late:
            revoke()
        until(lambda: fresh in credentials(plane, since), 30)
        load.more()
        since = audit.size(plane)
        load.more()
        assert credentials(plane, since) == {fresh}
        revoke = revoke_fresh
    load.check()
    assert pid_of(tollgate) == pid


# --------------------------------------------------------------- certificates

def mount(folder, number, **files):
    """As kubelet puts a Secret in place: names lead through ..data, which is replaced at one stroke."""
    behind = folder / f"..{number}"
    behind.mkdir(parents=True)
    for name, text in files.items():
        (behind / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(behind.name)
    (folder / "..data_tmp").rename(folder / "..data")


def served_by(plane):
    """The authority behind the certificate that the API server shows for our name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", plane.ports["kube-apiserver"]), timeout=10) as plain, \
            context.wrap_socket(plain, server_hostname=SERVED_AS) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))


def test_certificate_and_authority_are_followed(plane, bindings, start, secrets, authorities, tmp_path):
    """The API server changes to a certificate of another authority, and then kubelet's files to one that trusts only that and to another
    client certificate. After that the server is restarted, so that nothing can be left of the connections from before."""
    first, second = authorities
    pairs = []
    for name in ("tollgate-one", "tollgate-two"):
        plane._pki.issue(name, "client", USER)
        pairs.append({f"tls_{end}": plane._pki.path(f"{name}.{end}").read_text() for end in ("crt", "key")})
        secrets.add(pairs[-1]["tls_key"].splitlines()[1])
    folder = tmp_path / "mounted"
    mount(folder, 1, ca=first.certificate, **pairs[0])
    user = {"client-certificate": "mounted/tls_crt", "client-key": "mounted/tls_key"}
    tollgate = start(kubeconfig(plane, tmp_path / "config", user, **{
        "certificate-authority": "mounted/ca", "certificate-authority-data": None, "tls-server-name": SERVED_AS}))
    pid, load, since = pid_of(tollgate), bindings(), audit.size(plane)
    load.more()
    [old] = credentials(plane, since)
    assert old.startswith("X509SHA256=")

    before = served_by(plane)
    second.serve("server")
    until(lambda: served_by(plane) != before, REREAD)
    mount(folder, 2, ca=second.certificate, **pairs[1])
    until(lambda: credentials(plane, since) - {old}, REREAD)
    [new] = credentials(plane, since) - {old}
    until(lambda: tollgate.log().count("credentials have changed") == 1)
    load.more()
    since = audit.size(plane)
    load.more()
    assert credentials(plane, since) == {new}

    load.ended.set()  # what we write ourselves would fail
    load.thread.join()
    plane.stop_component("kube-apiserver")
    plane.start_component("kube-apiserver")
    load.check()
    again = bindings()
    again.more()
    again.check()
    assert pid_of(tollgate) == pid
    assert tollgate.log().count("credentials have changed") == 1
    assert "certificates cannot be used" not in tollgate.log()


# -------------------------------------------------------------------- plugins

def plugin(path, body):
    return write(path, f"#!/bin/sh\ncd '{path.parent}'\n{body}\n", stat.S_IRWXU)


def plugged(plane, tmp_path, body, **exec_):
    plugin(tmp_path / "plugin", body)
    return kubeconfig(plane, tmp_path / "config", {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never", **exec_}})


def say_token(seconds):
    """Shell: the token in the file is ours for so long."""
    return (f"""until=$(date -u -d '+{seconds} seconds' +%FT%TZ)
printf '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"%s","expirationTimestamp":"%s"}}}}' """
            '"$(cat token)" "$until"')


def test_plugin_is_asked_again_before_its_credential_expires(plane, bindings, start, tokens, tmp_path):
    """Each lives a few seconds, and is revoked as soon as the next one is used. No request ever meets a 401."""
    token, id, revoke = tokens.new()
    write(tmp_path / "token", token)
    since = audit.size(plane)
    tollgate = start(plugged(plane, tmp_path, "echo run >>runs; echo 'the plugin speaks' >&2\n" + say_token(4), env=[{"name": "A", "value": "b"}]))
    pid, load = pid_of(tollgate), bindings()
    for _ in range(4):
        load.more()
        token, fresh, revoke_fresh = tokens.new()
        write(tmp_path / "token", token)
        until(lambda: fresh in credentials(plane, since), 30)
        load.more()
        revoke()
        revoke = revoke_fresh
    load.check()
    assert len(credentials(plane, since)) == 5
    assert not [code for _, code in requests(plane, since) if code == 401]
    assert 4 < len((tmp_path / "runs").read_text().split()) < 60
    assert "the plugin speaks" in tollgate.log()
    assert pid_of(tollgate) == pid


def test_revoked_credential_asks_the_plugin_at_once(plane, bindings, start, tokens, tmp_path):
    token, id, revoke = tokens.new()
    write(tmp_path / "token", token)
    start(plugged(plane, tmp_path, say_token(3600)))
    load, since = bindings(), audit.size(plane)
    load.more()
    token, fresh, _ = tokens.new()
    write(tmp_path / "token", token)
    revoke()
    until(lambda: fresh in credentials(plane, since), 30)
    load.more()
    load.check()


def test_hung_plugin_blocks_nothing_else(plane, bindings, start, tokens, tmp_path):
    """As long as it hangs, health and metrics are answered and nothing is written; when it is gone, all is made up for."""
    token, id, revoke = tokens.new()
    write(tmp_path / "token", token)
    tollgate = start(plugged(plane, tmp_path, "if [ -e hang ]; then echo $$ >hung; while :; do sleep 1000; done; fi\n" + say_token(2)))
    load = bindings()
    load.more()
    (tmp_path / "hang").touch()
    until((tmp_path / "hung").exists)
    made = len(load.made)
    until(lambda: len(load.made) >= made + 30)  # its credential has expired since
    assert tollgate.get(tollgate.health_port, "/healthz")[0] == 200
    assert "tollgate_" in tollgate.metrics()
    until(lambda: load.phase(load.made[-1]) is None)
    (tmp_path / "hang").unlink()
    os.killpg(int((tmp_path / "hung").read_text()), signal.SIGKILL)
    load.more()
    load.check()
    assert "killed by signal 9" in tollgate.log()


def test_plugin_that_fails_is_named(plane, start, tmp_path):
    tollgate = start(plugged(plane, tmp_path, "exit 9", installHint="see https://example.com/get"), wait=False)
    until(lambda: "/plugin: failed with exit code 9: see https://example.com/get" in tollgate.log())
    assert pid_of(tollgate)


def test_plugin_without_its_terminal_is_refused(plane, run, tmp_path):
    tollgate = run(kubeconfig=plugged(plane, tmp_path, "exit 0", interactiveMode="Always"), wait=False)
    assert tollgate.process.wait(10) == 2
    assert "interactiveMode is Always, but standard input is not a terminal" in tollgate.log()


# -------------------------------------------------------------------- the way

class Proxy:
    """An HTTP proxy that knows CONNECT only, for which every name is this machine; `asked` is what it was asked for."""

    def __init__(self):
        self.asked, self.listener = [], socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, near):
        with near, contextlib.suppress(OSError):
            reader = near.makefile("rb", buffering=0)
            _, target, _ = reader.readline().decode().split()
            head = []
            while (line := reader.readline().strip()):
                head.append(line.lower())
            self.asked.append(target)
            assert not [line for line in head if b"authorization" in line]
            with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as far:
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=self.pump, args=(far, near), daemon=True).start()
                self.pump(near, far)

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    proxy = Proxy()
    yield proxy
    proxy.listener.close()


ELSEWHERE = "192.0.2.7"  # nobody's (RFC 5737)


@pytest.fixture
def away(plane, tokens, tmp_path):
    """A kubeconfig for the API server at an address where only a proxy finds it."""
    return kubeconfig(plane, tmp_path / "config", {"token": tokens.new()[0]},
                      **{"server": f"https://{ELSEWHERE}:{plane.ports['kube-apiserver']}", "tls-server-name": "127.0.0.1"})


def test_proxy_of_the_kubeconfig(plane, bindings, start, tokens, proxy, tmp_path):
    start(kubeconfig(plane, tmp_path / "config", {"token": tokens.new()[0]}, **{"proxy-url": proxy.url}))
    load = bindings()
    load.more()
    load.check()
    assert set(proxy.asked) == {f"127.0.0.1:{plane.ports['kube-apiserver']}"}


def test_proxy_of_the_environment(plane, bindings, start, proxy, away, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,example.com")
    start(away)
    load = bindings()
    load.more()
    load.check()
    assert set(proxy.asked) == {f"{ELSEWHERE}:{plane.ports['kube-apiserver']}"}


def test_no_proxy_for_a_network(start, proxy, away, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,192.0.2.0/24")
    tollgate = start(away, wait=False)
    until(lambda: f"connect to https://{ELSEWHERE}" in tollgate.log(), 45)
    assert proxy.asked == []


def test_kubeconfig_in_two_files(plane, bindings, start, tokens, tmp_path, monkeypatch):
    """The first says which context and whose token, the second all the rest; its own word on the user is not heard."""
    folder = tmp_path / "second"
    folder.mkdir()
    whole = yaml.safe_load(kubeconfig(plane, folder / "whole", {"token": "not-this-one"}, **{
        "certificate-authority": "ca.crt", "certificate-authority-data": None}).read_text())
    (folder / "ca.crt").write_bytes(base64.b64decode(plane._ca_base64()))
    write(tmp_path / "token", tokens.new()[0])
    write(tmp_path / "first", yaml.safe_dump({"current-context": "mine", "users": [{"name": "u", "user": {"tokenFile": "token"}}],
                                             "contexts": [{"name": "mine", "context": {"cluster": "k", "user": "u"}}]}))
    write(folder / "config", yaml.safe_dump({**whole, "current-context": "other"}))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'first'}:{tmp_path / 'missing'}:{folder / 'config'}")
    tollgate = start(None, "--kubeconfig=")
    load = bindings()
    load.more()
    load.check()
    assert "context mine of" in tollgate.log()
