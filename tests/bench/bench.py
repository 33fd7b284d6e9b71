#!/usr/bin/env python3
"""How fast and how small is Tollgate? Measured beside bare loops that only send the same requests, and against what the data itself weighs.

Each part is a file; this one is the command line, and the order of things. What is compared are ratios and differences within one
run, so that the machine cancels out; docs/performance.md tells how each is measured. Exit codes: 0 all targets are met, 1 one is missed, 2 it could not be measured.

    make bench                                       all parts and sizes: one table, and build/bench/results.json
    make bench ARGS="--sizes=1000 --only=latency"    some of it; with --keep beside what results.json has of the others
    make bench ARGS="--sweep=8,16,32 --sizes=10000"  only the bare loop, over so many streams
"""

import argparse
import json
import os
import signal
import sys

import accounts
import objects
from admission import admission, admission_rows
from audit import Audit, BenchError
from convergence import (bare_run, bare_writes, cold_start, convergence_rows, empty, heap_of_a_binding, heap_rows, restart_rows, restarts,
                         scrape_rows, side_by_side)
from latency import latency, latency_rows
from program import program, program_rows
from progress import Progress
from relist import relist, relist_rows
from sides import OUT, ROOT, ServerCost, favour
from stage import stage
from table import Table, headings, lines, machine, short

from plane import KubectlError, PlaneError

RESULTS = OUT / "results.json"
PARTS = ("convergence", "restart", "scrape", "latency", "relist", "heap", "hot-account", "failing-method", "admission", "binary")
OF_A_SIZE = set(PARTS[:6])
SIZES = (1000, 10_000, 100_000)
REPEATED_SIZE, LATENCY_SIZE = 10_000, 10_000     # beyond these it takes too long to be repeated, and to be reached at rest
PER_ACCOUNT = 10                                 # bindings; there are as many methods as accounts


# ---------------------------------------------------------------- what is measured

