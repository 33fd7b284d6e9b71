"""The processes that are compared: the bare loop and Tollgate. What they cost is asked of the kernel."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / "build" / "bench"
sys.path.insert(0, str(ROOT / "tests" / "controlplane"))

import objects                                  # noqa: E402
from audit import BenchError                    # noqa: E402
from plane import _free_ports                   # noqa: E402

SERVERS = ("etcd", "kube-apiserver")      # of a plane; each needs those before it
BARE_AGENT, TOLLGATE_AGENT = "tollgate-bench-bare", "tollgate/"
IDLE_SECONDS = 2            # no request for so long: it has nothing more to write
LOOK_SECONDS = 0.5
BUSY_LOOKS = 6              # so many of them go by while it is far from done
READY_POLL_SECONDS = 0.005
REST_CORES, REST_DEADLINE = 0.1, 60     # of a core for each plane; seconds
TICK = os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- what a process costs

def cpu_seconds(pid):
    """User and system time of a process, all threads, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


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


def forget_peak(pid):
    """From now on the peak is that of what comes: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def favour(pid, nice):
    """Sets a process's share of the CPU, and that of its session where the kernel groups by it."""
    os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def server_pids(plane):
    """Of SERVERS; they must be there."""
    pids = [plane.pid(name) for name in SERVERS]
    for name, pid in zip(SERVERS, pids):
        if not pid:
            raise BenchError(f"{name} has ended; its log: {plane.log_path(name)}")
    return pids


class ServerCost:
    """What the API server and etcd of each plane spend while it is open, how long that is, and what everyone else spends."""

    def __init__(self, *planes):
        self.planes, self.seconds, self.others = planes, [], 0

    def _servers(self):
        return [sum(map(cpu_seconds, server_pids(plane))) for plane in self.planes]

    def __enter__(self):
        self.began, self.busy, self.servers = time.time(), machine_busy_seconds(), self._servers()
        return self

    def __exit__(self, failed, *_):
        if failed:      # perhaps because a server has ended
            return
        self.seconds = [after - before for after, before in zip(self._servers(), self.servers)]
        self.others = machine_busy_seconds() - self.busy - sum(self.seconds)
        self.open_seconds = time.time() - self.began


def come_to_rest(*planes):
    """Waits until their servers do no more than they always do; after a load they collect garbage for a while."""
    deadline = time.time() + REST_DEADLINE
    while time.time() < deadline:
        with ServerCost(*planes) as cost:
            time.sleep(1)
        if sum(cost.seconds) < REST_CORES * len(planes) * cost.open_seconds:
            return


# ---------------------------------------------------------------- the bare loop

def credentials(plane):
    """What the C programs want to know of a plane."""
    pki = plane.dir / "pki"
    return [plane.url, pki / "ca.crt", pki / "admin.crt", pki / "admin.key"]


