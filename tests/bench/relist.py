"""What a watch that has expired costs: Tollgate lists all objects again (410 Gone), at work and in bounded memory.

Tollgate is stopped, something is written, and the API server is started anew: its watch cache then begins at the
present version, so that Tollgate's watches, continued, ask for a past that is gone. How long the event loop is
blocked is seen from outside: a caller asks for /healthz every 2 ms meanwhile, and asks a
process that does nothing else (ping.py) as well. On a busy machine everybody waits: what either process waited for a core
is taken off.
"""

import contextlib
import json
import signal
import subprocess
import sys
import time

import objects
from audit import Audit, BenchError
from sides import HERE, TOLLGATE_AGENT, Tollgate, cpu_seconds, forget_peak, memory
from table import mib, milliseconds, short

CALM_SECONDS = 3        # of pings before, and after the last list
TOUCHED = 200           # bindings that are written while Tollgate is stopped

# Targets.
TARGET_GROWTH_MIB, TARGET_BLOCKED_MS = 8, 20


class Ping:
    """Asks a port; `with` it does so, and afterwards `found` is what ping.py says."""

    def __init__(self, port, path, pid):
        self.process = subprocess.Popen([sys.executable, HERE / "ping.py", str(port), path, str(pid)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self

    def __exit__(self, *_):
        answer, _ = self.process.communicate(timeout=60)
        if self.process.returncode:
            raise BenchError("the pings broke off; what they said is above")
        self.found = json.loads(answer)


@contextlib.contextmanager
def reference():
    """A process that only answers: its port and pid."""
    process = subprocess.Popen([sys.executable, HERE / "ping.py", "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.communicate()


def both(tollgate, other):
    """Pings of Tollgate and of the reference, to be entered."""
    port, pid = other
    return Ping(tollgate.health_port, "/healthz", tollgate.pid), Ping(port, "/", pid)


def expire(stage, tollgate):
    """Makes all that Tollgate's watches know a version too old."""
    tollgate.process.send_signal(signal.SIGSTOP)
    # Its connection must be gone first: what is written would wait there for it, and make it know the present version.
    stage.plane.stop_component("kube-apiserver", signal.SIGKILL)
    stage.plane.start_component("kube-apiserver", timeout=300)
    stage.send("patch", ((stage.content.binding_path(i), {"metadata": {"labels": {"touched": "yes"}}}) for i in range(TOUCHED)))
    # Once more: the cache of this one begins behind what was just written.
    stage.plane.stop_component("kube-apiserver", signal.SIGKILL)
    stage.plane.start_component("kube-apiserver", timeout=300)


def wait_lists(stage, audit):
    """Until each kind has been listed to its last page, which is when a watch of it has begun after a list; returns {plural: pages}."""
    wanted, deadline = {path.rsplit("/", 1)[1] for path in objects.LISTS}, time.time() + stage.options.deadline
    while True:
        pages, listed, watched = {}, {}, {}
        for one in audit.requests(TOLLGATE_AGENT, {"list"}):
            plural = one.what.split()[1]
            if one.code == 200:
                pages[plural], listed[plural] = pages.get(plural, 0) + 1, one.at
        for one in audit.watches(TOLLGATE_AGENT):
            watched[one.what.split()[1]] = one.at
        due = [plural for plural in wanted if plural not in listed or watched.get(plural, 0) < listed[plural]]
        if not due:
            return pages
        if time.time() > deadline:
            raise BenchError(f"no relist came about of {', '.join(sorted(due))}; pages listed: {pages}")
        stage.progress.tick(f"{sum(pages.values())} pages listed")
        time.sleep(0.5)


def relist(stage):
    stage.step("relist after 410 Gone: waiting for rest")
    with reference() as other, Tollgate(stage.options, stage.plane) as tollgate:
        tollgate.wait_converged(stage.options.deadline, stage.progress)
        with contextlib.ExitStack() as calm:
            before = [calm.enter_context(one) for one in both(tollgate, other)]
            time.sleep(CALM_SECONDS)
        meanwhile = both(tollgate, other)
        time.sleep(0.5)
        stage.step("relist after 410 Gone: restarting the API server behind a stopped Tollgate")
        audit = Audit(stage.plane)
        expire(stage, tollgate)
        resident, cpu = memory(tollgate.pid), cpu_seconds(tollgate.pid)
        forget_peak(tollgate.pid)
        stage.step("relist after 410 Gone")
        began = time.time()
        tollgate.process.send_signal(signal.SIGCONT)
        with contextlib.ExitStack() as pinging:
            for one in meanwhile:
                pinging.enter_context(one)
            pages = wait_lists(stage, audit)
            taken = time.time() - began
            time.sleep(CALM_SECONDS)
        size, cpu = memory(tollgate.pid), cpu_seconds(tollgate.pid) - cpu
        metrics = tollgate.wait_idle(stage.options.deadline, stage.progress)
    gone = sum(value for name, value in metrics.items() if name.startswith("tollgate_watch_failures_total"))
    writes = [one.what for one in audit.writes(TOLLGATE_AGENT)]
    return {"resident_kib": resident["rss"], "peak_kib": size["peak"], "after_kib": size["rss"], "pages": pages, "watch_failures": gone,
            "seconds": taken, "cpu_seconds": cpu, "writes": len(writes),
            "calm": {"tollgate": before[0].found, "reference": before[1].found},
            "relist": {"tollgate": meanwhile[0].found, "reference": meanwhile[1].found}}


def relist_rows(table, size, found):
    table.section(f"{short(size)} bindings: relist after 410 Gone")
    growth = (found["peak_kib"] - found["resident_kib"]) / 1024
    table.row("peak above the resident size before", f"{growth:.1f} MiB; from {mib(found['resident_kib'])}", growth, TARGET_GROWTH_MIB, unit=" MiB")
    calm, busy = found["calm"], found["relist"]
    own = busy["tollgate"]["own"]
    table.row("longest wait for /healthz, without that for a core; with it; of a process that only answers, likewise",
              "; ".join(milliseconds(busy[side][name]) for side in ("tollgate", "reference") for name in ("own", "longest")),
              own * 1000, TARGET_BLOCKED_MS, unit=" ms")
    table.row("- the same, at rest before", "; ".join(milliseconds(calm[side][name]) for side in ("tollgate", "reference") for name in ("own", "longest")))
    table.row("time from SIGCONT to the end of the last list; CPU; list requests; writes", "{:.1f} s; {:.2f} s; {}; {}".format(
        found["seconds"], found["cpu_seconds"], sum(found["pages"].values()), found["writes"]))
