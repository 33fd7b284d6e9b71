"""What does it cost to be asked? Measured on a control plane of its own, with the webhooks as deploy/ installs them.

How long an answer takes is Tollgate's own account (the histogram in its
metrics); how many it gives is wrk's. What clients feel is the time to create
bindings with the webhooks, over the time without, one after the other on the
same control plane: the machine cancels out.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import statistics
import subprocess
import sys
import threading
import time

from audit import BenchError
from objects import API, GROUP, Objects
from sides import OUT, ROOT, Bare, cpu_seconds

sys.path.insert(0, str(ROOT / "tests" / "local"))

from cluster import CONFIGURATIONS, Tollgate, install       # noqa: E402
from plane import Plane                                     # noqa: E402

ACCOUNTS, REVIEWS, CONNECTIONS = 1000, 2000, 16
BINDINGS, ROUNDS, WRK_SECONDS = 1000, 5, 10     # of each round: with the webhooks, and without
QUANTILE = 0.99

# Targets of the project's admission issue.
TARGET_P99_MS, TARGET_RATE, TARGET_RATIO = 2, 5000, 1.25


class Admission:
    def __init__(self, plane, tollgate, progress):
        self.plane, self.tollgate, self.progress = plane, tollgate, progress
        self.objects = Objects(ACCOUNTS, 0)
        self.made = 0
        self.configurations = json.loads(plane.kubectl("get", *CONFIGURATIONS, "-o", "json").stdout)
        for one in self.configurations["items"]:
            for name in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
                one["metadata"].pop(name, None)

    # -- one review after another

    def review(self):
        """A binding that is fine, as the API server asks about it."""
        path, thing = self.binding()
        kind = {"group": GROUP, "version": "v1alpha1", "kind": "BillingAccountBinding"}
        resource = {"group": GROUP, "version": "v1alpha1", "resource": "billingaccountbindings"}
        ns, name = path.split("/")[-2], thing["metadata"]["name"]
        thing["metadata"].update(namespace=ns, uid="cf6a8f57-2a2f-4c2e-a5d0-8c1c6e5f0f11", generation=1,
                                 creationTimestamp="2026-01-01T00:00:00Z")
        return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource, "requestKind": kind,
            "requestResource": resource, "name": name, "namespace": ns, "operation": "CREATE",
            "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
            "object": thing, "oldObject": None, "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-client-side-apply"}}})

    def ask(self, context, body, times, answers):
        """So many on one connection."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.tollgate.webhook_port, timeout=30, context=context)
        with contextlib.closing(connection):
            for _ in range(times):
                connection.request("POST", "/validate", body, {"Content-Type": "application/json"})
                answers.append(json.loads(connection.getresponse().read())["response"]["allowed"])

    def times(self):
        """{bucket's bound: how many answers took no longer} since the start."""
        found = re.findall(r'tollgate_admission_seconds_bucket\{webhook="/validate",le="([^"]+)"\} (\d+)', self.tollgate.metrics())
        return {float(bound): int(count) for bound, count in found}

    def quantile(self):
        """The bound of the bucket below which QUANTILE of the answers are, of reviews over all connections at once."""
        self.progress.step(f"admission: {REVIEWS} reviews over {CONNECTIONS} connections")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        before, answers = self.times(), []
        threads = [threading.Thread(target=self.ask, args=(context, self.review(), REVIEWS // CONNECTIONS, answers))
                   for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(answers) != REVIEWS or not all(answers):
            raise BenchError(f"of {REVIEWS} reviews {len(answers)} were answered and {sum(answers)} allowed")
        taken = {bound: count - before[bound] for bound, count in self.times().items()}
        return min(bound for bound, count in taken.items() if count >= QUANTILE * REVIEWS)

    def rate(self):
        """(answers a second, CPU seconds of one) with Tollgate on one core and wrk on another, where there is another."""
        self.progress.step(f"admission: wrk for {WRK_SECONDS} s")
        (OUT / "review.json").write_text(self.review())
        pid, cores = self.tollgate.process.pid, sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, cores[:1])
        try:
            cpu = cpu_seconds(pid)
            done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", "-s", ROOT / "tests/bench/review.lua",
                                   f"{self.tollgate.webhook_url}/validate"], capture_output=True, text=True,
                                  env={**os.environ, "REVIEW": str(OUT / "review.json")},
                                  preexec_fn=lambda: os.sched_setaffinity(0, cores[1:] or cores))
            cpu = cpu_seconds(pid) - cpu
        except FileNotFoundError:
            raise BenchError("wrk is missing: tests/local/packages.sh --bench installs it") from None
        finally:
            os.sched_setaffinity(pid, cores)
        if done.returncode or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise BenchError(f"wrk was not answered well:\n{done.stdout}{done.stderr}")
        count = int(re.search(r"(\d+) requests in", done.stdout)[1])
        return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1]), cpu / count

    # -- bindings through the API server

    def binding(self):
        account, self.made = self.made % ACCOUNTS, self.made + 1
        path, thing = self.objects.binding(account)
        thing["metadata"]["name"] = f"bench-{self.made:06}"
        thing["spec"]["projectRef"]["name"] = f"elsewhere-{self.made:06}"
        return path, thing

    def bare(self):
        """Seconds for so many bindings over 16 streams of one connection."""
        bindings = [self.binding() for _ in range(BINDINGS)]
        return Bare(self.plane, self.progress).run("load", bindings, CONNECTIONS)["seconds"]

    def kubectl(self):
        """Seconds for so many in one file."""
        items = []
        for path, thing in (self.binding() for _ in range(BINDINGS)):
            thing["metadata"]["namespace"] = path.split("/")[-2]
            items.append(json.dumps(thing))
        file = OUT / "bindings.yaml"
        file.write_text("\n---\n".join(items) + "\n")
        began = time.time()
        self.plane.kubectl("apply", "-f", file, timeout=600)
        return time.time() - began

    def switch(self, on):
        """With the webhooks from now on, or without; returns when the API server goes by it, and Tollgate has come to rest."""
        self.plane.kubectl("delete", "--ignore-not-found", *CONFIGURATIONS)
        if on:
            self.plane.kubectl("create", "-f", "-", input=json.dumps(self.configurations))
        deadline = time.time() + 60
        while not (self.tollgate.is_asked() if on else self.tollgate.probe().returncode == 0) or self.busy():
            if time.time() > deadline:
                raise BenchError(f"the API server does not {'ask' if on else 'leave'} Tollgate alone; its log: {self.tollgate.log_path}")
            time.sleep(0.1)

    def busy(self):
        found = re.findall(r"^(?:workqueue_depth\S*|tollgate_requests_in_flight\S*) (\d+)", self.tollgate.metrics(), re.M)
        return any(map(int, found))

    def ratios(self, what, measure):
        """[seconds with over seconds without] of each round, and both medians; who goes first changes."""
        pairs = []
        for number in range(ROUNDS):
            self.progress.step(f"admission: {BINDINGS} bindings, {what}, round {number + 1} of {ROUNDS}")
            seconds = {}
            for on in (False, True) if number % 2 else (True, False):
                self.switch(on)
                seconds[on] = measure()
            pairs.append((seconds[True], seconds[False]))
        return pairs


