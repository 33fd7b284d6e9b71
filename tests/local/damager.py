"""An API server that misbehaves, for tests of what a real one won't do: a proxy on 127.0.0.1 that ends TLS, speaks HTTP/2 or HTTP/1.1 to
Tollgate, passes requests on to the real API server, and mistreats the answers that it is told to. So what comes of it can be asked of the
real one. Needs the h2 module.

    with Damager(plane) as proxy:
        proxy.reroute(kubeconfig)
        proxy.damage(fault, "GET .*/invoices[?].*watch=", times=2)   # the next two requests whose line this finds
        proxy.met                                                    # how many of them have come

A fault is `async def fault(x)` with the Exchange in place of an answer; `forward` is none at all. It runs in the thread of the proxy."""

import asyncio
import contextlib
import re
import ssl

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from proxy import Proxy

STREAMS = 250  # on one connection at a time, as kube-apiserver has it
OF_A_CONNECTION = {"connection", "host", "content-length", "transfer-encoding", "accept-encoding"}


class Damager(Proxy):
    """Leads to the API server of a plane, in whose name it speaks."""

    def __init__(self, plane, protocol="h2", streams=STREAMS):
        pki = plane.dir / "pki"
        self.streams, self._protocol = streams, {"h2": _Http2, "http/1.1": _Http1}[protocol]
        self._here, self._there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=pki / "ca.crt")
        self._here.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        self._here.set_alpn_protocols([protocol])
        self.damage(None, "$.", times=0)
        super().__init__(plane.ports["kube-apiserver"])

    def damage(self, fault, where, times=1):
        self._damage = fault, re.compile(where), times
        self.met = 0

    async def _start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._here)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self.accepted += 1
        self._tasks.add(asyncio.current_task())
        pair = writer, None
        self._pairs.add(pair)
        try:
            await self._protocol(self, reader, writer).run()
        except (OSError, EOFError, h2.exceptions.ProtocolError, asyncio.CancelledError):  # the client went, as it may, or we do
            pass
        finally:
            self._pairs.discard(pair)
            self._reset(writer)
            self._tasks.discard(asyncio.current_task())

    async def answer(self, x):
        """As it is, or as it is told to."""
        fault, where, times = self._damage
        chosen = self.met < times and where.search(x.line)
        self.met += bool(chosen)
        with contextlib.suppress(OSError, EOFError, h2.exceptions.ProtocolError):
            await (fault if chosen else forward)(x)

    async def fetch(self, x):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target, ssl=self._there)
        lines = [f"{x.line} HTTP/1.1", f"Host: 127.0.0.1:{self.target}", "Connection: close", f"Content-Length: {len(x.body)}",
                 *(f"{name}: {value}" for name, value in x.headers if name.lower() not in OF_A_CONNECTION and name[0] != ":")]
        writer.write("\r\n".join([*lines, "", ""]).encode() + x.body)
        status = int((await reader.readline()).split()[1])
        return _Answer(status, await _headers(reader), reader, writer)


async def forward(x):
    answer = await x.fetch()
    await x.begin(answer.status, answer.headers)
    async for part in answer.parts():
        await x.send(part)
    await x.end()


async def _headers(reader):
    found = []
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        found.append((name, value.strip()))
    return found


class _Answer:
    """The real API server's: status, headers without those of its connection, and a body."""

    def __init__(self, status, headers, reader, writer):
        self._chunked = ("transfer-encoding", "chunked") in [(name.lower(), value) for name, value in headers]
        self.status, self.headers = status, [(name.lower(), value) for name, value in headers if name.lower() not in OF_A_CONNECTION]
        self._reader, self._writer = reader, writer

    async def parts(self):
        """As they come: of a watch, each is an event."""
        try:
            while self._chunked and (length := int(await self._reader.readline(), 16)):
                yield await self._reader.readexactly(length)
                await self._reader.readline()
            while not self._chunked and (part := await self._reader.read(65536)):
                yield part
        finally:
            self._writer.close()

    async def body(self):
        return b"".join([part async for part in self.parts()])