class Bench:
    def __init__(self, options, results):
        self.options, self.results, self.progress = options, results, Progress()

    def keep(self, found, part, value, of=""):
        """A part has been measured: it goes into `found`, and how it came about beside it."""
        found[part] = value
        here, options = self.results["machine"], self.options
        how = [f"--nice={options.nice}"] * bool(options.nice) + [f"{len(value)} run{'s' * (len(value) > 1)}" if isinstance(value, list) else "1 run"]
        others = [one for one in self.results["measured"] if (one["of"], one["part"]) != (of, part)]
        self.results["measured"] = [*others, {"of": of, "part": part, "date": here["date"], "commit": here["commit"], "how": ", ".join(how)}]
        self.save()

    def wants(self, *parts):
        return bool(set(parts) & set(self.options.only))

    def stage(self, content, label, folder="plane"):
        return stage(self.options, self.progress, content, label, folder)

    def one_run(self, size, number, runs):
        """Both sides once; in odd runs Tollgate has the first turn, in even ones the bare loop. The last goes on to the other parts."""
        content = objects.Objects(max(size // PER_ACCOUNT, 1), size)
        run, of_size = {}, self.results["sizes"].setdefault(str(size), {})
        label = f"{size} bindings" + (f", run {number} of {runs}" if runs > 1 else "")
        with self.stage(content, label) as place:
            if self.wants("convergence"):
                run["empty_kib"] = empty(place)
                place.load()
                with self.stage(content, f"{label}, the bare loop's", "yardstick") as yardstick:
                    yardstick.load()
                    run.update(side_by_side(place, yardstick, self.options.streams, bare_first=number % 2 == 0))
            else:
                place.load()
                place.step("Tollgate writes all statuses")
                cold_start(place)
            if number == runs:
                self.converged(place, size, of_size)
        return run

    def converged(self, place, size, found):
        """What is measured at rest; the order matters: deleting is last."""
        if self.wants("restart", "scrape"):
            self.keep(found, "restart", restarts(place), name_of(size))
        if self.wants("latency") and size <= LATENCY_SIZE:
            self.keep(found, "latency", latency(place), name_of(size))
        if self.wants("relist"):
            self.keep(found, "relist", relist(place), name_of(size))
        if self.wants("heap"):
            self.keep(found, "heap", heap_of_a_binding(place), name_of(size))

    def size(self, size):
        runs = self.options.runs if size <= REPEATED_SIZE and self.wants("convergence") else 1
        found = [self.one_run(size, number, runs) for number in range(1, runs + 1)]
        if self.wants("convergence"):
            self.keep(self.results["sizes"][str(size)], "convergence", found, name_of(size))

    def accounts(self):
        with self.stage(accounts.content(self.options.hot), f"one account of {self.options.hot} bindings") as place:
            found = accounts.many_bindings(place, self.options.only)
        self.results["hot"] = self.options.hot
        for part, value in found.items():
            self.keep(self.results, part, value, f"{short(self.options.hot)} bindings of one account")

    def all(self):
        if self.wants("binary"):
            self.keep(self.results, "binary", program(self.options), "all")
        if self.wants(*OF_A_SIZE):
            for size in self.options.sizes:
                self.size(size)
        if self.wants("hot-account", "failing-method"):
            self.accounts()
        if self.wants("admission"):
            self.keep(self.results, "admission", admission(self.progress), "all")
        self.progress.clear()

    def save(self):
        RESULTS.write_text(json.dumps({**self.results, "rows": report(self.results).rows}, indent=1) + "\n")

    def sweep(self):
        table, size = Table(), self.options.sizes[0]
        table.section(f"the bare loop, {size} bindings")
        for streams in self.options.sweep:
            with self.stage(objects.Objects(max(size // PER_ACCOUNT, 1), size), f"{streams} streams") as place:
                place.load()
                place.step(f"the bare loop writes finalizers and statuses over {streams} streams")
                audit = Audit(place.plane)
                with ServerCost(place.plane) as cost:
                    done = bare_run(place, streams)
                done = bare_writes(audit, done)
            table.row(f"{streams} streams: seconds; writes a second; its CPU a write; servers' CPU a write; CPU of others",
                      "{:.1f} s; {:.0f}; {:.3f} ms; {:.2f} ms; {:.2f} cores".format(
                          done["seconds"], done["writes"] / done["seconds"], done["cpu_seconds"] * 1000 / done["writes"],
                          cost.seconds[0] * 1000 / done["writes"], (cost.others - done["cpu_seconds"]) / cost.open_seconds))
        self.progress.clear()
        print("\n".join(lines(table.rows)))


# ---------------------------------------------------------------- what is told

def name_of(size):
    return f"{short(size)} bindings"


def report(results):
    """The one table, of whatever there is."""
    table = Table()
    for size, found in sorted(((int(size), found) for size, found in results["sizes"].items())):
        if found.get("convergence"):
            convergence_rows(table, size, found["convergence"])
        if found.get("restart"):
            restart_rows(table, size, found["restart"])
            scrape_rows(table, size, found["restart"])
        if found.get("heap"):
            heap_rows(table, size, found["heap"])
        if found.get("latency"):
            latency_rows(table, size, found["latency"])
        if found.get("relist"):
            relist_rows(table, size, found["relist"])
    if results.get("hot-account"):
        accounts.hot_account_rows(table, results["hot"], results["hot-account"])
    if results.get("failing-method"):
        accounts.failing_method_rows(table, results["hot"], results["failing-method"])
    if results.get("admission"):
        admission_rows(table, results["admission"])
    if results.get("binary"):
        program_rows(table, results["binary"])
    return table


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def numbers(text):
    return [positive(one) for one in text.split(",")]


def parts(text):
    chosen = PARTS if text == "all" else text.split(",")
    for one in chosen:
        if one not in PARTS:
            raise argparse.ArgumentTypeError(f"{one!r} is none of {', '.join(PARTS)}")
    return chosen


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter,
                                     epilog=f"Parts: {', '.join(PARTS)}. All numbers: {RESULTS.relative_to(ROOT)}. Exit codes: 0 all targets are "
                                     "met, 1 one is missed, 2 it could not be measured. docs/performance.md tells what is measured, and how.")
    parser.add_argument("--sizes", type=numbers, default=",".join(map(str, SIZES)), metavar="N,N,...",
                        help=f"how many bindings; for each {PER_ACCOUNT} there is an account with a payment method; latency is measured up to {LATENCY_SIZE}")
    parser.add_argument("--only", type=parts, default="all", metavar="PART,...", help="only these parts, listed below")
    parser.add_argument("--keep", action="store_true", help="add to results.json instead of beginning it empty")
    parser.add_argument("--runs", type=positive, default=3, help=f"cold starts of each size up to {REPEATED_SIZE}; larger ones have one")
    parser.add_argument("--hot", type=positive, default=20000, metavar="N", help="bindings of the one account")
    parser.add_argument("--streams", type=positive, default=32, help="requests in flight on both sides: Tollgate's --max-concurrent-writes; admission has 16")
    parser.add_argument("--deadline", type=positive, default=1800, help="seconds for one step, the bare loop's turns included; also Tollgate's --cache-sync-timeout")
    parser.add_argument("--sweep", metavar="N,N,...", help="only the bare loop, with each of these numbers of streams, at the first of --sizes; nothing is kept", type=numbers)
    parser.add_argument("--nice", type=int, default=0, help="niceness of all that is started; -10 (as root) keeps out what else the machine does")
    parser.add_argument("--tollgate", default=str(ROOT / "build" / "tollgate"), metavar="PROGRAM", help="the one to measure, but in admission, which takes the one of this checkout")
    parser.add_argument("--crds", default=str(ROOT / "crds"), metavar="FOLDER", help="of the custom resource definitions; admission takes this checkout's")
    return parser.parse_args(arguments)


def earlier(options):
    """What is kept of the last results."""
    results = json.loads(RESULTS.read_text()) if options.keep and RESULTS.exists() else {"sizes": {}, "measured": []}
    return {**results, "machine": machine(), "options": vars(options)}


def main(arguments):
    options = parse(arguments)
    if os.environ.get("TOLLGATE_KUBECONFIG"):
        raise BenchError("TOLLGATE_KUBECONFIG is set: the benchmark loads only planes of its own; unset it")
    if not os.access(options.tollgate, os.X_OK):
        raise BenchError(f"{options.tollgate} is no program that can be started")
    if options.nice:
        favour(os.getpid(), options.nice)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "tollgate.log").unlink(missing_ok=True)
    bench = Bench(options, earlier(options))
    if options.sweep:
        bench.sweep()
        return 0
    bench.save()    # what is there from before must not be taken for this one's
    bench.all()
    table = report(bench.results)
    print("\n".join([*headings(bench.results), "", *lines(table.rows), "", *table.verdicts(), f"All numbers: {RESULTS.relative_to(ROOT)}"]))
    return 1 if table.missed() else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except (BenchError, PlaneError, KubectlError, OSError) as error:
        print(f"\nbench: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\nbench: interrupted; {RESULTS.relative_to(ROOT)} has the parts that were finished", file=sys.stderr)
        sys.exit(130)
