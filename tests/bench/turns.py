"""Two processes that run in turns, one stopped while the other goes on, so that both meet the same machine.

What a machine does in a second that is shared with others changes by a tenth and more within a minute, which is more than what is to be told
apart. So neither runs for longer than a slice, and only its own slices count. What a server still does for a client that has been stopped, for
sixteen requests, is a hundredth of a slice, on both sides.
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

    def take(self, process):
        process.send_signal(signal.SIGSTOP)
        self.process = process
        self.there.set()

    def resume(self):
        self.spans.append([time.time(), None])
        self.process.send_signal(signal.SIGCONT)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.spans[-1][1] = time.time()

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
        if one.there.is_set() and not one.over.is_set():
            one.resume()
