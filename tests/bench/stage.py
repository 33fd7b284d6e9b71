"""A control plane of its own with the objects of a scenario in it."""

import contextlib
import json
import signal
import time

import objects
from audit import BenchError
from plane import Plane
from sides import OUT, Bare, favour, server_pids

LOAD_STREAMS, LOAD_CONNECTIONS = 64, 8
PAGE = 10000        # objects of one answer, where all are looked at


class Stage:
    """One plane, what is in it, and the two sides' ways to it."""

    def __init__(self, options, plane, progress, content, label):
        self.options, self.plane, self.progress, self.content, self.label = options, plane, progress, content, label
        self.bare = Bare(plane, progress)

    def step(self, text):
        self.progress.step(f"{self.label}: {text}")

    def send(self, mode, requests):
        """As fast as the server takes it, whoever the user may be."""
        return self.bare.run(mode, requests, LOAD_STREAMS, LOAD_CONNECTIONS)

    def load(self):
        self.step(f"loading {self.content.accounts} accounts, as many methods, {self.content.bindings} bindings")
        for stage in self.content.load_stages():
            self.send("load", stage)
        self.send("patch", self.content.provider_patches())
        time.sleep(1)   # what the server does after the last answer is no part of what follows

    def items(self):
        """(plural, object) of all that Tollgate gives a status."""
        for path in objects.LISTS[1:]:
            more = ""
            while more is not None:
                answer = json.loads(self.plane.kubectl("get", "--raw", f"{path}?limit={PAGE}&continue={more}", timeout=600).stdout)
                more = answer["metadata"].get("continue") or None
                for item in answer["items"]:
                    yield path.rsplit("/", 1)[1], {"metadata": item["metadata"], "status": item.get("status", {})}

    def check(self):
        """Every object must have the status that it should have."""
        faults = list(self.content.faults(self.items()))
        if faults:
            raise BenchError("\n  ".join(
                [f"{len(faults)} of {len(self.content.expected())} statuses are not as expected:", *faults[:5]]))


@contextlib.contextmanager
def stage(options, progress, content, label, folder="plane"):
    """A fresh control plane with the CRDs, nothing loaded yet. Two that are open at once need folders of their own."""
    progress.step(f"{label}: starting a control plane")
    # Of 100,000 objects a few versions each are kept: more than etcd's 2 GiB.
    with Plane(OUT / folder, audit=True, extra_args={"etcd": ["--quota-backend-bytes=8589934592"]}) as plane:
        plane.kubectl("apply", "-f", options.crds)
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
        # Its informers find the new kinds at some moment of the first half minute and would
        # list and watch them all: noise that falls on one side or the other.
        plane.stop_component("kube-controller-manager", signal.SIGKILL)
        if options.nice:
            for pid in server_pids(plane):     # sessions of their own
                favour(pid, options.nice)
        yield Stage(options, plane, progress, content, label)
