#!/usr/bin/env python3
"""Runs the tests and counts them: cmocka programs, pytest suites, and checks that are one command each.

    tests/run.py --flavour release UNIT_PROGRAM... [--pytest PATH]... [--check "name: command"]... [--wrap "valgrind ..."]

Unit programs run side by side, one a core; pytest suites one after the other. Everything runs even after a failure. The last
line is `N passed, N failed`; the exit code is 1 if anything failed or if nothing ran.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
import xml.etree.ElementTree as ET

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def mark(ok):
    word = "ok  " if ok else "FAIL"
    return f"\033[3{2 if ok else 1}m{word}\033[0m" if COLOUR else word


def unit(program, wrap):
    """One cmocka program -> (passed, failed, seconds, output). A crash counts as one failure more."""
    began = time.monotonic()
    try:
        done = subprocess.run([*wrap, program], capture_output=True, text=True, errors="replace", timeout=3600 if wrap else 900,
                              env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
        code, output = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        code, output = -1, f"{late}\n{late.stdout or ''}"
    passed = len(re.findall(r"^ok \d", output, re.M))
    failed = len(re.findall(r"^not ok \d+ (?!# SKIP)", output, re.M))     # cmocka says so of a test that skips itself
    if code != 0 and failed == 0 or passed + failed == 0:
        failed += 1
    return passed, failed, time.monotonic() - began, output


def suite(path, extra):
    """One pytest suite -> (passed, failed)."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        code = subprocess.run([sys.executable, "-m", "pytest", "-q", *extra, f"--junitxml={report.name}", path]).returncode
        try:
            totals = ET.parse(report.name).getroot().find("testsuite").attrib
            failed = int(totals["failures"]) + int(totals["errors"])
            passed = int(totals["tests"]) - failed - int(totals["skipped"])
        except ET.ParseError:
            return 0, 1
    return passed, failed or (1 if code else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("units", nargs="*")
    parser.add_argument("--pytest", action="append", default=[], metavar="PATH")
    parser.add_argument("--check", action="append", default=[], metavar="NAME: COMMAND")
    parser.add_argument("--wrap", default="", help="command in front of each unit program")
    args = parser.parse_args()
    passed = failed = 0

    for check in args.check:
        name, command = check.split(": ", 1)
        done = subprocess.run(shlex.split(command), capture_output=True, text=True)
        ok = done.returncode == 0
        passed, failed = passed + ok, failed + (not ok)
        print(f"{mark(ok)} {name}\n{textwrap.indent(done.stdout + ('' if ok else done.stderr), '     ')}", end="", flush=True)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = {pool.submit(unit, program, shlex.split(args.wrap)): program for program in args.units}
        for job in concurrent.futures.as_completed(jobs):
            good, bad, seconds, output = job.result()
            passed, failed = passed + good, failed + bad
            print(f"{mark(not bad)} {os.path.basename(jobs[job])}: {good} passed, {bad} failed, {seconds:.1f} s", flush=True)
            if bad:
                print(output, flush=True)
    for path in args.pytest:
        good, bad = suite(path, [])
        passed, failed = passed + good, failed + bad
        print(f"{mark(not bad)} {path}: {good} passed, {bad} failed", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
