"""Rows of the benchmark's one table, and its two shapes: for a terminal and for Markdown (they are the same)."""

import datetime
import os
import re
import statistics
import subprocess
from pathlib import Path

from sides import ROOT

HEAD = ["what", "measured", "target", "verdict"]
OK, MISSED = "ok", "MISSED"


class Table:
    """Rows in sections. A verdict is given where there is a target: `most` or `least`."""

    def __init__(self):
        self.rows = []      # {"section", "what", "measured", "target", "verdict", "value"}
        self.title = ""

    def section(self, title):
        self.title = title

    def row(self, what, measured, value=None, most=None, least=None, unit=""):
        """`measured` is the text; where there is a target, `value` is what is held against it, in `unit`."""
        target, verdict = "", ""
        if most is not None:
            target, verdict = f"<= {most:g}{unit}", OK if value <= most else MISSED
        if least is not None:
            target, verdict = f">= {least:g}{unit}", OK if value >= least else MISSED
        self.rows.append({"section": self.title, "what": what, "measured": measured, "target": target, "verdict": verdict, "value": value})

    def ratio(self, what, values, most=None, least=None, note=""):
        """The median of some runs' ratios, and their range."""
        median = statistics.median(values)
        span = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        text = f"{median:.2f}"
        if float(text) in (most, least) and median != float(text):      # else what is missed by a hair would look as if it were met
            text = f"{median:.4f}"
        self.row(what, f"{text}{span}{note}", round(median, 4), most, least)

    def missed(self):
        return [row for row in self.rows if row["verdict"] == MISSED]

    def verdicts(self):
        """Lines that say how it ended: first what is missed."""
        judged, missed = sum(bool(row["verdict"]) for row in self.rows), self.missed()
        return [*(f"MISSED: {row['section']}: {row['what'].lstrip('- ')}: {row['measured']} ({row['target']})" for row in missed),
                f"{len(missed)} of {judged} targets missed"]


def lines(rows):
    """The table as Markdown, its columns in line."""
    cells, section = [], None
    for row in rows:
        if row["section"] != section:
            section = row["section"]
            cells.append([f"**{section}**", "", "", ""])
        cells.append([row["what"], row["measured"], row["target"], row["verdict"]])
    widths = [max(len(row[i]) for row in [HEAD, *cells]) for i in range(len(HEAD))]
    return [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths))} |"
            for row in [HEAD, ["-" * width for width in widths], *cells]]


def mib(kib):
    return f"{kib / 1024:.1f} MiB"


def milliseconds(seconds):
    return f"{seconds * 1000:.2f} ms"


def short(count):
    """1000 as 1k"""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())

    def git(*arguments):
        return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True).stdout.strip()
    changed = "-changed" if git("status", "--porcelain", "--untracked-files=no") else ""
    return {"date": datetime.date.today().isoformat(), "commit": git("rev-parse", "--short", "HEAD") + changed,
            "cores": os.cpu_count(), "processor": model[1] if model else "", "kernel": os.uname().release}


def headings(results):
    """The machine, and when, of which commit and how each part was measured: parts may come from several starts of the benchmark."""
    machine, groups = results["machine"], {}
    for measured in results["measured"]:
        groups.setdefault((measured["date"], measured["commit"], measured["how"]), {}).setdefault(measured["of"], []).append(measured["part"])
    yield f"{machine['cores']} x {machine['processor']}, Linux {machine['kernel']}"
    for (date, commit, how), parts in groups.items():
        every = "; ".join(f"{of}: {', '.join(names)}" for of, names in parts.items())
        yield f"{date}, commit {commit}, {how}: {every}"
