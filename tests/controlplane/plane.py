#!/usr/bin/env python3
"""A real Kubernetes control plane for Tollgate's tests and demo.

Runs etcd, kube-apiserver and kube-controller-manager (no scheduler, no
kubelet: Pods are created but never run) on free loopback ports, with every
certificate and all data in one folder. Used as a command line (plane.py
--help) and as a module:

    with Plane("/tmp/plane") as plane:
        plane.kubectl("create", "namespace", "demo")

Needs Linux, Python 3.9 or later and the openssl command; the binaries come
from build.sh beside this file, or from $KUBEBUILDER_ASSETS.
"""

import argparse
import base64
import contextlib
import fcntl
import http.client
import json
import os
import random
import re
import secrets
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "controlplane" / "bin"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager")
MARKER = ".tollgate-plane"      # says that a folder is ours to empty
LOCK = ".tollgate-plane.lock"
READY_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.05
PORT_TRIES = 5


class PlaneError(Exception):
    """Something a person has to know: the message is complete."""

    exit_code = 1


class SetupError(PlaneError):
    """A tool or a binary is missing."""

    exit_code = 2


class KubectlError(subprocess.CalledProcessError):
    """kubectl failed; unlike its base class it shows what kubectl said."""

    def __str__(self):
        command = shlex.join(str(part) for part in self.cmd)
        return f"{command}: exit {self.returncode}\n{self.stderr or ''}{self.output or ''}"


class _ComponentError(PlaneError):
    """A component did not become ready; knows which one and why."""

    def __init__(self, name, why, log):
        self.port_taken = "address already in use" in log
        super().__init__(f"{name} {why}; the end of its log:\n{log.rstrip() or '(empty)'}")


# ---------------------------------------------------------------- binaries

def _assets():
    """The folder $KUBEBUILDER_ASSETS if it is complete enough to be used."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    needed = ("etcd", "kube-apiserver", "kubectl")
    if folder and all(os.access(Path(folder) / name, os.X_OK) for name in needed):
        return Path(folder)
    return None


def find_binary(name):
    """Path of a control plane binary, or SetupError saying how to get it."""
    for folder in (_assets(), BUILT):
        if folder and os.access(folder / name, os.X_OK):
            return folder / name
    raise SetupError(f"{name} is not built: run tests/controlplane/build.sh")


def _find_kubectl_for_external():
    """On a cluster we did not start, the caller's own kubectl goes first."""
    found = shutil.which("kubectl")
    return Path(found) if found else find_binary("kubectl")


# --------------------------------------------------------------- processes

def _process_start(pid):
    """When a process started, in clock ticks; None if it is gone or a zombie.

    Together with the pid this names a process for good: pids are used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2:].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _is_alive(process):
    return bool(process and process["started"]
                and _process_start(process["pid"]) == process["started"])


def _signal(process, number):
    if _is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process["pid"], number)


def _terminate(processes, first=signal.SIGTERM):
    """Ends processes together: `first`, then SIGKILL after STOP_SECONDS."""
    for process in processes:
        _signal(process, first)
        _signal(process, signal.SIGCONT)    # a paused one would never see it
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(_is_alive, processes)):
        if time.monotonic() > deadline:
            for process in processes:
                _signal(process, signal.SIGKILL)
        time.sleep(0.02)


def _tail(path, lines=20):
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _free_ports(count):
    """Ports nobody listens on, below the range the system hands to clients.

    A port of that range would be lost while its component is down: a client
    that reconnects in a loop is sooner or later given that very port as its
    own, and is then connected to itself.
    """
    try:
        top = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        top = 32768
    low, high = (10000, top) if top > 12000 else (40000, 65000)
    ports = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(low, high)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


class _Progress:
    """One line on a terminal, from the second second on; else silent."""

    def __init__(self):
        self.began = self.shown = time.monotonic()
        self.dirty = False

    def tick(self, text):
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self.began < 2 or now - self.shown < 0.5:
            return
        self.shown, self.dirty = now, True
        sys.stderr.write(f"\r\033[Kplane: {text}, {now - self.began:.0f} s")
        sys.stderr.flush()

    def clear(self):
        if self.dirty:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self.dirty = False


# ------------------------------------------------------------ certificates

OPENSSL_CONFIG = """\
[req]
distinguished_name = dn
prompt = no
[dn]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""


