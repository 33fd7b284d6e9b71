"""What reached the API server, by its own account: the audit log of a plane, read from where it was when this began."""

import datetime
import json

WRITES = {"create", "update", "patch", "delete"}


class BenchError(Exception):
    """Something a person has to know: the message is complete."""


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Request:
    """One that was answered: what (verb, resource, subresource), of which object, its HTTP status, when it was answered."""

    __slots__ = ("what", "namespace", "name", "code", "at")

    def __init__(self, event):
        about = event.get("objectRef", {})
        self.what = " ".join((event["verb"], about.get("resource", event["requestURI"]), about.get("subresource", ""))).strip()
        self.namespace, self.name = about.get("namespace"), about.get("name")
        self.code, self.at = event["responseStatus"]["code"], moment(event["stageTimestamp"])


class Audit:
    def __init__(self, plane):
        self.path = plane.dir / "audit.log"
        self.offset = self.path.stat().st_size

    def requests(self, agent, verbs, stage="ResponseComplete"):
        """Those of one client, in the order of the log; `stage`: ResponseStarted is a watch that has begun."""
        marks = [f'"verb":"{verb}"'.encode() for verb in verbs]
        for line in self._lines():
            if f'"{agent}'.encode() not in line or not any(mark in line for mark in marks):
                continue
            event = json.loads(line)
            if event["verb"] in verbs and event["stage"] == stage and event.get("userAgent", "").startswith(agent):
                yield Request(event)

    def writes(self, agent):
        """Reads of single objects count as well, but not GET /version, by which Tollgate stirs a connection (controller/http.c)."""
        return [one for one in self.requests(agent, WRITES | {"get"}) if one.what != "get /version"]

    def watches(self, agent):
        """Those that have begun."""
        return [one for one in self.requests(agent, {"watch"}, "ResponseStarted") if one.code == 200]

    def _lines(self):
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            for line in file:
                if line.endswith(b"\n"):    # the last may be still on its way
                    yield line


def last(writes, ending=""):
    """When the last write was answered, of those whose name ends so."""
    return max((one.at for one in writes if one.what.endswith(ending)), default=0)


def counts(writes):
    """{"patch billingaccounts status": n, ...}, refused ones under "409 patch ..."."""
    result = {}
    for one in writes:
        name = one.what if one.code < 300 else f"{one.code} {one.what}"
        result[name] = result.get(name, 0) + 1
    return dict(sorted(result.items()))


def statuses(count):
    """How many writes of a status are among counts()."""
    return sum(n for what, n in count.items() if what.endswith(" status"))
