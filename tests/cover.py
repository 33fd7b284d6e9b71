#!/usr/bin/env python3
"""What of the code the tests ran: lines and branches by file, read from gcov.

    tests/cover.py OBJECT_FOLDER    a folder built with --coverage whose programs have run, e.g. build/cover

Prints a table with totals by folder. Reconcilers decide, and everything that a decision is made of can be put before it in a test: so each
of them is held to all of its lines and 95 of 100 of its branches. What is missing there is named by line, and the exit code is 1.
A branch is one way out of a condition as the compiler made it: each operand of && and || has two.
"""
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("include", "reconcilers", "crds", "controller")
HELD, LINES, BRANCHES = "reconcilers", 100, 95


class File:
    """A header's inline function is compiled into many objects: what one of them ran has run."""

    def __init__(self):
        self.lines = collections.Counter()
        self.branches = collections.Counter()  # (line, place in it) -> times taken

    def add(self, line):
        self.lines[line["line_number"]] += line["count"]
        for place, branch in enumerate(line["branches"]):
            self.branches[line["line_number"], place] += branch["count"]

    def counts(self):
        return [len(self.lines), sum(n > 0 for n in self.lines.values()), len(self.branches), sum(n > 0 for n in self.branches.values())]

    def missing(self):
        for line in sorted(n for n in self.lines if not self.lines[n]):
            yield f"{line}: never run"
        for line in sorted({n for (n, _), times in self.branches.items() if not times and self.lines[n]}):
            untaken = [place for (n, place), times in self.branches.items() if n == line and not times]
            yield f"{line}: {len(untaken)} of {sum(n == line for n, _ in self.branches)} branches never taken"


def read(objects):
    files = collections.defaultdict(File)
    notes = sorted(note for folder in FOLDERS for note in (objects / folder).glob("*.gcno"))
    if not notes:
        sys.exit(f"{objects}: nothing in it was built with --coverage")
    done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes],
                          cwd=ROOT, capture_output=True, text=True, check=True)
    for unit in done.stdout.splitlines():
        for file in json.loads(unit)["files"]:
            if pathlib.Path(file["file"]).parts[0] in FOLDERS:
                for line in file["lines"]:
                    files[file["file"]].add(line)
    return files


def share(of, ran):
    return 100 * ran / of if of else 100.0


def row(name, counts):
    lines, ran, branches, taken = counts
    return f"{name:<42}{ran:>6} of{lines:>6}{share(lines, ran):>8.1f} %{taken:>8} of{branches:>6}{share(branches, taken):>8.1f} %"


def main():
    files = read(pathlib.Path(sys.argv[1]).resolve())
    short = []
    print(f"{'':<42}{'lines run':>25}{'branches taken':>27}")
    totals = {}
    for folder in FOLDERS:
        own = sorted(name for name in files if name.startswith(f"{folder}/"))
        for name in own:
            counts = files[name].counts()
            print(row(name, counts))
            if folder == HELD and (share(*counts[:2]) < LINES or share(*counts[2:]) < BRANCHES):
                short.append(name)
        totals[folder] = [sum(column) for column in zip(*(files[name].counts() for name in own))]
    print()
    for folder, counts in totals.items():
        print(row(f"{folder}/", counts))
    print(row("all", [sum(column) for column in zip(*totals.values())]))
    print("\nUnit tests alone are counted: simulator and end-to-end tests run much of the rest.")
    if not short:
        print(f"{HELD}/: no file is short of {LINES} % of lines and {BRANCHES} % of branches")
    for name in short:
        print(f"{name}: short of {LINES} % of lines or {BRANCHES} % of branches; a test has to come here:", file=sys.stderr)
        for what in files[name].missing():
            print(f"{name}:{what}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