class _Pki:
    """The cluster's certificate authority, run by the openssl command."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "openssl.cnf"

    def path(self, name):
        return self.folder / name

    def create(self):
        self.folder.mkdir(mode=0o700)
        self.config.write_text(OPENSSL_CONFIG)
        self._openssl("req", "-x509", *self._new_key("ca"), "-config", self.config,
                      "-extensions", "ca", "-days", "3650", "-subj", "/CN=tollgate-test-ca",
                      "-out", self.path("ca.crt"))
        self.issue("apiserver", "server", "kube-apiserver")
        self.issue("admin", "client", "kubernetes-admin", ["system:masters"])
        self.issue("controller-manager", "client", "system:kube-controller-manager")
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-out", self.path("sa.key"))
        self._openssl("pkey", "-in", self.path("sa.key"), "-pubout", "-out", self.path("sa.pub"))

    def issue(self, name, kind, user, groups=()):
        """Writes NAME.crt and NAME.key; Kubernetes reads CN as the user, O as groups."""
        request = self.path(f"{name}.csr")
        subject = "".join(f"/O={_escape(group)}" for group in groups) + f"/CN={_escape(user)}"
        self._openssl("req", "-new", "-utf8", *self._new_key(name), "-config", self.config,
                      "-subj", subject, "-out", request)
        # A random serial number: two tests may issue certificates at once.
        self._openssl("x509", "-req", "-in", request, "-CA", self.path("ca.crt"),
                      "-CAkey", self.path("ca.key"), "-set_serial", "0x1" + secrets.token_hex(8),
                      "-days", "365", "-extfile", self.config, "-extensions", kind,
                      "-out", self.path(f"{name}.crt"))
        request.unlink()

    def _new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.path(f"{name}.key"))

    @staticmethod
    def _openssl(*args):
        try:
            done = subprocess.run(["openssl", *map(str, args)], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True)
        except FileNotFoundError:
            raise SetupError("openssl is missing: install the package openssl") from None
        if done.returncode:
            raise PlaneError(f"openssl {args[0]} failed:\n{done.stderr.rstrip()}")


def _escape(text):
    """For openssl's -subj, where / and + part the fields of a name."""
    return re.sub(r"([\\/+])", r"\\\1", text)


# -------------------------------------------------------------- kubeconfig

def _write_private(path, text):
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.rename(path)


def _write_kubeconfig(path, url, ca_base64, credentials):
    """`credentials` are the lines of the user entry, as a dict of strings."""
    lines = [f"    {key}: {json.dumps(value) if key == 'tokenFile' else value}"
             for key, value in credentials.items()]
    authority = f"\n    certificate-authority-data: {ca_base64}" if ca_base64 else ""
    _write_private(path, f"""\
apiVersion: v1
kind: Config
clusters:
- name: tollgate-test
  cluster:
    server: {url}{authority}
contexts:
- name: tollgate-test
  context:
    cluster: tollgate-test
    user: tollgate-test
current-context: tollgate-test
users:
- name: tollgate-test
  user:
""" + "\n".join(lines) + "\n")


def _base64_of(path):
    return base64.b64encode(Path(path).read_bytes()).decode()


