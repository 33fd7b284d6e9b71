"""tests/local/proxy.py, before anybody relies on it: a server that answers in capitals, and what its client hears of it."""

import socket
import socketserver
import threading
import time

import pytest

from client import settles, until
from proxy import Proxy

SILENCE_S = 0.3  # to hear nothing for that long is to hear nothing


class Capitals(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(65536):
                self.server.heard += data
                self.request.sendall(data.upper())
        except OSError:
            self.server.resets += 1


@pytest.fixture
def server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Capitals) as server:
        server.daemon_threads, server.heard, server.resets = True, b"", 0
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(server):
    with Proxy(server.server_address[1]) as proxy:
        yield proxy


@pytest.fixture
def dial(proxy):
    clients = []

    def connect():
        clients.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=10))
        return clients[-1]
    yield connect
    for client in clients:
        client.close()


def hears(client, wanted):
    heard = b""
    while len(heard) < len(wanted):
        data = client.recv(65536)
        assert data, f"ended after {heard[-100:]}"
        heard += data
    assert heard == wanted
    return True


def hears_nothing(client):
    client.settimeout(SILENCE_S)
    with pytest.raises(socket.timeout):
        client.recv(1)
    client.settimeout(10)
    return True


def talks(client, text=b"hello"):
    client.sendall(text)
    return hears(client, text.upper())


def test_passes_whatever_comes_up_to_its_end(proxy, dial, server):
    one, other = dial(), dial()
    assert talks(one) and talks(other) and proxy.connections == proxy.accepted == 2
    large = b"x" * (8 << 20)
    threading.Thread(target=one.sendall, args=(large,)).start()
    assert hears(one, large.upper())
    one.shutdown(socket.SHUT_WR)
    assert one.recv(1) == b""
    settles(lambda: (proxy.connections, server.resets), (1, 0))


@pytest.mark.parametrize("requests, answers", [(True, True), (True, False), (False, True)])
def test_black_hole_holds_back_and_ends_nothing(proxy, dial, server, requests, answers):
    client = dial()
    assert talks(client)
    proxy.blackhole(requests=requests, answers=answers)
    client.sendall(b"again")
    if not requests:
        settles(lambda: server.heard, b"helloagain")
    assert hears_nothing(client) and proxy.connections == 1
    assert server.heard == (b"hello" if requests else b"helloagain")
    late = dial()  # as TCP connects to a machine whose program does not answer
    late.sendall(b"late")
    assert hears_nothing(late)
    proxy.pass_()
    assert hears(client, b"AGAIN") and hears(late, b"LATE") and talks(client)


def test_black_hole_hides_who_has_gone(proxy, dial, server):
    client = dial()
    assert talks(client)
    proxy.blackhole()
    client.close()
    until(lambda: hears_nothing(dial()))
    assert proxy.connections == 2
    proxy.pass_()
    settles(lambda: proxy.connections, 1)


def test_cut_resets_both_sides_and_loses_what_was_held(proxy, dial, server):
    client = dial()
    assert talks(client)
    proxy.blackhole()
    client.sendall(b"lost")
    assert hears_nothing(client)
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    settles(lambda: server.resets, 1)
    proxy.pass_()
    assert talks(dial(), b"found") and server.heard == b"hellofound"


def test_refuses_who_is_new(proxy, dial):
    client = dial()
    assert talks(client)
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        dial().recv(1)
    assert talks(client)
    proxy.pass_()
    assert talks(dial())


def test_delays_each_way_by_itself_and_all_bytes_alike(proxy, dial):
    client = dial()

    def takes(count=1):
        begun = time.monotonic()
        for _ in range(count):
            client.sendall(b"x" * 100000)
        assert hears(client, b"X" * 100000 * count)
        return time.monotonic() - begun
    for directions in ({"requests": False}, {"answers": False}):
        proxy.delay(1000, **directions)
        assert 1 <= takes() < 2
    proxy.delay(300)
    assert 0.6 <= takes(20) < 3  # at 64 KiB after the other it would be 9
    proxy.delay(60000)
    client.sendall(b"hello")
    assert hears_nothing(client)
    proxy.pass_()
    assert hears(client, b"HELLO")


def test_nobody_at_home_is_a_reset(dial, proxy, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionResetError):
        dial().recv(1)


def test_reroutes_a_kubeconfig(proxy, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(f"server: https://127.0.0.1:{proxy.target}\n")
    assert proxy.reroute(path).read_text() == f"server: {proxy.url}\n"
    with pytest.raises(AssertionError):
        proxy.reroute(path)
