"""An API server, or what stands before it, that breaks HTTP in every way it can: answers that end too soon, too late, never, with other
things in them than promised. Real API server behind tests/local/damager.py. Whatever it is, tollgate ends in the right state, writes
nothing twice, says little about it, holds no more memory, and goes on."""

import asyncio
import collections
import contextlib
import gzip
import json
import os
import re
from pathlib import Path

import pytest

import audit
from client import GROUP, Client, until
from cluster import ACCOUNT, NAMESPACE, Tollgate, install
from conftest import ROOT, check_end
from damager import Damager, forward
from h2.errors import ErrorCodes
from plane import Plane
from test_runtime import one_line_a_change, problems, works

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="stands between it and its own API server")

LIST, WATCH = r"^GET .*/billingaccounts\?(?!.*watch=)", r"^GET .*/billingaccounts\?.*watch="
WRITE = r"^PATCH .*/billingaccountbindings/.*/status"
HTML = [("content-type", "text/html")]
PEAK, LINES = 64 << 20, 3  # bytes of memory at any time; lines at warn and above about one trouble


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with Plane(tmp_path_factory.mktemp("faults") / "plane", audit=True) as plane:
        install(plane)
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
        yield plane


@pytest.fixture(scope="module")
def c(plane):
    with contextlib.closing(Client(plane)) as client:
        yield client


@pytest.fixture
def through(plane, run, tmp_path):
    """through(fault, where, times, ...): a tollgate that meets this, and the proxy that does it. It need not be ready yet."""
    with contextlib.ExitStack() as stack:
        def start(fault, where, times=1, flags=(), **more):
            proxy = stack.enter_context(Damager(plane, **more))
            kubeconfig = plane.service_account_kubeconfig(tmp_path / "kubeconfig", NAMESPACE, ACCOUNT)
            proxy.damage(fault, where, times)
            tollgate = run(*flags, wait=False, kubeconfig=proxy.reroute(kubeconfig))
            stack.callback(check_end, tollgate)
            return tollgate, proxy
        yield start


@pytest.fixture(scope="module")
def world(c, plane, tmp_path_factory):
    """A project that waits for its account to pay, seen to by another tollgate before."""
    with Tollgate(plane, tmp_path_factory.mktemp("before"), "--log-format=json"):
        ns, project = works(c)
        until(lambda: marked(c, project))
        return ns, project


def marked(c, project):
    """The project's namespace says what its members read."""
    return c.get("Namespace", None, project)["metadata"].get("annotations", {}).get(f"{GROUP}/deploy-message") == c.verdict(project)[2]


def deed(c, world):
    """The account is suspended if it was not, else no more. What that takes is one write to each object it concerns."""
    ns, project = world
    phase, reason = (("Ready", "PaymentMethodRequired") if c.phase("BillingAccount", ns, "main") == "Suspended"
                     else ("Suspended", "AccountSuspended"))
    c.patch_status("BillingAccount", ns, "main", phase=phase)
    until(lambda: c.verdict(project)[1] == reason, timeout=60)
    [binding] = c.list("BillingAccountBinding", ns)
    until(lambda: c.condition("BillingAccountBinding", ns, binding["metadata"]["name"], "DeployAllowed")["reason"] == reason, timeout=60)
    until(lambda: marked(c, project), timeout=60)


def wrote(plane, offset):
    """{(verb, resource, name): how often it was done}, but for events."""
    return collections.Counter((one.verb, one.resource, one.name) for one in audit.writes(plane, offset)
                               if one.code in (200, 201) and one.resource != "events")


def peak(tollgate):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{tollgate.process.pid}/status").read_text())[1]) << 10


def survives(c, plane, world, tollgate, proxy, begins=2):
    offset = audit.size(plane)
    tollgate.wait_ready(60)
    deed(c, world)
    until(lambda: proxy.met, timeout=60)
    works(c)
    # A project's other words come in two steps: the old ones go, the new ones come (decision 26).
    again = {what: n for what, n in wrote(plane, offset).items()
             if n > (2 if what[1] == "namespaces" else 1) and what[2].split("/")[0] in world}
    assert not again, "written twice"
    assert tollgate.process.poll() is None
    assert len(problems(tollgate)) <= LINES, tollgate.log()
    one_line_a_change(tollgate, begins)
    if "TOLLGATE_BINARY" not in os.environ:  # a sanitizer keeps what was freed
        assert peak(tollgate) < PEAK
        descriptors = lambda: len(os.listdir(f"/proc/{tollgate.process.pid}/fd"))  # noqa: E731
        assert descriptors() < 40