# ------------------------------------------------------------------- plane

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
# Each request is in the log when it is answered (and a watch once more when it
# begins); its arrival says nothing more.
omitStages: [RequestReceived]
rules:
- level: Metadata
"""


class Plane:
    """One control plane in one folder.

    dir         the folder; created, or emptied if an earlier plane was in it
    audit       write DIR/audit.log: every request, at Metadata level
    extra_args  {component: [flag, ...]}, put after the flags set here

    With $TOLLGATE_KUBECONFIG set, the cluster it names is used instead: no
    process is started, and the methods that handle components raise PlaneError.
    """

    def __init__(self, dir, audit=False, extra_args=None):
        self.dir = Path(dir).resolve()
        self.audit = audit
        self.extra_args = extra_args or {}
        self.kubeconfig = self.dir / "kubeconfig"
        self.url = None
        self.ports = {}
        self.external = False
        self._id = None
        self._processes = {}    # name -> {"pid", "started"}
        self._children = {}     # name -> Popen, of those this object started
        self._guard = None
        self._pki = _Pki(self.dir / "pki")

    # -- life

    def start(self, detach=False):
        """Starts everything and waits until it is ready; returns self.

        Unless `detach` is set, the components end with the calling process,
        however that ends.
        """
        source = os.environ.get("TOLLGATE_KUBECONFIG")
        if source:
            with self._locked():
                self._refuse_if_running()
                return self._use_external(source)
        for name in (*COMPONENTS, "kubectl"):
            find_binary(name)   # fails now and not halfway
        with self._locked():
            self._refuse_if_running()
            for attempt in range(1, PORT_TRIES + 1):
                try:
                    self._start_once(detach)
                    return self
                except _ComponentError as error:
                    self._stop_all()
                    if not error.port_taken or attempt == PORT_TRIES:
                        raise
                except BaseException:
                    self._stop_all()
                    raise

    def stop(self):
        """Ends every process: SIGTERM, SIGKILL after 10 s. Data and logs stay."""
        if self.external:
            # It holds a copy of somebody's credentials.
            self.kubeconfig.unlink(missing_ok=True)
            self._state_path.unlink(missing_ok=True)
            return
        if not self._id:
            return      # never started: what runs there is not ours
        with self._locked():
            self._stop_all()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @classmethod
    def attach(cls, dir):
        """The plane another process started in `dir`; PlaneError if there is none."""
        plane = cls(dir)
        state = plane._read_state()
        if not state:
            raise PlaneError(f"no control plane is running in {plane.dir}")
        plane._load(state)
        return plane

    # -- use

    @property
    def kubectl_path(self):
        return _find_kubectl_for_external() if self.external else find_binary("kubectl")

    def environment(self):
        """os.environ for a command that shall talk to this cluster."""
        env = dict(os.environ)
        env["KUBECONFIG"] = str(self.kubeconfig)
        # kubectl remembers what a host:port serves, for hours and for all clusters.
        env["KUBECACHEDIR"] = str(self.dir / "kubectl-cache")
        env["KUBECTL_KUBERC"] = "false"     # nobody's personal defaults
        env["TOLLGATE_PLANE_DIR"] = str(self.dir)
        env["PATH"] = f"{self.kubectl_path.parent}{os.pathsep}{env.get('PATH', os.defpath)}"
        return env

    def kubectl(self, *args, input=None, check=True, kubeconfig=None, timeout=120):
        """Runs kubectl as administrator (or as `kubeconfig`); CompletedProcess, text."""
        command = [str(self.kubectl_path), "--kubeconfig", str(kubeconfig or self.kubeconfig),
                   *map(str, args)]
        done = subprocess.run(command, input="" if input is None else input, text=True,
                              capture_output=True, timeout=timeout, env=self.environment())
        if check and done.returncode:
            raise KubectlError(done.returncode, command, done.stdout, done.stderr)
        return done

    def user_kubeconfig(self, path, user, groups=()):
        """Writes a kubeconfig with a client certificate for `user`; returns its path."""
        self._need_own("user_kubeconfig")
        name = "user-" + secrets.token_hex(8)
        self._pki.issue(name, "client", user, groups)
        self._write_certificate_kubeconfig(Path(path), name)
        return Path(path)

    def service_account_kubeconfig(self, path, namespace, name, duration="24h"):
        """Writes a kubeconfig with a token of a service account; returns its path.

        The token is in PATH.token and named as tokenFile, as in a Pod, so that
        a test can replace it under a running client.
        """
        path = Path(path).resolve()
        token_file = path.with_name(path.name + ".token")
        token = self.kubectl("create", "token", name, "-n", namespace, f"--duration={duration}")
        _write_private(token_file, token.stdout.strip())
        _write_kubeconfig(path, self.url, self._ca_base64(), {"tokenFile": str(token_file)})
        return path

    def log_path(self, name):
        return self.dir / "logs" / f"{name}.log"

    def pid(self, name):
        """Process id of a running component, else None."""
        self._need_own("pid")
        process = self._processes.get(_known(name))
        return process["pid"] if _is_alive(process) else None

    # -- trouble on purpose

    def stop_component(self, name, signal=signal.SIGTERM):
        """Ends one component (give signal.SIGKILL for a crash) and waits for its end.

        etcd takes seven seconds over SIGTERM while the API server is connected.
        """
        self._need_own("stop_component")
        _terminate([process for process in [self._processes.get(_known(name))] if process], signal)
        self._reap(name)
        self._processes.pop(name, None)
        self._write_state()

    def start_component(self, name, wait=True, timeout=READY_SECONDS):
        """Starts a stopped component again: same port, same data, same flags."""
        self._need_own("start_component")
        if _is_alive(self._processes.get(_known(name))):
            raise PlaneError(f"{name} is already running")
        self._spawn(name)
        if wait:
            self._wait_component(name, time.monotonic() + timeout, _Progress())

    def pause(self, name):
        """Freezes a component: its connections stay open, nothing is answered."""
        self._need_own("pause")
        _signal(self._running(name), signal.SIGSTOP)

    def resume(self, name):
        self._need_own("resume")
        _signal(self._running(name), signal.SIGCONT)

    def wait_ready(self, timeout=READY_SECONDS):
        """Waits until the API server says it is ready."""
        deadline, progress = time.monotonic() + timeout, _Progress()
        if self.external:
            self._wait_external(deadline, progress)
        else:
            self._wait_component("kube-apiserver", deadline, progress)

    # -- inside: starting

    def _start_once(self, detach):
        self._prepare_folder()
        names = (*COMPONENTS, "etcd-peer")
        self.ports = dict(zip(names, _free_ports(len(names))))
        self.url = f"https://127.0.0.1:{self.ports['kube-apiserver']}"
        self._id = secrets.token_hex(8)
        self._pki.create()
        self._write_certificate_kubeconfig(self.kubeconfig, "admin")
        self._write_certificate_kubeconfig(self.dir / "controller-manager.kubeconfig",
                                           "controller-manager")
        (self.dir / "audit-policy.yaml").write_text(AUDIT_POLICY)
        self._write_state()
        if not detach:
            self._start_guard()
        deadline, progress = time.monotonic() + READY_SECONDS, _Progress()
        for name in COMPONENTS:
            self._spawn(name)
            self._wait_component(name, deadline, progress)
        self._wait_first_objects(deadline, progress)

    def _prepare_folder(self):
        """An empty folder; never empties one that was not ours."""
        self.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.dir / MARKER).exists():
            if any(entry.name != LOCK for entry in self.dir.iterdir()):
                (self.dir / LOCK).unlink()
                raise PlaneError(f"{self.dir} is neither empty nor the folder of an earlier "
                                 "control plane: name another one")
            (self.dir / MARKER).touch()
        for entry in self.dir.iterdir():
            if entry.name in (MARKER, LOCK):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        (self.dir / "logs").mkdir()

    def _spawn(self, name):
        with open(self.log_path(name), "ab") as log:
            # A session of its own: Ctrl-C at the terminal is for the caller,
            # which then stops the components in order.
            child = subprocess.Popen([str(find_binary(name)), *self._flags(name)], cwd=self.dir,
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True)
        self._children[name] = child
        self._processes[name] = {"pid": child.pid, "started": _process_start(child.pid)}
        self._write_state()

    def _flags(self, name):
        flags = {"etcd": self._etcd_flags, "kube-apiserver": self._apiserver_flags,
                 "kube-controller-manager": self._manager_flags}[name]()
        return [*flags, *self.extra_args.get(name, ())]

    def _etcd_flags(self):
        client = f"http://127.0.0.1:{self.ports['etcd']}"
        peer = f"http://127.0.0.1:{self.ports['etcd-peer']}"
        return ["--name=plane", f"--data-dir={self.dir / 'etcd'}",
                f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=plane={peer}",
                # The data need not outlive a crash of the machine.
                "--unsafe-no-fsync", "--log-level=warn"]

    def _apiserver_flags(self):
        pki = self._pki.path
        flags = [f"--etcd-servers=http://127.0.0.1:{self.ports['etcd']}",
                 "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
                 f"--secure-port={self.ports['kube-apiserver']}",
                 # A loopback address is refused as an Endpoint of default/kubernetes.
                 "--endpoint-reconciler-type=none",
                 f"--tls-cert-file={pki('apiserver.crt')}",
                 f"--tls-private-key-file={pki('apiserver.key')}",
                 f"--client-ca-file={pki('ca.crt')}",
                 f"--service-account-key-file={pki('sa.pub')}",
                 f"--service-account-signing-key-file={pki('sa.key')}",
                 "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                 "--authorization-mode=RBAC", "--allow-privileged=true",
                 "--service-cluster-ip-range=10.0.0.0/24", "--profiling=false",
                 # On SIGTERM end open watches; else they hold it up for a minute.
                 "--shutdown-watch-termination-grace-period=2s"]
        if self.audit:
            flags += [f"--audit-policy-file={self.dir / 'audit-policy.yaml'}",
                      f"--audit-log-path={self.dir / 'audit.log'}",
                      "--audit-log-maxsize=10000"]      # megabytes: never rotated
        return flags

    def _manager_flags(self):
        pki = self._pki.path
        return [f"--kubeconfig={self.dir / 'controller-manager.kubeconfig'}",
                "--use-service-account-credentials=true", "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.ports['kube-controller-manager']}",
                f"--tls-cert-file={pki('apiserver.crt')}",
                f"--tls-private-key-file={pki('apiserver.key')}",
                f"--service-account-private-key-file={pki('sa.key')}",
                f"--root-ca-file={pki('ca.crt')}",
                f"--cluster-signing-cert-file={pki('ca.crt')}",
                f"--cluster-signing-key-file={pki('ca.key')}",
                # Tests wait for these controllers; the defaults (20 and 30 a
                # second) make them slow when many objects change at once.
                "--kube-api-qps=200", "--kube-api-burst=400", "--profiling=false"]

    # -- inside: waiting

    def _get(self, name, path):
        """HTTP status of a GET at a component, or None if it does not answer."""
        port = self.ports[name]
        if name == "etcd":
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        else:
            context = ssl.create_default_context(cafile=self._pki.path("ca.crt"))
            context.load_cert_chain(self._pki.path("admin.crt"), self._pki.path("admin.key"))
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _wait(self, name, path, deadline, progress, blame=None):
        """Polls component `name` until `path` answers 200.

        Fails early if any component dies. `blame` is a component that has to
        act before the answer comes, if that is another one.
        """
        what = f"{blame} to create {path}" if blame else name
        try:
            while self._get(name, path) != 200:
                for other, process in self._processes.items():
                    if not _is_alive(process):
                        raise self._failure(other, "ended")
                if time.monotonic() > deadline:
                    raise self._failure(blame or name, f"was not ready in time (waited for {what})")
                progress.tick(f"waiting for {what}")
                time.sleep(POLL_SECONDS)
        finally:
            progress.clear()

    def _wait_component(self, name, deadline, progress):
        path = {"etcd": "/health", "kube-apiserver": "/readyz"}.get(name, "/healthz")
        self._wait(name, path, deadline, progress)

    def _wait_first_objects(self, deadline, progress):
        """Without these two no Pod can be created in the namespace default."""
        for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
            self._wait("kube-apiserver", "/api/v1/namespaces/default/" + path, deadline, progress,
                       blame="kube-controller-manager")

    def _failure(self, name, why):
        child = self._children.get(name)
        if child and child.poll() is not None:
            why += f" with exit code {child.returncode}"
        return _ComponentError(name, why, _tail(self.log_path(name)))

    # -- inside: stopping

    def _stop_all(self):
        state = self._read_state()
        if state and state["id"] == self._id:
            self._load(state)   # components may have been restarted by attach()
        servers = [process for name, process in self._processes.items() if name != "etcd"]
        _terminate(servers)
        # Last, because the API server finishes its requests first.
        _terminate([process for name, process in self._processes.items() if name == "etcd"])
        for name in COMPONENTS:
            self._reap(name)
        self._processes = {}
        if state and state["id"] == self._id:
            self._state_path.unlink()
        self._end_guard()

    def _reap(self, name):
        child = self._children.pop(name, None)
        if child:
            child.wait()

    # The guard is a process that waits for the end of ours, which it sees as
    # the end of its standard input even after SIGKILL, and stops the plane.
    # (PR_SET_PDEATHSIG would do so at the end of the calling *thread*.)

    def _start_guard(self):
        self._guard = subprocess.Popen(
            [sys.executable, __file__, "_guard", str(self.dir), self._id],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)

    def _end_guard(self):
        if self._guard:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    # -- inside: state

    @property
    def _state_path(self):
        return self.dir / "state.json"

    def _write_state(self):
        state = {"id": self._id, "url": self.url, "kubeconfig": str(self.kubeconfig),
                 "external": self.external, "audit": self.audit, "extra_args": self.extra_args,
                 "ports": self.ports,
                 "pids": {name: one["pid"] for name, one in self._processes.items()},
                 "started": {name: one["started"] for name, one in self._processes.items()}}
        _write_private(self._state_path, json.dumps(state, indent=2) + "\n")

    def _read_state(self):
        try:
            return json.loads(self._state_path.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _load(self, state):
        self._id, self.url = state.get("id"), state.get("url")
        self.audit = state.get("audit", self.audit)
        self.extra_args = state.get("extra_args", self.extra_args)
        self.external = state.get("external", False)
        self.ports = state.get("ports", {})
        started = state.get("started", {})
        self._processes = {name: {"pid": pid, "started": started.get(name)}
                           for name, pid in state.get("pids", {}).items()}

    def _refuse_if_running(self):
        """A state file whose processes are all gone is stale, and no obstacle."""
        earlier = Plane(self.dir)
        earlier._load(self._read_state() or {})
        alive = [name for name, process in earlier._processes.items() if _is_alive(process)]
        if alive:
            raise PlaneError(f"a control plane is already running in {self.dir} "
                             f"({', '.join(alive)} at {earlier.url}): stop it first")

    @contextlib.contextmanager
    def _locked(self):
        """One start or stop at a time in a folder."""
        self.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.dir / LOCK, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _running(self, name):
        process = self._processes.get(_known(name))
        if not _is_alive(process):
            raise PlaneError(f"{name} is not running")
        return process

    def _write_certificate_kubeconfig(self, path, certificate):
        _write_kubeconfig(path, self.url, self._ca_base64(), {
            "client-certificate-data": _base64_of(self._pki.path(f"{certificate}.crt")),
            "client-key-data": _base64_of(self._pki.path(f"{certificate}.key"))})

    def _ca_base64(self):
        if self.external:
            return self._external_cluster().get("certificate-authority-data")
        return _base64_of(self._pki.path("ca.crt"))

    # -- inside: a cluster we did not start

    def _use_external(self, source):
        if not Path(source).is_file():
            raise SetupError(f"TOLLGATE_KUBECONFIG names no file: {source}")
        self._prepare_folder()
        self.external = True
        # Flattened: the original may name files relative to itself.
        text = self.kubectl("config", "view", "--raw", "--flatten", "--minify",
                            kubeconfig=source).stdout
        _write_private(self.kubeconfig, text)
        self.url = self._external_cluster()["server"]
        self._write_state()
        self._wait_external(time.monotonic() + READY_SECONDS, _Progress())
        return self

    def _external_cluster(self):
        view = self.kubectl("config", "view", "--raw", "--minify", "-o", "json").stdout
        return json.loads(view)["clusters"][0]["cluster"]

    def _wait_external(self, deadline, progress):
        while True:
            done = self.kubectl("get", "--raw", "/readyz", "--request-timeout=5s", check=False)
            if done.returncode == 0:
                progress.clear()
                return
            if time.monotonic() > deadline:
                raise PlaneError(f"the cluster of TOLLGATE_KUBECONFIG is not ready:\n{done.stderr}")
            progress.tick("waiting for the cluster of TOLLGATE_KUBECONFIG")
            time.sleep(0.5)

    def _need_own(self, what):
        if self.external:
            raise PlaneError(f"{what}: not available on an external cluster "
                             "(TOLLGATE_KUBECONFIG is set)")


def _known(name):
    if name not in COMPONENTS:
        raise ValueError(f"{name!r} is none of {', '.join(COMPONENTS)}")
    return name


# ------------------------------------------------------------ command line

def _command_start(options):
    plane = Plane(options.dir, audit=options.audit)
    plane.start(detach=True)
    env = plane.environment()
    for name in ("KUBECONFIG", "KUBECACHEDIR"):
        print(f"export {name}={shlex.quote(env[name])}")
    print(f"plane: ready at {plane.url}; kubectl: {plane.kubectl_path}", file=sys.stderr)
    return 0


def _command_stop(options):
    try:
        plane = Plane.attach(options.dir)
    except PlaneError as error:
        print(f"plane: {error}", file=sys.stderr)
        return 0
    plane.stop()
    return 0


def _command_run(options):
    try:
        with Plane(options.dir, audit=options.audit) as plane:
            return _run_child(options.command, plane.environment())
    except PlaneError as error:
        print(f"plane: error: {error}", file=sys.stderr)
        return 125


def _run_child(command, env):
    """Runs the command to its end, also when we are told to end ourselves."""
    try:
        child = subprocess.Popen(command, env=env)
    except OSError as error:
        print(f"plane: error: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    try:
        code = child.wait()
    except BaseException:
        # Ctrl-C reached the command too, anything else did not.
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
    return 128 - code if code < 0 else code


def _guard_main(folder, plane_id):
    """Waits for the end of the process that started the plane, then stops it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    plane = Plane(folder)
    state = plane._read_state()
    if state and state["id"] == plane_id:
        plane._load(state)
        plane._stop_all()
    return 0


