"""How far the benchmark is: on a terminal one line that is rewritten, else a line now and then."""

import sys
import time

BAR_CELLS = 24
SPARSE_SECONDS = 20     # between two lines where there is no terminal


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Progress:
    def __init__(self):
        self.began, self.text, self.terminal = time.time(), "", sys.stderr.isatty()

    def step(self, text):
        """From now on it is doing this."""
        self.text, self.shown, self.done = text, time.time(), None
        self._show("")
        self.shown = 0 if self.terminal else time.time()

    def tick(self, detail):
        """Nothing is known of the end: says what there is."""
        self._now_and_then(detail)

    def bar(self, done, whole):
        """So much of it is done; a step may have one bar after the other."""
        if self.done is None or done < self.done:
            self.bar_began = time.time()
        self.done = done
        share, passed = done / whole if whole else 1, time.time() - self.bar_began
        left = f", {minutes(passed / share * (1 - share))} left" if share > 0.02 and passed > 2 else ""
        full = round(min(share, 1) * BAR_CELLS)
        self._now_and_then(f"[{'#' * full}{'.' * (BAR_CELLS - full)}] {share:4.0%}, {done} of {whole}{left}")

    def clear(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _now_and_then(self, detail):
        if time.time() - self.shown >= (0.3 if self.terminal else SPARSE_SECONDS):
            self.shown = time.time()
            self._show(detail)

    def _show(self, detail):
        line = f"bench {minutes(time.time() - self.began)}  {self.text}{'  ' if detail else ''}{detail}"
        print(f"\r\033[K{line}" if self.terminal else line, end="" if self.terminal else "\n", file=sys.stderr, flush=True)
