#!/usr/bin/env python3
"""How fast and how small is Tollgate? Measured beside a loop that only writes.

On fresh, equal control planes in turn, the bare loop (bare.c) and Tollgate
write the same statuses to the same objects. Times are taken from the API
server's audit log, so both sides are judged by what reached the server, and
what is compared are ratios within one run: the machine cancels out.

    make bench                             the table, and build/bench/results.json
    tests/bench/bench.py --sweep 8,16,32   only the bare loop, over that many streams
"""

import argparse
import contextlib
import datetime
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "controlplane"))
sys.path.insert(0, str(HERE))

import objects                                              # noqa: E402
from plane import KubectlError, Plane, PlaneError           # noqa: E402

OUT = ROOT / "build" / "bench"
BARE_AGENT, TOLLGATE_AGENT = "tollgate-bench-bare", "tollgate/"
WRITES = {"create", "update", "patch", "delete"}
IDLE_SECONDS = 2            # no request for so long: it has nothing more to write
READY_POLL_SECONDS = 0.002
RESTARTS = 5
TICK = os.sysconf("SC_CLK_TCK")

# Targets of the project's speed issue.
TARGET_RATIO, TARGET_PEAK_MIB = 1.2, 24


class BenchError(Exception):
    """Something a person has to know: the message is complete."""


# ---------------------------------------------------------------- processes

def cpu_seconds(pid):
    """User and system time of a process, all threads; 0.01 s steps."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def machine_busy_seconds():
    """CPU time that the whole machine has spent working since it was started."""
    user, nice, system, _, _, irq, softirq = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def memory(pid):
    """{name: KiB}: peak and present resident size, and what of it is data, what files."""
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1]) for name, field in (
        ("peak", "VmHWM"), ("rss", "VmRSS"), ("anonymous", "RssAnon"), ("file", "RssFile"))}


def favour(pid, nice):
    """Sets a process's share of the CPU, and that of its session where the kernel groups by it."""
    os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


class ServerCost:
    """What the API server and etcd spend while it is open, and everyone who is none of ours."""

    def __init__(self, plane):
        self.plane, self.seconds, self.others = plane, 0, 0

    def _servers(self):
        return sum(cpu_seconds(self.plane.pid(name)) for name in ("etcd", "kube-apiserver"))

    def __enter__(self):
        self.began, self.busy, self.servers = time.time(), machine_busy_seconds(), self._servers()
        return self

    def __exit__(self, *_):
        self.seconds = self._servers() - self.servers
        self.others = machine_busy_seconds() - self.busy - self.seconds


# ---------------------------------------------------------------- the two sides

