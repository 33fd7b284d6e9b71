#!/usr/bin/env python3
"""Puts the last results into docs/performance.md: the table between its markers, and the plots beside it. `make performance` runs it."""

import json
import sys

from bench import LATENCY_SIZE, OF_A_SIZE, PARTS, RESULTS, SIZES, name_of
from curves import plots
from sides import ROOT
from table import headings, lines

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
BEGIN, END = "<!-- table: written by `make performance` -->", "<!-- end of the table -->"


def missing(results):
    """What a whole run has and these have not."""
    there = {(one["of"], one["part"]) for one in results["measured"]}
    wanted = {(name_of(size), part) for size in SIZES for part in OF_A_SIZE - {"scrape"} if part != "latency" or size <= LATENCY_SIZE}
    return sorted(f"{of}: {part}" for of, part in wanted - there) + [part for part in PARTS if part not in OF_A_SIZE and part not in results]


def main():
    if not RESULTS.exists():
        sys.exit(f"document: there is no {RESULTS.relative_to(ROOT)}: run `make bench` first")
    results, text = json.loads(RESULTS.read_text()), PAGE.read_text()
    absent = missing(results)
    if absent and sys.argv[1:] != ["--partial"]:
        sys.exit(f"document: {RESULTS.relative_to(ROOT)} lacks {', '.join(absent)}, which would go from the page; "
                 "`make bench ARGS=--keep` adds to it, and `make performance ARGS=--partial` writes what there is")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"document: {PAGE.relative_to(ROOT)} must have the lines {BEGIN!r} and {END!r} once each")
    drawn = {name: plot.svg() for name, plot in plots(results).items() if plot.series}
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text("\n".join([f"{before}{BEGIN}", *(f"- {one}" for one in headings(results)), "", *lines(results["rows"]), "", f"{END}{after}"]))
    PLOTS.mkdir(exist_ok=True)
    for name, svg in drawn.items():
        (PLOTS / f"{name}.svg").write_text(svg)
    print("\n".join([f"document: {PAGE.relative_to(ROOT)} and its plots are of", *headings(results)]))


if __name__ == "__main__":
    main()