# ------------------------------------------------------------- what goes wrong

def instead(status, body, *headers):
    """An answer of our own; the request never arrives."""
    async def fault(x):
        await x.begin(status, list(headers))
        await x.send(body)
        await x.end()
    return fault


def refusal(status, *headers, code=None, reason="Unknown"):
    return instead(status, json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "not now",
                                       "reason": reason, "code": code or status}).encode(), ("content-type", "application/json"), *headers)


def breaking(how, goes_on=False):
    """The answer begins, and in the middle of what it says first, a list or an event, this happens."""
    async def fault(x):
        answer = await x.fetch()
        await x.begin(answer.status, answer.headers)
        parts = answer.parts()
        part = await anext(parts)
        await x.send(part[:len(part) // 2])
        await how(x)
        if goes_on:
            await x.send(part[len(part) // 2:])
            await pass_on(x, parts)
    return fault


async def pass_on(x, parts):
    async for part in parts:
        await x.send(part)
    await x.end()


def applied(how):
    """All is done as asked for, and this becomes of the answer."""
    async def fault(x):
        await (await x.fetch()).body()
        await how(x)
    return fault


def with_length(change):
    """What it says of its length is not what it is."""
    async def fault(x):
        answer = await x.fetch()
        async for part in answer.parts():
            await x.begin(answer.status, [*answer.headers, ("content-length", str(change(len(part))))])
            await x.send(part)
            return await x.cut()
    return fault


def line_of(megabytes):
    async def fault(x):
        await x.begin(200)
        for _ in range(megabytes):
            await x.send(b'{"type":"MODIFIED","object":"' if _ == 0 else b"x" * (1 << 20))
        await x.end()
    return fault


async def zipped(x):
    """gzip, though nobody asked; an answer that can be had in one piece."""
    answer = await x.fetch()
    await x.begin(answer.status, [*answer.headers, ("content-encoding", "gzip")])
    async for part in answer.parts():
        await x.send(gzip.compress(part))
        if "watch=" in x.line:
            break
    await x.end()


async def slow(x):
    answer = await x.fetch()
    await x.begin(answer.status, answer.headers)
    async for part in answer.parts():
        for at in range(0, len(part), 16):
            await x.send(part[at:at + 16])
            await asyncio.sleep(0.001)
    await x.end()


async def silent(x):
    """Headers, and nothing for ever."""
    await x.begin(200, [("content-type", "application/json")])
    await asyncio.Event().wait()


async def expired(x):
    """An event that says: too old."""
    answer = await x.fetch()
    await x.begin(answer.status, answer.headers)
    async for _ in answer.parts():
        await x.send(json.dumps({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "too old resource version: 1 (2)",
            "reason": "Expired", "code": 410}}).encode() + b"\n")
        return await x.end()


async def goes_away(x):
    """As a server that is to be restarted: what it has taken goes on, the rest goes elsewhere."""
    await x.goaway(ErrorCodes.NO_ERROR, x.connection.h2.highest_inbound_stream_id)


async def away_with_error(x):
    await x.goaway(ErrorCodes.ENHANCE_YOUR_CALM, x.connection.h2.highest_inbound_stream_id)
    await x.cut()


async def not_taken(x):
    """The connection ends before this request: it has not been looked at, and is safe to repeat."""
    await x.goaway(ErrorCodes.NO_ERROR, max(0, x.stream - 2))


def reset(code):
    return lambda x: x.reset(code)


def raw(data):
    return lambda x: x.raw(data)


cut, end = (lambda x: x.cut()), (lambda x: x.end())

WATCHES = {
    "reset in mid-event": breaking(reset(ErrorCodes.INTERNAL_ERROR)),
    "cancelled in mid-event": breaking(reset(ErrorCodes.CANCEL)),
    "refused": reset(ErrorCodes.REFUSED_STREAM),
    "ends in mid-event": breaking(end),
    "connection cut in mid-event": breaking(cut),
    "goaway in mid-event": breaking(goes_away, goes_on=True),
    "goaway with an error": breaking(away_with_error),
    "goaway before it": not_taken,
    "more than its length": with_length(lambda n: n // 2),
    "less than its length": with_length(lambda n: n * 2),
    "gzip": zipped,
    "slow bytes": slow,
    "ends at once": instead(200, b""),
    "expired": expired,
    "expired at once": refusal(410, reason="Expired"),
    "429": refusal(429, reason="TooManyRequests"),
    "429 with Retry-After": refusal(429, ("retry-after", "1"), reason="TooManyRequests"),
    "503": refusal(503, reason="ServiceUnavailable"),
    "502 of a gateway": instead(502, b"<html>" + b"x" * 10000, *HTML),
    "a web page": instead(200, b"<html>Please log in.</html>\n", *HTML),
    "a line of 100 MB": line_of(100),
}


@pytest.mark.parametrize("fault", WATCHES)
def test_watch(c, plane, through, world, fault):
    survives(c, plane, world, *through(WATCHES[fault], WATCH, 2))


SILENCES = {
    "nothing comes": silent,
    "frame too large": breaking(raw(b"\xff" * 400)),                           # nghttp2 says so to the server, and reads no more
    "frame that is forbidden": breaking(raw(b"\0\0\4\x08\0\0\0\0\0" + b"\0\0\0\0")),  # a window that grows by nothing
    "headers that cannot be read": breaking(raw(b"\0\0\5\x01\4\0\0\0\1" + b"\xff" * 5)),  # no HPACK
}


@pytest.mark.parametrize("fault", SILENCES)
def test_silent_watch(c, plane, through, world, fault):
    """It began well, its connection lives, and nothing comes any more: after its idle timeout another one is asked."""
    # Twice; and once more when, on a slow machine, the end of the broken connection's other streams is noticed after all was well again.
    survives(c, plane, world, *through(SILENCES[fault], WATCH, 2, flags=["--watch-idle-timeout=2s"]), begins=3)


LISTS = {
    "reset in the middle": breaking(reset(ErrorCodes.INTERNAL_ERROR)),
    "ends in the middle": breaking(end),
    "connection cut in the middle": breaking(cut),
    "empty": instead(200, b""),
    "gzip": zipped,
    "slow bytes": slow,
    "expired": refusal(410, reason="Expired"),
    "429 with Retry-After": refusal(429, ("retry-after", "1"), reason="TooManyRequests"),
    "503": refusal(503, reason="ServiceUnavailable"),
    "a web page": instead(200, b"<html>Please log in.</html>", *HTML),
    "100 MB": line_of(100),
}


@pytest.mark.parametrize("fault", LISTS)
def test_list(c, plane, through, world, fault):
    survives(c, plane, world, *through(LISTS[fault], LIST, 2))


WRITES = {
    "not taken": not_taken,
    "refused": reset(ErrorCodes.REFUSED_STREAM),
    "reset": reset(ErrorCodes.INTERNAL_ERROR),
    "reset when it was applied": applied(reset(ErrorCodes.INTERNAL_ERROR)),
    "cut off when it was applied": applied(cut),
    "half the answer": breaking(end),
    "gzip": zipped,
    "slow bytes": slow,
    "answer of 100 MB": applied(line_of(100)),
    "answer about nothing": applied(instead(200, b"{}")),
    "429": refusal(429, reason="TooManyRequests"),
    "429 with Retry-After": refusal(429, ("retry-after", "1"), reason="TooManyRequests"),
    "503": refusal(503, reason="ServiceUnavailable"),
    "502 of a gateway": instead(502, b"<html>" + b"x" * 10000, *HTML),
    "502 of a gateway when it was applied": applied(instead(502, b"<html>")),
}


@pytest.mark.parametrize("fault", WRITES)
def test_write(c, plane, through, world, fault):
    survives(c, plane, world, *through(WRITES[fault], WRITE))


# ---------------------------------------------------------------- HTTP/1.1

OLD = {
    "watch cut in mid-chunk": (breaking(cut), WATCH),
    "watch with a chunk that is none": (breaking(raw(b"zzz\r\n")), WATCH),
    "watch with more than its length": (with_length(lambda n: n // 2), WATCH),
    "watch with less than its length": (with_length(lambda n: n * 2), WATCH),
    "watch of a line of 100 MB": (line_of(100), WATCH),
    "list cut in mid-chunk": (breaking(cut), LIST),
    "list with less than its length": (with_length(lambda n: n * 2), LIST),
    "list that is not HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), LIST),
    "write that is not answered": (cut, WRITE),
    "write cut off when it was applied": (applied(cut), WRITE),
}


@pytest.mark.parametrize("what", OLD)
def test_http1(c, plane, through, world, what):
    fault, where = OLD[what]
    survives(c, plane, world, *through(fault, where, protocol="http/1.1"))


def test_one_stream_at_a_time(c, plane, through, world):
    """More connections then: a watch that waits for another one to end would wait for ever."""
    tollgate, proxy = through(forward, WATCH, streams=1)
    survives(c, plane, world, tollgate, proxy)
    assert proxy.connections >= 8
