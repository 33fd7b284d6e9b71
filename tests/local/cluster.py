"""Tollgate beside a cluster: installs what deploy/ describes, and runs build/tollgate as a process with the rights of
its service account. Shared by `make up`, the demo and the end-to-end tests. Standard library only."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "controlplane"))
from plane import PlaneError, _free_ports  # noqa: E402

PROGRAM = Path(os.environ.get("TOLLGATE_BINARY", ROOT / "build" / "tollgate"))
NAMESPACE, ACCOUNT = "tollgate-system", "tollgate"


CONFIGURATIONS = ("mutatingwebhookconfiguration/tollgate", "validatingwebhookconfiguration/tollgate")
# Passes the mutating webhook, and is refused by the validating one.
PROBE = """{"apiVersion": "billing.miloapis.com/v1alpha1", "kind": "BillingArrangement", "metadata": {"name": "probe"},
    "spec": {"billingAccountRef": {"name": "none"}, "type": "Invoice", "reason": "Is anybody at the door?"}}"""


def install(plane, webhooks=False):
    """Everything of deploy/base but the Deployment: there is no node to run it on. With webhooks, our kinds can be written from then on
    only while a Tollgate(webhook=True) runs; without, whatever the schemas take is stored."""
    if webhooks:  # an earlier tollgate has put a URL in place of the Service, where applying would add the Service to it
        plane.kubectl("delete", "--ignore-not-found", *CONFIGURATIONS)
    left_out = "controller" if webhooks else "controller, admission"
    plane.kubectl("apply", "-k", ROOT / "deploy" / "base", "-l", f"app.kubernetes.io/component notin ({left_out})")
    plane.kubectl("wait", "--for=condition=established", "--timeout=30s", "-f", ROOT / "crds")


class Tollgate:
    """One process. Its files are `folder`/tollgate.*; `flags` are added to the usual ones. With a kubeconfig given, that
    is used instead of a new token of the service account. With webhook it is asked by the API server, at the same port
    after a restart too, and ready when it has been seen to be."""

    def __init__(self, plane, folder, *flags, kubeconfig=None, webhook=False):
        self.plane, self.flags = plane, flags
        [self.webhook_port] = _free_ports(1) if webhook else [None]
        self.kubeconfig, self.makes_kubeconfig = kubeconfig or Path(folder) / "tollgate.kubeconfig", not kubeconfig
        self.log_path = Path(folder) / "tollgate.log"
        self.process = None

    def start(self, detach=False, wait=True):
        """Starts it; unless detached it ends with us, however we end."""
        if not os.access(PROGRAM, os.X_OK):
            raise PlaneError(f"{PROGRAM} is not built: run make")
        if self.makes_kubeconfig:
            self.plane.service_account_kubeconfig(self.kubeconfig, NAMESPACE, ACCOUNT)
        self.health_port, self.metrics_port = _free_ports(2)
        command = [str(PROGRAM), f"--kubeconfig={self.kubeconfig}",
                   f"--health-probe-bind-address=127.0.0.1:{self.health_port}",
                   f"--metrics-bind-address=127.0.0.1:{self.metrics_port}", *self.flags]
        if self.webhook_port:
            command += [f"--webhook-bind-address=127.0.0.1:{self.webhook_port}", f"--webhook-url={self.webhook_url}"]
        if not detach:
            command = ["setpriv", "--pdeathsig=TERM", *command]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=60):
        """Longer than the 30 s after which a connection that does not come about is given up and made anew."""
        deadline = time.monotonic() + timeout
        while self.get(self.health_port, "/readyz")[0] != 200 or self.webhook_port and not self.is_asked():
            if self.process.poll() is not None:
                raise PlaneError(f"tollgate ended with exit code {self.process.returncode}:\n{self.log()[-2000:]}")
            if time.monotonic() > deadline:
                raise PlaneError(f"tollgate was not ready in {timeout} s:\n{self.log()[-2000:]}")
            time.sleep(0.05)

    @property
    def webhook_url(self):
        return f"https://127.0.0.1:{self.webhook_port}"

    def is_asked(self):
        """Do both configurations lead to this one, and does the API server go by them?"""
        found = json.loads(self.plane.kubectl("get", "--ignore-not-found", *CONFIGURATIONS, "-o", "json").stdout or '{"items": []}')
        clients = [hook["clientConfig"] for one in found["items"] for hook in one["webhooks"]]
        if not clients or not all(one.get("caBundle") and one.get("url", "").startswith(f"{self.webhook_url}/") for one in clients):
            return False
        return "denied the request" in self.probe().stderr

    def probe(self):
        """What the API server says to something that only admission refuses."""
        return self.plane.kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", input=PROBE, check=False)

    def stop(self, number=signal.SIGTERM, timeout=15):
        """Ends it if it runs; its exit code, which is minus the signal if that killed it."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)  # a paused one would never see it
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def metrics(self):
        return self.get(self.metrics_port, "/metrics")[1]

    @property
    def identity(self):
        """Of the process that was started last."""
        return [line["identity"] for line in map(json.loads, self.log().splitlines()) if line["msg"] == "starting"][-1]

    def leads(self):
        return 'leader_election_master_status{name="tollgate"} 1' in self.metrics()

    @staticmethod
    def get(port, path):
        """(status, text) of a GET at one of its addresses; (None, "") when it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None, ""
        finally:
            connection.close()

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()
