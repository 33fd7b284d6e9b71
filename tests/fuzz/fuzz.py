#!/usr/bin/env python3
"""Runs libFuzzer's targets, one a core, and says what they find.

    tests/fuzz/fuzz.py [--merge] TARGET...      FUZZ_SECONDS=60 for each

Starts from tests/fuzz/corpus/TARGET and keeps what is new in build/fuzz/corpus/TARGET; --merge takes over from there what reaches more
than the former. A crash stays in build/fuzz/crashes, with the command that repeats it. Exit code 1 if there was one.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "fuzz"
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
MAX_BYTES = 4096
LIMITS = ("-timeout=10", "-rss_limit_mb=1024")


def corpus(target):
    return ROOT / "tests" / "fuzz" / "corpus" / target


def run(target):
    """-> (exit code, target, executions, features, [crashing file], output)"""
    grown, crashes = BUILT / "corpus" / target, BUILT / "crashes"
    for folder in (grown, crashes, corpus(target)):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(crashes.glob(f"{target}-*"))
    command = [BUILT / "fuzz" / target, f"-max_total_time={SECONDS}", f"-max_len={MAX_BYTES}", *LIMITS,
               "-print_final_stats=1", "-use_value_profile=1", f"-artifact_prefix={crashes}/{target}-", grown, corpus(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    features = re.findall(r"\bft: (\d+)", done.stderr)
    found = sorted(set(crashes.glob(f"{target}-*")) - before)
    return done.returncode, target, int(executions[1]) if executions else 0, int(features[-1]) if features else 0, found, done.stderr


def merge(target):
    """Adds to the committed corpus as few inputs as reach what none there does."""
    subprocess.run([BUILT / "fuzz" / target, "-set_cover_merge=1", "-use_counters=0", f"-max_len={MAX_BYTES}", corpus(target), BUILT / "corpus" / target],
                   cwd=ROOT, check=True, capture_output=True)
    return len(list(corpus(target).iterdir()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("targets", nargs="+")
    args = parser.parse_args()
    failed = 0
    print(f"fuzz: {len(args.targets)} targets, {SECONDS} s each, {os.cpu_count()} at a time", flush=True)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = [pool.submit(run, target) for target in args.targets]
        for number, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            code, target, executions, features, found, output = job.result()
            print(f"{number}/{len(jobs)} {'FAIL' if code else 'ok  '} {target}: {executions} inputs, {features} features of the code reached", flush=True)
            if code:
                failed += 1
                print("\n".join([line for line in output.splitlines() if not line.startswith(("#", "\""))][:40]))
            for path in found:
                print(f"to repeat: build/fuzz/fuzz/{target} {' '.join(LIMITS)} {path.relative_to(ROOT)}", flush=True)
            if code and not found:
                print(f"it ended with exit code {code} and kept no input; to repeat: make fuzz FUZZ={target}", flush=True)
    if args.merge:
        for target in args.targets:
            print(f"fuzz: {target}: {merge(target)} inputs in {corpus(target).relative_to(ROOT)}", flush=True)
    print(f"fuzz: {failed} of {len(args.targets)} targets found something" if failed else "fuzz: nothing found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