HELP = """\
usage: plane.py start [--audit] DIR             start a control plane, leave it running
       plane.py stop DIR                        stop it; its data and logs stay
       plane.py run [--audit] DIR -- CMD...     start, run CMD, stop always

A real Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager)
on free loopback ports. DIR is created; one that holds anything else is refused.
  DIR/kubeconfig   administrator          DIR/state.json   pids, ports, url
  DIR/logs/        one log a component    DIR/audit.log    with --audit

'start' prints export lines for KUBECONFIG:  eval "$(plane.py start DIR)"
'run' sets KUBECONFIG, KUBECACHEDIR and TOLLGATE_PLANE_DIR for CMD, and puts
the folder of the matching kubectl at the front of its PATH.

Environment:
  KUBEBUILDER_ASSETS   folder with etcd, kube-apiserver and kubectl to use
                       instead of those of tests/controlplane/build.sh
  TOLLGATE_KUBECONFIG  use this cluster; no process is started or stopped

Exit codes: 0 done (stop: also if nothing ran); 1 not started, or already
running in DIR; 2 wrong usage, or a tool or binary is missing; 130/143
interrupted. run: the code of CMD (128+N if signal N ended it), 125 if the
control plane did not start, 126/127 if CMD cannot be run.
"""


def _parse(arguments):
    parser = argparse.ArgumentParser(prog="plane.py", add_help=False,
                                     usage="plane.py start|stop|run ... (see plane.py --help)")
    commands = parser.add_subparsers(dest="name", required=True, metavar="start|stop|run")
    for name in ("start", "stop", "run"):
        sub = commands.add_parser(name, add_help=False, usage=parser.usage)
        if name != "stop":
            sub.add_argument("--audit", action="store_true")
        sub.add_argument("dir", metavar="DIR")
    own, command = arguments, []
    if "--" in arguments:
        split = arguments.index("--")
        own, command = arguments[:split], arguments[split + 1:]
    options = parser.parse_args(own)
    options.command = command
    if (options.name == "run") != bool(command):
        parser.error("'run' needs '-- CMD...'" if options.name == "run" else "'--' is for 'run'")
    return options


def _on_signal(number, _frame):
    raise SystemExit(128 + number)


def main(arguments):
    if arguments[:1] == ["_guard"]:
        return _guard_main(*arguments[1:])
    if "--" not in arguments and {"-h", "--help"} & set(arguments) or \
            arguments[:1] in (["-h"], ["--help"]):
        print(HELP, end="")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    options = _parse(arguments)
    try:
        return {"start": _command_start, "stop": _command_stop, "run": _command_run}[
            options.name](options)
    except PlaneError as error:
        print(f"plane: error: {error}", file=sys.stderr)
        return error.exit_code
    except KubectlError as error:
        print(f"plane: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
