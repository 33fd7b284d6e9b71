"""Cold start beside the bare loop, and restart beside a bare LIST: time, memory, CPU.

Each run has two fresh, equal control planes. On one Tollgate starts with no
status written; on the other, in turns with it (turns.py), the bare loop makes the same requests: the accounts' finalizers, all
statuses and, after the clock has stopped, some Events, for the CPU that one takes. Whose turn it is has the machine for itself.
"""

import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import objects
from audit import Audit, BenchError, counts, last, statuses
from sides import BARE_AGENT, LOOK_SECONDS, TOLLGATE_AGENT, ServerCost, Tollgate, come_to_rest, cpu_seconds, heap, memory
from table import mib, milliseconds, short
from turns import Runner, alternate

RESTARTS, MANY_RESTARTS, SCRAPES, EVENTS = 4, 6, 20, 3000     # restarts: an even number, see restarts()

# Targets. Those in MiB and of CPU are for the size that they name.
TARGET_TIME, TARGET_RESTART, TARGET_CPU, TARGET_SCRAPE_MS, TARGET_HEAP_BYTES = 1.1, 1.3, 2, 10, 350
TARGET_PEAK_MIB = {10_000: 20, 100_000: 72}
TARGET_RSS_MIB = {100_000: 64}
CPU_SIZE = HEAP_SIZE = 10_000     # below, clock ticks and pages are too coarse


# ---------------------------------------------------------------- measuring

class Samples:
    """A process's CPU over time, to tell what it was at a moment that is known only later."""

    def __init__(self, pid):
        self.pid, self.points = pid, []

    def take(self):
        self.points.append((time.time(), cpu_seconds(self.pid)))

    def at(self, moment):
        before, after = self.points[0], self.points[-1]
        for point in self.points:
            if point[0] <= moment:
                before = point
            else:
                after = point
                break
        share = (moment - before[0]) / (after[0] - before[0]) if after[0] > before[0] else 0
        return before[1] + min(share, 1) * (after[1] - before[1])


def bare_run(stage, streams, runner=None):
    """All that Tollgate is to write, by the bare loop: what it prints."""
    requests = [*stage.content.finalizer_patches(), *stage.content.status_patches()]
    try:
        return stage.bare.run("patch", requests, streams, runner=runner)
    finally:
        if runner:
            runner.end()


def bare_writes(audit, done, runner=None):
    """What the API server says of it."""
    def active(moment):
        return runner.active(moment) if runner else moment - done["began"]
    writes = audit.writes(BARE_AGENT)
    # Finalizers go first: what comes after the last of them is the statuses' own time.
    finalizers = last([one for one in writes if one.what == "patch billingaccounts"]) or done["began"]
    found = counts(writes)
    return {"seconds": active(last(writes)), "status_seconds": active(last(writes)) - active(finalizers), "counts": found,
            "writes": len(writes), "statuses": statuses(found), "cpu_seconds": done["cpu_seconds"],
            "bytes_sent": done["bytes_sent"], "peak_rss_kib": done["peak_rss_kib"]}


def bare_events(stage, streams):
    """CPU of an Event by the bare loop: as many as Tollgate turns out to send belong to the same work. Their time does not."""
    stage.step("the bare loop creates some Events")
    done = stage.bare.run("load", itertools.islice(stage.content.events(), EVENTS), streams)
    return done["cpu_seconds"] / done["requests"]


def empty(stage):
    """Resident size with nothing in the cluster: libraries, tables, connection."""
    stage.step("Tollgate on an empty cluster")
    with Tollgate(stage.options, stage.plane) as tollgate:
        tollgate.wait_ready(60)
        time.sleep(0.5)
        return memory(tollgate.pid)


def cold_start(stage, runner=None):
    """Tollgate, from its start until it has nothing more to do."""
    audit, expected = Audit(stage.plane), len(stage.content.expected())
    with Tollgate(stage.options, stage.plane, runner) as tollgate:
        samples = Samples(tollgate.pid)
        samples.take()
        tollgate.wait_ready(stage.options.deadline, LOOK_SECONDS)
        metrics = tollgate.wait_idle(stage.options.deadline, stage.progress, expected, samples.take)
        cpu, size = cpu_seconds(tollgate.pid), memory(tollgate.pid)
        if runner:
            runner.end()    # it must not be stopped while it is to end
    writes = audit.writes(TOLLGATE_AGENT)
    found = counts(writes)
    if not statuses(found):
        raise BenchError(f"tollgate has written no status; its log: {tollgate.log}")
    finished = last(writes, " status")
    return {"seconds": tollgate.active(finished), "cpu_seconds": cpu, "status_cpu_seconds": samples.at(finished),
            "memory_kib": size, "writes": len(writes), "statuses": statuses(found), "counts": found, "metrics": metrics}


