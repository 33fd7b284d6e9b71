#!/usr/bin/env python3
"""How many instructions an object costs, held against what it cost when the table was last written.

    instructions.py PROGRAM            make instructions: red where something costs 10 % more than instructions.json says
    instructions.py PROGRAM --record   writes what is counted into instructions.json: look at the difference before you commit it

PROGRAM is instructions.c, built. callgrind counts instructions, not time: the same program counts the same on a busy machine as on an idle
one. Another compiler counts otherwise by a few parts in a hundred. What gets 10 % cheaper is named too, so that it can be recorded."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TABLE = Path(__file__).with_suffix(".json")
WORSE, GROWTH = 1.10, 1.10


def count(program):
    """{what: instructions for one}"""
    with tempfile.TemporaryDirectory() as folder:
        # Addresses decide where hashed keys lie, and how copying goes: the same ones each time.
        done = subprocess.run(["setarch", "-R", "valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={folder}/out", program],
                              capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
        if done.returncode:
            sys.exit(f"instructions: {program} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
        rounds, counted = int(done.stdout.split()[-1]), {}
        for path in Path(folder).iterdir():
            text = path.read_text()
            what = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
            if what:
                counted[what[1]] = round(int(re.search(r"^totals: (\d+)", text, re.M)[1]) / rounds)
    return counted


def judge(counted, table):
    """Lines for people, and those of them that are failures."""
    lines, wrong = [], []
    for what in sorted(counted.keys() | table.keys()):
        now, then = counted.get(what), table.get(what)
        if not now or not then:
            wrong.append(f"{what}: {'not counted any more' if then else 'not in the table'}; --record it")
            continue
        ratio = now / then
        lines.append(f"{what:45} {now:>9,} {then:>9,} {ratio:>6.2f}")
        if ratio > WORSE:
            wrong.append(f"{what}: {now:,} instructions, {ratio - 1:.0%} more than {then:,}")
        elif ratio < 1 / WORSE:
            lines[-1] += "  cheaper: --record it"
    for many in (what for what in counted if what.endswith(", many")):
        few = many.removesuffix("many") + "few"
        growth = counted[many] / counted[few]
        lines.append(f"{many.removesuffix(', many') + ': many over few bindings':45} {'':9} {'':9} {growth:>6.2f}")
        if growth > GROWTH:
            wrong.append(f"{many.removesuffix(', many')}: costs {growth:.2f} times as much on an account with many bindings")
    return lines, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    counted = count(args.program)
    if args.record:
        TABLE.write_text(json.dumps(counted, indent=1, sort_keys=True) + "\n")
    lines, wrong = judge(counted, json.loads(TABLE.read_text()))
    print(f"{'instructions for one':45} {'now':>9} {'recorded':>9} {'ratio':>6}", *lines, sep="\n")
    if wrong:
        sys.exit("instructions: " + "\n              ".join(wrong))


if __name__ == "__main__":
    main()