class Bare:
    """The bare loop against one plane."""

    def __init__(self, plane, progress):
        self.plane, self.progress = plane, progress

    def run(self, mode, requests, streams, connections=1, runner=None):
        """What it prints, and when it began; None where there is nothing to send. With a runner (turns.py) it takes turns, and shows no
        progress, as the other does."""
        plan = OUT / "plan"
        if not objects.write_plan(plan, requests):
            return None
        began = time.time()
        with subprocess.Popen([OUT / "bare", mode, plan, str(streams), str(connections), *credentials(self.plane)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            said = []
            if runner:
                runner.take(process)
            for line in process.stderr:
                how_far = re.fullmatch(r"(\d+) of (\d+)\n", line)
                if how_far and runner:
                    continue
                if how_far:
                    self.progress.bar(int(how_far[1]), int(how_far[2]))
                else:
                    said.append(line)
            answer = process.stdout.read()
        if process.returncode == -signal.SIGINT:    # Ctrl-C goes to both
            raise KeyboardInterrupt
        if process.returncode:
            raise BenchError(f"the bare loop failed ({mode}):\n{''.join(said)}the API server's log: "
                             f"{self.plane.log_path('kube-apiserver')}")
        return {**json.loads(answer), "began": began}


# ---------------------------------------------------------------- Tollgate

class Tollgate:
    """One running Tollgate; `with` ends it."""

    def __init__(self, options, plane, runner=None):
        self.metrics_port, self.health_port = _free_ports(2)
        self.plane, self.runner = plane, runner
        self.log = OUT / "tollgate.log"
        with open(self.log, "a") as log:    # of all that one bench starts, so that a strange one can be looked into
            self.began = time.time()
            self.process = subprocess.Popen(
                [options.tollgate, "--kubeconfig", plane.kubeconfig,
                 "--metrics-bind-address", f"127.0.0.1:{self.metrics_port}",
                 "--health-probe-bind-address", f"127.0.0.1:{self.health_port}",
                 "--max-concurrent-writes", str(options.streams), "--cache-sync-timeout", f"{options.deadline}s"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if runner:
            runner.take(self.process)

    def __enter__(self):
        return self

    def active(self, moment):
        """For how many seconds it had run by then."""
        return self.runner.active(moment) if self.runner else moment - self.began

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGCONT):     # a stopped one would never see its end
            self.process.send_signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def _get(self, port, path):
        """(status, body), or (None, b"") while it does not listen."""
        if self.process.poll() is not None:
            raise BenchError(f"tollgate ended with exit code {self.process.returncode}; "
                             f"its log: {self.log}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionError:
            return None, b""
        finally:
            connection.close()

    def wait_ready(self, seconds, every=READY_POLL_SECONDS):
        """Seconds from its start until it said that it is ready; asked so often, which it has to answer."""
        while self._get(self.health_port, "/readyz")[0] != 200:
            if time.time() > self.began + seconds:
                raise BenchError(f"tollgate was not ready after {seconds:.0f} s; its log: {self.log}")
            time.sleep(every)
        return self.active(time.time())

    def scrape(self):
        """(seconds, bytes) of GET /metrics."""
        began = time.perf_counter()
        _, body = self._get(self.metrics_port, "/metrics")
        return time.perf_counter() - began, len(body)

    def metrics(self):
        """{'name' or 'name{labels}': value}"""
        status, body = self._get(self.metrics_port, "/metrics")
        if status != 200:
            raise BenchError(f"tollgate does not answer, or has ended; its log: {self.log}")
        lines = body.decode().splitlines()
        return {name: float(value) for name, value in (
            line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def wait_idle(self, seconds, progress, expected=0, meanwhile=lambda: None):
        """Waits until it has had nothing to do for IDLE_SECONDS; returns its metrics. A bar shows how many of the `expected`
        statuses are written. Seldom, since each look at the metrics costs Tollgate CPU that the bare loop does not spend."""
        deadline, seen, since = time.time() + seconds, None, 0
        while True:
            server_pids(self.plane)     # without its servers it would never be idle
            metrics = self.metrics()
            requests = int(sum(value for name, value in metrics.items() if name.startswith("tollgate_requests_total")))
            busy = requests + metrics['tollgate_events_total{result="sent"}'], metrics["tollgate_requests_in_flight"], \
                sum(value for name, value in metrics.items() if name.startswith("workqueue_depth{"))
            if busy != seen or any(busy[1:]):
                seen, since = busy, self.active(time.time())
            elif self.active(time.time()) - since > IDLE_SECONDS:
                return metrics
            if time.time() > deadline:
                raise BenchError(f"tollgate was still at work after {seconds:.0f} s ({requests} requests, "
                                 f"{busy[1]:.0f} in flight, {busy[2]:.0f} queued): raise --deadline, or see its log: {self.log}")
            written = int(metrics['tollgate_requests_total{request="status"}'])
            if expected and written < expected:
                progress.bar(written, expected)
            else:
                progress.tick(f"{requests} requests")
            for _ in range(BUSY_LOOKS if written < 0.9 * expected else 1):
                meanwhile()
                time.sleep(LOOK_SECONDS)

    def wait_converged(self, seconds, progress, expected=0):
        """From its start until it has nothing to do, each of the two within so many seconds."""
        self.wait_ready(seconds)
        self.wait_idle(seconds, progress, expected)


def heap(metrics):
    """What the allocator has given out."""
    return metrics["tollgate_allocated_bytes"]