def side_by_side(ours, theirs, streams, bare_first):
    """Both sides of one run, in turns, each on its own stage: {"tollgate", "bare", ...}"""
    ours.step("Tollgate's cold start, in turns with the bare loop")
    come_to_rest(ours.plane, theirs.plane)
    tollgate, bare, audit = Runner(ours.plane), Runner(theirs.plane), Audit(theirs.plane)
    with ServerCost(ours.plane, theirs.plane) as cost, ThreadPoolExecutor() as pool:
        slices = pool.submit(alternate, (bare, tollgate) if bare_first else (tollgate, bare))
        loop = pool.submit(bare_run, theirs, streams, bare)
        loop.add_done_callback(lambda ended: ended.exception() and tollgate.kill())
        try:
            found = {"tollgate": cold_start(ours, tollgate)}
            slices.result()
            done = loop.result()
        except BaseException:
            cause = loop.exception() if loop.done() else None
            tollgate.end()
            bare.kill()
            if cause:
                raise cause from None
            raise
        finally:
            for one in tollgate, bare:
                one.wake_servers()
    found["bare"] = {**bare_writes(audit, done, bare), "event_cpu_seconds": bare_events(theirs, streams)}
    for name, seconds in zip(("tollgate", "bare"), cost.seconds):
        found[name]["server_cpu_seconds"] = seconds
    found["other_cpu_cores"] = (cost.others - found["tollgate"]["cpu_seconds"] - found["bare"]["cpu_seconds"]) / cost.open_seconds
    ours.step("looking at every status")
    ours.check()
    return found


def bare_list(stage):
    """All that Tollgate lists: each kind in one request, all at once, from the API server's watch cache, which is the cheapest way there
    is. (Tollgate's own lists are consistent ones.)"""
    bare = stage.bare.run("get", ((f"{path}?resourceVersion=0", None) for path in objects.LISTS), 8)
    return {"bare_list_seconds": bare["seconds"], "bare_list_cpu_seconds": bare["cpu_seconds"], "list_bytes": bare["bytes_received"]}


def restart(stage):
    """Tollgate, once, on the converged cluster."""
    audit = Audit(stage.plane)
    with Tollgate(stage.options, stage.plane) as tollgate:
        ready = tollgate.wait_ready(stage.options.deadline)
        cpu = cpu_seconds(tollgate.pid)
        metrics = tollgate.wait_idle(stage.options.deadline, stage.progress)
        size = memory(tollgate.pid)
        scrapes = [tollgate.scrape() for _ in range(SCRAPES)]
    writes = audit.writes(TOLLGATE_AGENT)
    return {"ready_seconds": ready, "ready_cpu_seconds": cpu, "memory_kib": size, "heap": heap(metrics),
            "writes": len(writes), "counts": counts(writes),
            "scrape_seconds": [seconds for seconds, _ in scrapes], "scrape_bytes": scrapes[0][1]}


def restarts(stage):
    """Each beside a bare LIST of the same objects. Who comes second finds the server warm: half of them with either first."""
    times = MANY_RESTARTS if stage.content.bindings <= CPU_SIZE else RESTARTS
    found = []
    for number in range(times):
        stage.step(f"restart {number + 1} of {times} on the converged cluster")
        sides = (restart, bare_list) if number % 2 else (bare_list, restart)
        one = {}
        for side in sides:
            come_to_rest(stage.plane)
            one.update(side(stage))
        found.append(one)
    return found


def heap_of_a_binding(stage):
    """Bytes of heap that half of the bindings took, one each. Deletes them: the last thing that is done on a stage."""
    half = stage.content.bindings // 2
    stage.step("the heap with all bindings")
    before = restart(stage)["heap"]
    stage.step(f"deleting {half} bindings, to see what they weighed")
    stage.send("delete", ((stage.content.binding_path(i), None) for i in range(half, stage.content.bindings)))
    with Tollgate(stage.options, stage.plane) as tollgate:     # counts them off their accounts
        tollgate.wait_converged(stage.options.deadline, stage.progress)
    after = restart(stage)["heap"]
    return {"bytes": (before - after) / (stage.content.bindings - half), "bindings": [stage.content.bindings, half]}


# ---------------------------------------------------------------- rows

def median_of(runs, value):
    return statistics.median(value(run) for run in runs)


def same_calls_cpu(run):
    """What the bare loop's CPU would be for all that Tollgate has sent."""
    return run["bare"]["cpu_seconds"] + run["bare"]["event_cpu_seconds"] * run["tollgate"]["counts"].get("create events", 0)


def sorted_out(found):
    """Of counts(): PATCHes that were taken, Events, and all that was refused."""
    refused = sum(n for what, n in found.items() if what[0].isdigit())
    events = found.get("create events", 0)
    return sum(found.values()) - events - refused, events, refused


