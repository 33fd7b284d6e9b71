"""Cost curves as SVG: what grows with the number of bindings, Tollgate beside the bare loop, both axes logarithmic.

Written by hand, no library: a line a series, named at its end. Colours are of the kind that is read on white and on black.
"""

import math
import statistics
from html import escape

from convergence import same_calls_cpu

WIDTH, HEIGHT = 784, 400
LEFT, RIGHT, TOP, BOTTOM = 84, 240, 46, 52
LABEL_APART = 16        # pixels between the names at the lines' ends

STYLE = """\
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .quiet { fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } .grid { stroke: #3d444d } .ground { fill: #0d1117 }
  }"""
COLOURS = ["#1f7ae0", "#d9822b", "#2da44e", "#a56eff"]


class Plot:
    """`series`: {name: [(bindings, value), ...]}; `unit` stands at the axis."""

    def __init__(self, title, unit, series):
        self.title, self.unit = title, unit
        self.series = {name: points for name, points in series.items() if points}
        every = [point for points in self.series.values() for point in points]
        self.across = self._decades([x for x, _ in every])
        self.up = self._decades([y for _, y in every])

    @staticmethod
    def _decades(values):
        if not values:      # nothing to draw: document.py leaves it out
            return 0, 1
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return low, max(high, low + 1)

    def x(self, value):
        low, high = self.across
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = self.up
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def svg(self):
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">',
                 f"<style>\n{STYLE}\n</style>", f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
                 f'<text class="title" x="{LEFT}" y="24">{escape(self.title)}</text>', *self._grid(), *self._lines(), "</svg>", ""]
        return "\n".join(parts)

    def _grid(self):
        for power in range(self.up[0], self.up[1] + 1):
            y = self.y(10 ** power)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="quiet" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10 ** power:g}{self.unit}</text>'
        for power in range(self.across[0], self.across[1] + 1):
            x = self.x(10 ** power)
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            yield f'<text class="quiet" x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{10 ** power:,}</text>'
        yield f'<text class="quiet" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">bindings</text>'

    def _lines(self):
        ends = self._label_heights()
        for (name, points), colour in zip(self.series.items(), COLOURS):
            path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
            yield f'<polyline class="line" stroke="{colour}" points="{path}"/>'
            for x, y in points:
                yield (f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="4" fill="{colour}">'
                       f"<title>{escape(name)}, {x:,} bindings: {y:.3g}{self.unit}</title></circle>")
            yield (f'<text x="{self.x(points[-1][0]) + 12:.1f}" y="{ends[name] + 4:.1f}" style="fill: {colour}">'
                   f"{escape(name)}, {points[-1][1]:.3g}{self.unit}</text>")

    def _label_heights(self):
        """Names that would lie on each other are moved apart, the lowest line's first."""
        heights, floor = {}, HEIGHT
        for name, points in sorted(self.series.items(), key=lambda one: -self.y(one[1][-1][1])):
            floor = heights[name] = min(self.y(points[-1][1]), floor - LABEL_APART)
        return heights


def plots(results):
    """{file name: Plot} of what was measured."""
    sizes = sorted((int(size), found) for size, found in results["sizes"].items())
    runs = [(size, found["convergence"]) for size, found in sizes if found.get("convergence")]
    again = [(size, found["restart"]) for size, found in sizes if found.get("restart")]

    def line(measured, value):
        return [(size, statistics.median(value(one) for one in each)) for size, each in measured]
    return {
        "time": Plot("From a cold start to the last status, and from a restart to ready", " s", {
            "Tollgate, cold": line(runs, lambda one: one["tollgate"]["seconds"]),
            "bare PATCH loop": line(runs, lambda one: one["bare"]["seconds"]),
            "Tollgate, restart": line(again, lambda one: one["ready_seconds"]),
            "bare LIST": line(again, lambda one: one["bare_list_seconds"])}),
        "memory": Plot("Memory", " MiB", {
            "peak, cold start": line(runs, lambda one: one["tollgate"]["memory_kib"]["peak"] / 1024),
            "after sync": line(again, lambda one: one["memory_kib"]["rss"] / 1024),
            "the objects as JSON": line(again, lambda one: one["list_bytes"] / 1024 ** 2)}),
        "cpu": Plot("CPU of a cold start, and of a restart until ready", " s", {
            "Tollgate, cold": line(runs, lambda one: one["tollgate"]["cpu_seconds"]),
            "bare loop, same calls": line(runs, same_calls_cpu),
            "Tollgate, restart": line(again, lambda one: one["ready_cpu_seconds"]),
            "bare LIST": line(again, lambda one: one["bare_list_cpu_seconds"])})}
