"""Two processes that run in turns, each with its control plane, one side stopped while the other goes on, so that both meet the same machine.

What a machine does in a second that is shared with others changes by a tenth and more within a minute, which is more than what is to be told
apart. So neither runs for longer than a slice, and only its own slices count. The servers are stopped as well: they collect garbage for half
a second now and then, and while they ran on, whose slice that fell into changed a run's ratio by several hundredths.
"""

import contextlib
import signal
import threading
import time

from plane import PlaneError
from sides import SERVERS

SLICE_SECONDS = 1.5


class Runner:
    """One of the two, at a plane of its own. Its owner starts the process, hands it over at once, and says when it is over."""

    def __init__(self, plane):
        self.plane, self.process, self.spans, self.over = plane, None, [], threading.Event()
        self.there = threading.Event()
        self.lock, self.alone, self.doomed = threading.Lock(), False, False

    def take(self, process):
        with self.lock:
            self.process = process
            self.there.set()
            if self.doomed:
                process.kill()
            elif self.alone:
                self.spans.append([time.time(), None])
            else:
                self._stop()

    def _stop_servers(self):
        for server in reversed(SERVERS):
            with contextlib.suppress(PlaneError):   # it has ended, which its client will say better
                self.plane.pause(server)

    def _stop(self):
        self.process.send_signal(signal.SIGSTOP)
        self._stop_servers()

    def wake_servers(self):
        for server in SERVERS:
            with contextlib.suppress(PlaneError):
                self.plane.resume(server)

    def _go_on(self):
        self.spans.append([time.time(), None])
        self.wake_servers()
        self.process.send_signal(signal.SIGCONT)

    def resume(self):
        with self.lock:
            self._go_on()

    def pause(self):
        with self.lock:
            if not self.over.is_set():      # whoever is over is being ended, which it must live to see
                self._stop()
                self.spans[-1][1] = time.time()

    def end(self):
        """It has done what it was to do, or will not."""
        with self.lock:
            self.over.set()

    def go_alone(self):
        """There are no turns any more, for one that is still to come neither. Who is over has its servers stopped until wake_servers()."""
        with self.lock:
            self.alone = True
            running = self.spans and not self.spans[-1][1]
            if self.over.is_set():
                self._stop_servers()
            elif self.there.is_set() and not running:
                self._go_on()

    def kill(self):
        """The other has failed."""
        with self.lock:
            self.doomed = True
            if self.process:
                self.process.kill()

    def active(self, moment):
        """For how many seconds it had run by then."""
        return sum(max(min(end or moment, moment) - begin, 0) for begin, end in self.spans)


def alternate(runners):
    """Until one of them is over; the other then goes on alone."""
    while not all(one.there.wait(0.1) for one in runners):
        if any(one.over.is_set() for one in runners):   # it has failed before it could begin
            break
    while not any(one.over.is_set() for one in runners):
        for one in runners:
            one.resume()
            if one.over.wait(SLICE_SECONDS):
                break
            one.pause()
    for one in runners:
        one.go_alone()