def convergence_rows(table, size, runs):
    """`runs`: [{"bare", "tollgate", "empty_kib"}]"""
    table.section(f"{short(size)} bindings: cold start")
    ours = runs[-1]["tollgate"]
    table.row("the bare loop: finalizers and statuses; statuses alone", "{:.2f} s, {:.0f} a second; {:.2f} s".format(
        median_of(runs, lambda r: r["bare"]["seconds"]), median_of(runs, lambda r: r["bare"]["writes"] / r["bare"]["seconds"]),
        median_of(runs, lambda r: r["bare"]["status_seconds"])))
    table.row("start to the last status written", f"{median_of(runs, lambda r: r['tollgate']['seconds']):.2f} s")
    table.ratio("- over the bare loop's time for the same PATCHes", [r["tollgate"]["seconds"] / r["bare"]["seconds"] for r in runs], TARGET_TIME)
    table.ratio("- over its time for the status PATCHes alone", [r["tollgate"]["seconds"] / r["bare"]["status_seconds"] for r in runs])
    table.row("Tollgate's PATCHes; Events; requests answered with an error; the bare loop's PATCHes", "; ".join(map(str, (
        *sorted_out(ours["counts"]), runs[-1]["bare"]["writes"]))))
    table.ratio("CPU until idle, over the bare loop's for the same calls and Events",
                [r["tollgate"]["cpu_seconds"] / same_calls_cpu(r) for r in runs],
                TARGET_CPU if size == CPU_SIZE else None,
                note="; {:.2f} s and {:.2f} s".format(median_of(runs, lambda r: r["tollgate"]["cpu_seconds"]), median_of(
                    runs, same_calls_cpu)))
    table.ratio("- until the last status, over its for finalizers and statuses",
                [r["tollgate"]["status_cpu_seconds"] / r["bare"]["cpu_seconds"] for r in runs])
    table.ratio("API server's and etcd's CPU a write, over that beside the bare loop",
                [r["tollgate"]["server_cpu_seconds"] / r["tollgate"]["writes"] / r["bare"]["server_cpu_seconds"] * r["bare"]["writes"] for r in runs])
    peak = max(run["tollgate"]["memory_kib"]["peak"] for run in runs)
    table.row("peak resident size", mib(peak), peak / 1024, TARGET_PEAK_MIB.get(size), unit=" MiB")
    table.row("- at the end: data; files (program, libraries); both on an empty cluster", "{}; {}; {}".format(
        mib(ours["memory_kib"]["anonymous"]), mib(ours["memory_kib"]["file"]), mib(runs[-1]["empty_kib"]["rss"])))
    table.row("CPU of others meanwhile, in cores", f"{median_of(runs, lambda r: r['other_cpu_cores']):.2f}")


def in_pairs(again):
    """The time of two restarts over that of two LISTs: of each two, one found the server warm, on both sides."""
    pairs = list(zip(again[::2], again[1::2]))
    return [sum(one["ready_seconds"] for one in pair) / sum(one["bare_list_seconds"] for one in pair) for pair in pairs]


def restart_rows(table, size, again):
    table.section(f"{short(size)} bindings: restart on the converged cluster")
    writes = max(one["writes"] for one in again)
    table.row("writes", str(writes), writes, 0)
    table.ratio("start to ready, over a bare LIST of the same objects", in_pairs(again), TARGET_RESTART, note="; {:.2f} s and {:.2f} s in the mean".format(
        *(statistics.mean(one[name] for one in again) for name in ("ready_seconds", "bare_list_seconds"))))
    rss, peak = (max(one["memory_kib"][name] for one in again) for name in ("rss", "peak"))
    table.row("resident size after sync", mib(rss), rss / 1024, TARGET_RSS_MIB.get(size), unit=" MiB")
    table.row("peak resident size", mib(peak), peak / 1024, TARGET_PEAK_MIB.get(size), unit=" MiB")
    table.row("- the objects as the API server sends them", mib(again[-1]["list_bytes"] / 1024))


def heap_rows(table, size, weighed):
    table.section(f"{short(size)} bindings: heap")
    table.row(f"heap of a cached binding, all told (between {short(weighed['bindings'][1])} and {short(size)})",
              f"{weighed['bytes']:.0f} bytes", weighed["bytes"], TARGET_HEAP_BYTES if size >= HEAP_SIZE else None, unit=" bytes")


def scrape_rows(table, size, again):
    table.section(f"{short(size)} bindings: a scrape of /metrics")
    times = [seconds for one in again for seconds in one["scrape_seconds"]]
    median = statistics.median(times)
    table.row("median; longest; bytes", f"{milliseconds(median)}; {milliseconds(max(times))}; {again[-1]['scrape_bytes']}",
              median * 1000, TARGET_SCRAPE_MS, unit=" ms")
