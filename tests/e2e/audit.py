"""What tollgate really asked the API server for, from the audit log: the proof that it is quiet, and of its rights."""

import itertools
import json
import time
from collections import namedtuple

USER = "system:serviceaccount:tollgate-system:tollgate"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


Request = namedtuple("Request", "received agent verb resource name code")
# What an election is about, and questions that are asked by POST, are no writes of a leader.
NO_WRITES = {"leases", "tokenreviews", "subjectaccessreviews"}


def read(plane, offset):
    """Requests of tollgate since a byte offset; resource with its subresource. `received` is RFC 3339 with microseconds, so it sorts."""
    with open(plane.dir / "audit.log", "rb") as log:
        log.seek(offset)
        for line in log:
            if USER.encode() not in line or not line.endswith(b"\n"):
                continue
            event = json.loads(line)
            what = event.get("objectRef")
            if event["user"]["username"] != USER or not what:
                continue
            resource = what["resource"] + (f"/{what['subresource']}" if "subresource" in what else "")
            yield Request(event["requestReceivedTimestamp"], event.get("userAgent", ""), event["verb"], resource,
                          f"{what.get('namespace', '')}/{what.get('name', '')}", event.get("responseStatus", {}).get("code"))


def requests(plane, offset=0, agent=""):
    """[(verb, resource, name, code)] of tollgate, or of the process that has this in its user agent."""
    return [(one.verb, one.resource, one.name, one.code) for one in read(plane, offset) if agent in one.agent]


def writes(plane, offset=0):
    """What only a leader may do, each with when it came and from which process."""
    return [one for one in read(plane, offset) if one.verb in WRITES and one.resource not in NO_WRITES]


def one_at_a_time(plane, offset):
    """Writes of one process, then of another, never back to the first: a process that led once does not lead again."""
    ordered = sorted(writes(plane, offset), key=lambda one: one.received)
    turns = [agent for agent, _ in itertools.groupby(one.agent for one in ordered)]
    assert len(turns) == len(set(turns)), "\n".join(f"{one.received} {one.agent} {one.verb} {one.resource} {one.name}" for one in ordered)
    return turns


def granted(plane, kind, *where):
    """{(verb, resource)} of a Role or ClusterRole named tollgate, and which of them are about objects of given names alone."""
    rules = json.loads(plane.kubectl("get", kind, "tollgate", *where, "-o", "json").stdout)["rules"]
    of = lambda rules: {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}  # noqa: E731
    return of(rules), of(rule for rule in rules if "resourceNames" in rule)


def size(plane):
    return (plane.dir / "audit.log").stat().st_size


def writes_during(plane, seconds):
    """The writes of the next seconds. This is a measurement: the one place where a test lets time pass. A series of events that ends
    minutes later is no write of anybody's state."""
    offset = size(plane)
    time.sleep(seconds)
    return [one for one in requests(plane, offset) if one[0] in WRITES and one[:2] != ("patch", "events")]
