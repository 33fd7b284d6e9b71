"""The network between a Tollgate and its API server, under a test's control: a TCP proxy on 127.0.0.1 that delays, holds back, refuses and cuts
what goes through it. It sees bytes only, so TLS stays between the two. Standard library only.

    with Proxy(plane.ports["kube-apiserver"]) as proxy:
        proxy.reroute(kubeconfig)       # whoever uses that file comes this way
        proxy.blackhole()               # a partition: nothing arrives, and no connection ends
        proxy.blackhole(requests=False) # requests arrive, answers do not
        proxy.delay(3000, requests=False)  # slow answers
        proxy.refuse()                  # whoever connects anew is reset; what is connected goes on
        proxy.cut()                     # resets all that is connected
        proxy.pass_()                   # all is well again

Each call but cut() replaces the rule before it, for what is connected too, and holds when it returns. What a black hole held back arrives
when it ends, as TCP would send it again; cut() before pass_() loses it."""

import asyncio
import contextlib
import socket
import struct
import threading
from pathlib import Path

CHUNK, HELD_CHUNKS = 65536, 64  # of each connection and direction; then its sender feels that nobody reads


class _Way:
    """The rule for one direction. Only the proxy's own thread touches it."""

    def __init__(self):
        self.delay, self.open, self.changed = 0, True, asyncio.Event()

    def set(self, is_open=True, delay=0):
        self.open, self.delay = is_open, delay
        self.changed.set()
        self.changed = asyncio.Event()

    async def passes(self, came):
        """Returns when what came at that time may go on, by the rule of then."""
        while True:
            left = came + self.delay - asyncio.get_running_loop().time()
            if self.open and left <= 0:
                return
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed.wait(), left if self.open else None)


class Proxy:
    """Leads to a port of 127.0.0.1."""

    def __init__(self, target):
        self.target = target
        self.accepted = 0  # connections, since the start; refused ones too
        self._refuses, self._pairs, self._tasks = False, set(), set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._start)

    # -- rules

    def pass_(self):
        self._rule()

    def delay(self, ms, requests=True, answers=True):
        """Each byte arrives that much later."""
        self._rule(delays=[ms / 1000 * one for one in (requests, answers)])

    def blackhole(self, requests=True, answers=True):
        """Nothing arrives in these directions, connections and their ends included."""
        self._rule(opens=[not requests, not answers])

    def refuse(self):
        self._rule(refuses=True)

    def cut(self):
        async def cut():
            for pair in list(self._pairs):
                self._reset(*pair)
        self._do(cut)

    # -- use

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def connections(self):
        """How many are open."""
        return len(self._pairs)

    def reroute(self, kubeconfig):
        """Lets a kubeconfig lead here that led straight there."""
        path, there = Path(kubeconfig), f"https://127.0.0.1:{self.target}"
        text = path.read_text()
        assert there in text, f"{path} does not lead to {there}"
        path.write_text(text.replace(there, self.url))
        return path

    def close(self):
        """Also of whatever goes through it."""
        self._do(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- inside: all of it in the thread of the loop

    def _do(self, what):
        return asyncio.run_coroutine_threadsafe(what(), self._loop).result(timeout=10)

    def _rule(self, opens=(True, True), delays=(0, 0), refuses=False):
        async def rule():
            self._refuses = refuses
            for way, is_open, delay in zip(self._ways, opens, delays):
                way.set(is_open, delay)
        self._do(rule)

    async def _start(self):
        self._ways = _Way(), _Way()  # of requests, of answers
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self):
        self._server.close()
        for pair in list(self._pairs):
            self._reset(*pair)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self.accepted += 1
        self._tasks.add(asyncio.current_task())
        pair = writer, None
        try:
            if not self._refuses:
                there = await asyncio.open_connection("127.0.0.1", self.target)
                pair = writer, there[1]
                self._pairs.add(pair)
                await asyncio.gather(self._carry(reader, there[1], self._ways[0]), self._carry(there[0], writer, self._ways[1]))
        except OSError:
            pass
        finally:
            self._pairs.discard(pair)
            self._reset(*pair)
            self._tasks.discard(asyncio.current_task())

    async def _carry(self, reader, writer, way):
        """One direction, up to and with its end. What was read knows when, so that a delay is a delay and no limit to how much arrives."""
        held = asyncio.Queue(HELD_CHUNKS)
        reading = asyncio.ensure_future(self._read(reader, held))
        try:
            while True:
                came, data = await held.get()
                await way.passes(came)
                if isinstance(data, OSError):
                    raise data
                if not data:
                    return writer.write_eof()
                writer.write(data)
                await writer.drain()
        finally:
            reading.cancel()

    async def _read(self, reader, held):
        data = True
        while data and not isinstance(data, OSError):
            try:
                data = await reader.read(CHUNK)
            except OSError as error:
                data = error
            await held.put((self._loop.time(), data))

    @staticmethod
    def _reset(*writers):
        """Ends connections with a reset; those that have ended well do not feel it."""
        for writer in writers:
            if writer and not writer.transport.is_closing():
                done = writer.transport.get_extra_info("socket")
                done.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
