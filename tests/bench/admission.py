#!/usr/bin/env python3
"""What does it cost to be asked? Measured on a control plane of its own, with the webhooks as deploy/ installs them.

How long an answer takes is Tollgate's own account (the histogram in its
metrics); how many it gives is wrk's. What clients feel is the time to create
bindings with the webhooks, over the time without, one after the other on the
same control plane: the machine cancels out.

    make bench     after bench.py: this table, and build/bench/admission.json
"""

import argparse
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

from bench import OUT, ROOT, Bare, BenchError, Progress, cpu_seconds, machine, print_table, script
from objects import API, GROUP, Objects

sys.path.insert(0, str(ROOT / "tests" / "local"))

from cluster import CONFIGURATIONS, Tollgate, install       # noqa: E402
from plane import Plane                                     # noqa: E402

ACCOUNTS, REVIEWS, CONNECTIONS = 1000, 2000, 16
QUANTILE = 0.99

# Targets of the project's admission issue.
TARGET_P99_SECONDS, TARGET_RATE, TARGET_RATIO = 0.002, 5000, 1.25


class Admission:
    def __init__(self, options, plane, tollgate, progress):
        self.options, self.plane, self.tollgate, self.progress = options, plane, tollgate, progress
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
        self.progress.step(f"{REVIEWS} reviews over {CONNECTIONS} connections")
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
        self.progress.step(f"wrk for {self.options.seconds} s")
        (OUT / "review.json").write_text(self.review())
        pid, cores = self.tollgate.process.pid, sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, cores[:1])
        try:
            cpu = cpu_seconds(pid)
            done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.options.seconds}s", "-s", ROOT / "tests/bench/review.lua",
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
        bindings = [self.binding() for _ in range(self.options.bindings)]
        return Bare(self.options, self.plane).run("load", bindings, CONNECTIONS)["seconds"]

    def kubectl(self):
        """Seconds for so many in one file."""
        items = []
        for path, thing in (self.binding() for _ in range(self.options.bindings)):
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
        for number in range(self.options.rounds):
            self.progress.step(f"{self.options.bindings} bindings, {what}, round {number + 1} of {self.options.rounds}")
            seconds = {}
            for on in (False, True) if number % 2 else (True, False):
                self.switch(on)
                seconds[on] = measure()
            pairs.append((seconds[True], seconds[False]))
        return pairs


def report(p99, rate, cpu, applied):
    rows = []

    def row(what, measured, target="", good=None):
        rows.append([what, measured, target, {True: "ok", False: "MISSED", None: ""}[good]])

    row(f"p{QUANTILE * 100:.0f} of {REVIEWS} reviews, {CONNECTIONS} connections", f"<= {p99 * 1000:g} ms",
        f"<= {TARGET_P99_SECONDS * 1000:g} ms", p99 <= TARGET_P99_SECONDS)
    row("reviews a second on one core", f"{rate:.0f}", f">= {TARGET_RATE}", rate >= TARGET_RATE)
    row("  CPU a review", f"{cpu * 1e6:.0f} us")
    for what, pairs in applied.items():
        ratio = statistics.median(on / off for on, off in pairs)
        row(what, f"{statistics.median(on for on, _ in pairs):.2f} s; {statistics.median(off for _, off in pairs):.2f} s; {ratio:.2f} "
            f"({min(on / off for on, off in pairs):.2f}-{max(on / off for on, off in pairs):.2f})", f"<= {TARGET_RATIO}", ratio <= TARGET_RATIO)
    return rows


def measure(options, progress):
    progress.step("starting a control plane")
    with Plane(OUT / "plane") as plane:
        install(plane)
        bare, objects = Bare(options, plane), Objects(ACCOUNTS, 0)
        progress.step(f"loading {ACCOUNTS} accounts and as many methods")
        for stage in objects.load_stages():
            if stage:
                bare.run("load", stage, 32)
        bare.run("patch", objects.provider_patches(), 32)
        install(plane, webhooks=True)
        plane.stop_component("kube-controller-manager", signal.SIGKILL)     # as in bench.py: noise on one side or the other
        with Tollgate(plane, OUT, webhook=True) as tollgate:
            admission = Admission(options, plane, tollgate, progress)
            admission.switch(True)
            p99, (rate, cpu) = admission.quantile(), admission.rate()
            applied = {f"{options.bindings} bindings, 16 streams: with; without; ratio": admission.ratios("bare loop", admission.bare),
                       f"{options.bindings} bindings, kubectl apply: with; without; ratio": admission.ratios("kubectl", admission.kubectl)}
    return p99, rate, cpu, applied


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--bindings", type=int, default=1000, help="how many are made with the webhooks, and without")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="how long wrk asks")
    options = parser.parse_args(arguments)
    if os.environ.get("TOLLGATE_KUBECONFIG"):
        raise BenchError("TOLLGATE_KUBECONFIG is set: the benchmark loads only planes of its own")
    OUT.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    results = measure(options, progress)
    (OUT / "admission.json").write_text(json.dumps({"machine": machine(), "options": vars(options), "results": results}, indent=1) + "\n")
    progress.clear()
    here, rows = machine(), report(*results)
    print(f"admission: {ACCOUNTS} accounts; commit {here['commit']}; {here['cores']} x {here['processor']}\n")
    print_table(["what (medians)", "measured", "target", "verdict"], rows)
    return 1 if any(row[3] == "MISSED" for row in rows) else 0


if __name__ == "__main__":
    script(main)