class Exchange:
    """A request, and the ways to answer it: begin(), send() as often as need be, end(); or cut(), the connection's end. What goes out by
    raw() goes out as it is. `connection` is the one it came on."""

    def __init__(self, connection, line, headers, body):
        self.connection, self.line, self.headers, self.body = connection, line, headers, body

    async def fetch(self):
        return await self.connection.proxy.fetch(self)

    async def raw(self, data):
        self.connection.writer.write(data)
        await self.connection.writer.drain()

    async def cut(self):
        await self.connection.writer.drain()
        self.connection.writer.close()


# ---------------------------------------------------------------- HTTP/1.1

class _Http1:
    def __init__(self, proxy, reader, writer):
        self.proxy, self.reader, self.writer = proxy, reader, writer

    async def run(self):
        while line := (await self.reader.readline()).decode():
            headers = await _headers(self.reader)
            length = int(next((value for name, value in headers if name.lower() == "content-length"), 0))
            body = await self.reader.readexactly(length)
            # A client that goes is seen when something is sent, or at the end of the test.
            await self.proxy.answer(_Exchange1(self, line.rpartition(" ")[0], headers, body))


class _Exchange1(Exchange):
    """In chunks, unless begun with a content-length."""

    async def begin(self, status, headers=()):
        self._chunked = not any(name == "content-length" for name, _ in headers)
        more = [("transfer-encoding", "chunked")] if self._chunked else []
        await self.raw("\r\n".join([f"HTTP/1.1 {status} -", *(f"{n}: {v}" for n, v in [*headers, *more]), "", ""]).encode())

    async def send(self, data):
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)

    async def end(self):
        await self.raw(b"0\r\n\r\n" if self._chunked else b"")


# ---------------------------------------------------------------- HTTP/2

class _Http2:
    def __init__(self, proxy, reader, writer):
        self.proxy, self.reader, self.writer = proxy, reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.local_settings = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: proxy.streams})
        self.requests, self.tasks, self.changed = {}, {}, asyncio.Event()

    async def run(self):
        self.h2.initiate_connection()
        self.flush()
        try:
            while data := await self.reader.read(65536):
                for event in self.h2.receive_data(data):
                    self.take(event)
                self.flush()
                self.changed.set()
                self.changed = asyncio.Event()
        finally:
            for task in self.tasks.values():
                task.cancel()

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            fields = dict(event.headers)
            self.requests[event.stream_id] = _Exchange2(self, f"{fields[':method']} {fields[':path']}", event.headers, b"")
            self.requests[event.stream_id].stream = event.stream_id
        elif isinstance(event, h2.events.DataReceived):
            self.requests[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answering = asyncio.ensure_future(self.proxy.answer(self.requests.pop(event.stream_id)))
            self.tasks[event.stream_id] = answering
        elif isinstance(event, h2.events.StreamReset) and event.stream_id in self.tasks:
            self.tasks[event.stream_id].cancel()


class _Exchange2(Exchange):
    async def begin(self, status, headers=()):
        self.connection.h2.send_headers(self.stream, [(":status", str(status)), *headers])
        self.connection.flush()

    async def send(self, data):
        """As the windows allow."""
        of = self.connection
        while data:
            n = min(len(data), of.h2.local_flow_control_window(self.stream), of.h2.max_outbound_frame_size)
            if n == 0:
                await of.changed.wait()
                continue
            of.h2.send_data(self.stream, data[:n])
            of.flush()
            await of.writer.drain()
            data = data[n:]

    async def end(self):
        self.connection.h2.end_stream(self.stream)
        self.connection.flush()

    async def reset(self, code):
        self.connection.h2.reset_stream(self.stream, code)
        self.connection.flush()

    async def goaway(self, code, last):
        """The connection takes no more requests, and those after `last` it has not taken; the others may go on."""
        await self.raw(GoAwayFrame(0, last_stream_id=last, error_code=code).serialize())
