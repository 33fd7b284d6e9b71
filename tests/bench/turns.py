"""Two processes that run in turns, one stopped while the other goes on, so that both meet the same machine.

What a machine does in a second that is shared with others changes by a tenth and more within a minute, which is more than what is to be told
apart. So neither runs for longer than a slice, and only its own slices count. What a server still does for a client that has been stopped is
what that one has in flight, a few hundredths of a slice, on both sides.
"""

import signal
import threading
import time

SLICE_SECONDS = 1.5


class Runner:
    """One of the two. Its owner starts the process, hands it over at once, and says when it is over."""

    def __init__(self):
        self.process, self.spans, self.over = None, [], threading.Event()
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
                process.send_signal(signal.SIGSTOP)

    def resume(self):
        with self.lock:
            self.spans.append([time.time(), None])
            self.process.send_signal(signal.SIGCONT)

    def pause(self):
        with self.lock:
            if not self.over.is_set():      # whoever is over is being ended, which it must live to see
                self.process.send_signal(signal.SIGSTOP)
                self.spans[-1][1] = time.time()

    def end(self):
        """It has done what it was to do, or will not."""
        with self.lock:
            self.over.set()

    def go_alone(self):
        """There are no turns any more, for one that is still to come neither."""
        with self.lock:
            self.alone = True
            running = self.spans and not self.spans[-1][1]
            if self.there.is_set() and not self.over.is_set() and not running:
                self.spans.append([time.time(), None])
                self.process.send_signal(signal.SIGCONT)

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