class Bare:
    """The bare loop against one plane."""

    def __init__(self, options, plane):
        self.options, self.plane = options, plane

    def run(self, mode, requests, streams):
        plan = OUT / "plan"
        if not objects.write_plan(plan, requests):
            return None
        pki, began = self.plane.dir / "pki", time.time()
        done = subprocess.run([OUT / "bare", mode, plan, str(streams), self.plane.url,
                               pki / "ca.crt", pki / "admin.crt", pki / "admin.key"],
                              stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise BenchError(f"the bare loop failed ({mode}); the API server's log: "
                             f"{self.plane.log_path('kube-apiserver')}")
        return {**json.loads(done.stdout), "began": began}


class Tollgate:
    """One running Tollgate; `with` ends it."""

    def __init__(self, options, plane):
        self.metrics_port, self.health_port = free_port(), free_port()
        self.log = OUT / "tollgate.log"
        with open(self.log, "w") as log:
            self.began = time.time()
            self.process = subprocess.Popen(
                [options.tollgate, "--kubeconfig", plane.kubeconfig,
                 "--metrics-bind-address", f"127.0.0.1:{self.metrics_port}",
                 "--health-probe-bind-address", f"127.0.0.1:{self.health_port}",
                 "--max-concurrent-writes", str(options.streams)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def _get(self, port, path):
        """(status, text), or (None, "") while it does not listen."""
        if self.process.poll() is not None:
            raise BenchError(f"tollgate ended with exit code {self.process.returncode}; "
                             f"its log: {self.log}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionError:
            return None, ""
        finally:
            connection.close()

    def wait_ready(self, deadline):
        """Seconds from its start until it said that it is ready."""
        while self._get(self.health_port, "/readyz")[0] != 200:
            if time.time() > deadline:
                raise BenchError(f"tollgate did not get ready; its log: {self.log}")
            time.sleep(READY_POLL_SECONDS)
        return time.time() - self.began

    def metrics(self):
        """{'name' or 'name{labels}': value}"""
        lines = self._get(self.metrics_port, "/metrics")[1].splitlines()
        return {name: float(value) for name, value in (
            line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def wait_idle(self, deadline, progress):
        """Waits until it has had nothing to do for IDLE_SECONDS; returns its metrics."""
        seen, since = None, time.time()
        while True:
            metrics = self.metrics()
            writes = int(sum(value for name, value in metrics.items()
                             if name.startswith("tollgate_requests_total")))
            busy = writes, metrics["tollgate_requests_in_flight"], \
                sum(value for name, value in metrics.items() if name.startswith("workqueue_depth{"))
            if busy != seen or any(busy[1:]):
                seen, since = busy, time.time()
            elif time.time() - since > IDLE_SECONDS:
                return metrics
            if time.time() > deadline:
                raise BenchError(f"tollgate was still at work at the deadline ({busy[0]} requests, "
                                 f"{busy[1]:.0f} in flight, {busy[2]:.0f} queued)")
            progress.tick(f"{writes} requests")
            time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------- audit log

class Audit:
    """What one client has sent since this was made, by the API server's own account."""

    def __init__(self, plane):
        self.path = plane.dir / "audit.log"
        self.offset = self.path.stat().st_size

    def writes(self, agent):
        """[(what, HTTP status, moment of the answer)]; reads of single objects count as well."""
        found = []
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            for line in file:
                if b'"watch"' in line or b'"list"' in line or f'"{agent}'.encode() not in line:
                    continue
                event = json.loads(line)
                if not event.get("userAgent", "").startswith(agent):
                    continue
                what = event.get("objectRef", {})
                found.append((" ".join((event["verb"], what.get("resource", event["requestURI"]),
                                        what.get("subresource", ""))).strip(),
                              event["responseStatus"]["code"], moment(event["stageTimestamp"])))
        return [one for one in found if one[0].split()[0] in WRITES | {"get"}]


def seconds(began, writes):
    """From the start of a process to the answer to its last write."""
    return max(at for _, _, at in writes) - began


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def counts(writes):
    """{"patch billingaccounts status": n, ...}, refused ones under "409 patch ..."."""
    result = {}
    for what, code, _ in writes:
        name = what if code < 300 else f"{code} {what}"
        result[name] = result.get(name, 0) + 1
    return dict(sorted(result.items()))


# ---------------------------------------------------------------- progress

class Progress:
    """What is being done: one line that is rewritten on a terminal, else a line a step."""

    def __init__(self):
        self.step_text = ""

    def step(self, text):
        self.step_text, self.began, self.shown = text, time.time(), 0
        if sys.stderr.isatty():
            self.tick("")
        else:
            print(f"bench: {text}", file=sys.stderr, flush=True)

    def tick(self, detail):
        now = time.time()
        if not sys.stderr.isatty() or now - self.shown < 0.3:
            return
        self.shown = now
        line = f"bench: {self.step_text}, {now - self.began:.0f} s"
        print(f"\r\033[K{line}{', ' + detail if detail else ''}", end="", file=sys.stderr, flush=True)

    def clear(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- measuring

class Bench:
    def __init__(self, options):
        self.options = options
        self.progress = Progress()
        self.objects = objects.Objects(options.accounts, options.bindings, options.projects)

    @contextlib.contextmanager
    def plane(self, label):
        """A fresh control plane with the CRDs; the loader's streams are its only other client."""
        self.progress.step(f"{label}: starting a control plane")
        with Plane(OUT / "plane", audit=True) as plane:
            plane.kubectl("apply", "-f", self.options.crds)
            plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
            # Its informers find the new kinds at some moment of the first half minute and would
            # list and watch them all: noise that falls on one side or the other.
            plane.stop_component("kube-controller-manager", signal.SIGKILL)
            if self.options.nice:
                for pid in (os.getpid(), plane.pid("etcd"), plane.pid("kube-apiserver")):
                    favour(pid, self.options.nice)
            yield plane

    def load(self, plane, label):
        bare = Bare(self.options, plane)
        self.progress.step(f"{label}: loading {self.options.accounts} accounts, as many methods, "
                           f"{self.options.bindings} bindings")
        for stage in self.objects.load_stages():
            bare.run("load", stage, 32)
        bare.run("patch", self.objects.provider_patches(), 32)
        time.sleep(1)   # what the server does after the last answer is no part of what follows

    def bare_writes(self, plane, label, streams):
        self.progress.step(f"{label}: the bare loop writes all statuses over {streams} streams")
        audit = Audit(plane)
        with ServerCost(plane) as cost:
            done = Bare(self.options, plane).run("patch", self.objects.status_patches(), streams)
        writes = audit.writes(BARE_AGENT)
        return {"seconds": seconds(done["began"], writes), "cpu_seconds": done["cpu_seconds"],
                "writes": len(writes), "counts": counts(writes), "bytes_sent": done["bytes_sent"],
                "server_cpu_seconds": cost.seconds, "other_cpu_seconds": cost.others - done["cpu_seconds"]}

    def empty(self, plane, label):
        """Resident size with nothing in the cluster: libraries, tables, connection."""
        self.progress.step(f"{label}: Tollgate on an empty cluster")
        with Tollgate(self.options, plane) as tollgate:
            tollgate.wait_ready(time.time() + 60)
            time.sleep(0.5)
            return memory(tollgate.pid)

    def cold_start(self, plane, label):
        self.progress.step(f"{label}: Tollgate's cold start")
        audit = Audit(plane)
        with ServerCost(plane) as cost, Tollgate(self.options, plane) as tollgate:
            ready = tollgate.wait_ready(tollgate.began + self.options.deadline)
            metrics = tollgate.wait_idle(tollgate.began + self.options.deadline, self.progress)
            cpu, size = cpu_seconds(tollgate.pid), memory(tollgate.pid)
        writes = audit.writes(TOLLGATE_AGENT)
        if not writes:
            raise BenchError(f"tollgate has written nothing; its log: {tollgate.log}")
        self.check(plane)
        return {"seconds": seconds(tollgate.began, writes), "ready_seconds": ready,
                "cpu_seconds": cpu, "memory_kib": size, "writes": len(writes),
                "counts": counts(writes), "metrics": metrics, "server_cpu_seconds": cost.seconds,
                "other_cpu_seconds": cost.others - cpu}

    def check(self, plane):
        """Every object must have the status that it should have."""
        lists = {path.rsplit("/", 1)[1]: json.loads(plane.kubectl("get", "--raw", path).stdout)
                 for path in objects.LISTS[1:]}
        faults = list(self.objects.faults(lists))
        if faults:
            raise BenchError("\n  ".join(
                [f"{len(faults)} of {len(self.objects.expected())} statuses are not as expected:",
                 *faults[:5]]))

    def restarts(self, plane, label):
        """On the converged cluster; each beside a bare LIST of the same objects."""
        self.progress.step(f"{label}: restarts on the converged cluster")
        result = []
        for _ in range(RESTARTS):
            bare = Bare(self.options, plane).run(
                "get", ((f"{path}?resourceVersion=0", None) for path in objects.LISTS), 8)
            audit = Audit(plane)
            with Tollgate(self.options, plane) as tollgate:
                ready = tollgate.wait_ready(tollgate.began + 60)
                cpu = cpu_seconds(tollgate.pid)
                tollgate.wait_idle(tollgate.began + 60, self.progress)
                size = memory(tollgate.pid)
            writes = audit.writes(TOLLGATE_AGENT)
            result.append({"ready_seconds": ready, "ready_cpu_seconds": cpu, "memory_kib": size,
                           "bare_list_seconds": bare["seconds"],
                           "bare_list_cpu_seconds": bare["cpu_seconds"],
                           "list_bytes": bare["bytes_received"],
                           "writes": len(writes), "counts": counts(writes)})
        return result

    def one_run(self, number):
        """Both sides once; odd runs begin with Tollgate, even ones with the bare loop."""
        label, run = f"run {number} of {self.options.runs}", {}

        def ours():
            with self.plane(label) as plane:
                run["empty_kib"] = self.empty(plane, label)
                self.load(plane, label)
                run["tollgate"] = self.cold_start(plane, label)
                run["restarts"] = self.restarts(plane, label)

        def theirs():
            with self.plane(label) as plane:
                self.load(plane, label)
                run["bare"] = self.bare_writes(plane, label, self.options.streams)

        for side in (ours, theirs) if number % 2 else (theirs, ours):
            side()
        return run

    def sweep(self):
        rows = []
        for streams in self.options.sweep:
            label = f"{streams} streams"
            with self.plane(label) as plane:
                self.load(plane, label)
                done = self.bare_writes(plane, label, streams)
            rows.append([str(streams), f"{done['seconds']:.1f} s",
                         f"{done['writes'] / done['seconds']:.0f} a second",
                         f"{done['cpu_seconds'] * 1000 / done['writes']:.3f} ms",
                         f"{done['server_cpu_seconds'] * 1000 / done['writes']:.2f} ms",
                         f"{done['other_cpu_seconds'] / done['seconds']:.0%}"])
        self.progress.clear()
        print_table(["streams", "bare loop", "writes", "its CPU a write", "servers' CPU a write",
                     "CPU of others"], rows)


# ---------------------------------------------------------------- the table

def median_of(runs, value):
    return statistics.median(value(run) for run in runs)


def report(options, runs):
    """[(what, measured, target, verdict)]"""
    rows = []

    def row(what, measured, target="", good=None):
        rows.append([what, measured, target, {True: "ok", False: "MISSED", None: ""}[good]])

    def ratio(what, value, limit):
        all_of = [value(run) for run in runs]
        row(what, f"{statistics.median(all_of):.2f}" + (
            f" ({min(all_of):.2f}-{max(all_of):.2f})" if len(runs) > 1 else ""),
            f"<= {limit}", statistics.median(all_of) <= limit)

    def per_write(side):
        return side["seconds"] / side["writes"]

    def mib(kib):
        return f"{kib / 1024:.1f} MiB"

    last = runs[-1]
    status_writes = sum(n for what, n in last["tollgate"]["counts"].items() if what.endswith("status"))
    ours, theirs = last["tollgate"], last["bare"]
    row("the bare loop", f"{median_of(runs, lambda r: r['bare']['seconds']):.1f} s, "
        f"{theirs['writes']} writes, {1 / median_of(runs, lambda r: per_write(r['bare'])):.0f} a second")
    row("cold start to all statuses written",
        f"{median_of(runs, lambda r: r['tollgate']['seconds']):.1f} s, {ours['writes']} writes")
    ratio("  time a write, over the bare loop's",
          lambda r: per_write(r["tollgate"]) / per_write(r["bare"]), TARGET_RATIO)
    ratio("  whole time, over the bare loop's",
          lambda r: r["tollgate"]["seconds"] / r["bare"]["seconds"], TARGET_RATIO)
    row("  status writes an object", f"{status_writes / theirs['writes']:.3f}")
    refused = sum(n for what, n in ours["counts"].items() if what[0].isdigit())
    row("  writes refused (conflicts and the like)", str(refused))
    row("  servers' CPU a write, over the bare loop's", "{:.2f}".format(median_of(
        runs, lambda r: (r["tollgate"]["server_cpu_seconds"] / r["tollgate"]["writes"])
        / (r["bare"]["server_cpu_seconds"] / r["bare"]["writes"]))))
    row("  CPU, and over the bare loop's", "{:.2f} s, {:.2f}".format(
        median_of(runs, lambda r: r["tollgate"]["cpu_seconds"]),
        median_of(runs, lambda r: r["tollgate"]["cpu_seconds"] / r["bare"]["cpu_seconds"])))
    peak = max(run["tollgate"]["memory_kib"]["peak"] for run in runs)
    row("peak resident size", mib(peak), f"<= {TARGET_PEAK_MIB} MiB", peak <= TARGET_PEAK_MIB * 1024)
    row("  of it on an empty cluster", mib(last["empty_kib"]["peak"]))
    row("  at the end: data; files (program, libraries)",
        f"{mib(ours['memory_kib']['anonymous'])}; {mib(ours['memory_kib']['file'])}")
    for kind in ("BillingAccountBinding", "BillingAccount", "PaymentMethod"):
        label = f'{{kind="{kind}"}}'
        row(f"  bytes of a cached {kind}", "{:.0f}".format(
            ours["metrics"][f"tollgate_object_bytes{label}"] / ours["metrics"][f"tollgate_objects{label}"]))
    again = [one for run in runs for one in run["restarts"]]
    writes = max(one["writes"] for one in again)
    row("writes at a restart", str(writes), "0", writes == 0)
    row("  start to ready; bare LIST; ratio", "{:.2f} s; {:.2f} s; {:.2f}".format(
        median_of(again, lambda one: one["ready_seconds"]),
        median_of(again, lambda one: one["bare_list_seconds"]),
        median_of(again, lambda one: one["ready_seconds"] / one["bare_list_seconds"])))
    row("  peak resident size", mib(max(one["memory_kib"]["peak"] for one in again)),
        f"<= {TARGET_PEAK_MIB} MiB",
        max(one["memory_kib"]["peak"] for one in again) <= TARGET_PEAK_MIB * 1024)
    row("CPU of others meanwhile (cores)", "{:.2f} beside the bare loop, {:.2f} beside Tollgate".format(
        median_of(runs, lambda r: r["bare"]["other_cpu_seconds"] / r["bare"]["seconds"]),
        median_of(runs, lambda r: r["tollgate"]["other_cpu_seconds"] / r["tollgate"]["seconds"])))
    return rows


def print_table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        print(f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths))} |")


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    return {"date": datetime.date.today().isoformat(), "commit": commit, "cores": os.cpu_count(),
            "processor": model[1] if model else "", "kernel": os.uname().release}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--bindings", type=int, default=10000)
    parser.add_argument("--projects", type=int, default=0, help="of the projects, how many get a namespace")
    parser.add_argument("--streams", type=int, default=16, help="requests in flight, on both sides")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--deadline", type=int, default=600, help="seconds for one cold start")
    parser.add_argument("--sweep", metavar="N,N,...", help="only the bare loop, over so many streams",
                        type=lambda text: [int(one) for one in text.split(",")])
    parser.add_argument("--nice", type=int, default=0,
                        help="of all processes; -10 (as root) keeps out what else the machine does")
    parser.add_argument("--tollgate", default=str(ROOT / "build" / "tollgate"))
    parser.add_argument("--crds", default=str(ROOT / "crds"))
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    if os.environ.get("TOLLGATE_KUBECONFIG"):
        raise BenchError("TOLLGATE_KUBECONFIG is set: the benchmark loads only planes of its own")
    OUT.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    if options.sweep:
        bench.sweep()
        return 0
    runs = []
    for number in range(1, options.runs + 1):
        runs.append(bench.one_run(number))
        (OUT / "results.json").write_text(json.dumps(
            {"machine": machine(), "options": vars(options), "runs": runs}, indent=1) + "\n")
    bench.progress.clear()
    here = machine()
    print(f"{options.accounts} accounts, {options.bindings} bindings, {options.projects} project "
          f"namespaces; {options.streams} streams; {options.runs} runs; commit {here['commit']}; "
          f"{here['cores']} x {here['processor']}\n")
    rows = report(options, runs)
    print_table(["what (medians)", "measured", "target", "verdict"], rows)
    return 1 if any(row[3] == "MISSED" for row in rows) else 0


def script(main):
    """Runs a benchmark's main as the whole process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except (BenchError, PlaneError, KubectlError) as error:
        print(f"\nbench: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    script(main)