def admission(progress):
    progress.step("admission: starting a control plane")
    with Plane(OUT / "plane") as plane:
        install(plane)
        bare, objects = Bare(plane, progress), Objects(ACCOUNTS, 0)
        progress.step(f"admission: loading {ACCOUNTS} accounts and as many methods")
        for stage in objects.load_stages():
            bare.run("load", stage, 32)
        bare.run("patch", objects.provider_patches(), 32)
        install(plane, webhooks=True)
        plane.stop_component("kube-controller-manager", signal.SIGKILL)     # as in stage.py: noise on one side or the other
        with Tollgate(plane, OUT, webhook=True) as tollgate:
            asked = Admission(plane, tollgate, progress)
            asked.switch(True)
            p99, (rate, cpu) = asked.quantile(), asked.rate()
            return {"p99_seconds": p99, "per_second": rate, "cpu_seconds": cpu, "pairs": {
                "16 streams": asked.ratios("bare loop", asked.bare), "kubectl apply": asked.ratios("kubectl", asked.kubectl)}}


def admission_rows(table, found):
    table.section("admission reviews")
    table.row(f"p{QUANTILE * 100:.0f} of {REVIEWS}, {CONNECTIONS} connections", f"<= {found['p99_seconds'] * 1000:g} ms",
              found["p99_seconds"] * 1000, TARGET_P99_MS, unit=" ms")
    table.row("a second on one core; CPU of one", f"{found['per_second']:.0f}; {found['cpu_seconds'] * 1e6:.0f} us",
              found["per_second"], least=TARGET_RATE)
    for what, pairs in found["pairs"].items():
        table.ratio(f"{BINDINGS} bindings, {what}: with the webhooks, over without", [on / off for on, off in pairs], TARGET_RATIO,
                    note="; {:.2f} s and {:.2f} s".format(*(statistics.median(one) for one in zip(*pairs))))
