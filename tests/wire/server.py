#!/usr/bin/env python3
"""Scripted servers for tests/unit/http_test.c: the path of a request says how it is answered, or mistreated.

Listens on loopback: HTTP/1.1 in clear, HTTP/1.1 over TLS, HTTP/2 over TLS (0 without the h2 module) and a CONNECT proxy. Says on
stdout where, and where the certificates are:

    http 1111 https 2222 h2 3333 proxy 4444 dir /tmp/...

then answers each line on stdin with the log since the last one, ended by a line ".". Ends with stdin. The line `release` lets those go
on that wait for it, until the line `hold`. Log lines: `KIND connection`, `KIND closed`, `KIND METHOD PATH` and, on request, what a test wants to know about the
request.
"""
import email.utils
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions
except ImportError:
    h2 = None

TOGETHER = 64  # streams that /together waits for
log_lines = []
log_lock = threading.Lock()
never, released = threading.Event(), threading.Event()


def log(line):
    with log_lock:
        log_lines.append(line)


# ---------------------------------------------------------------- certificates

def make_certificates(folder):
    """An authority, a server (127.0.0.1, tollgate.test), two clients, and a stranger who signed himself."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=wire ca")
    openssl("req", "-x509", *ec, "-keyout", "stranger.key", "-out", "stranger.crt", "-subj", "/CN=stranger")
    for name, usage, san in (("server", "serverAuth", "IP:127.0.0.1,DNS:tollgate.test"), ("client", "clientAuth", "DNS:client"),
                             ("client2", "clientAuth", "DNS:client2")):
        with open(os.path.join(folder, f"{name}.ext"), "w") as extensions:
            extensions.write(f"extendedKeyUsage={usage}\nsubjectAltName={san}\n")
        openssl("req", *ec, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.crt")


def tls(folder, *protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.crt"), os.path.join(folder, "server.key"))
    context.load_verify_locations(os.path.join(folder, "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(list(protocols))
    context.sni_callback = lambda sock, name, _: setattr(sock, "wanted_name", name)
    return context


def peer_name(conn):
    return dict(pair[0] for pair in (conn.getpeercert() or {}).get("subject", ())).get("commonName")


def describe_tls(conn):
    if not isinstance(conn, ssl.SSLSocket):
        return ""
    return f"sni: {getattr(conn, 'wanted_name', None)}\npeer: {peer_name(conn)}\n{conn.version()}\n"


# ---------------------------------------------------------------- HTTP/1.1

class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name), None)


def read_request(reader):
    """The next request of a connection, None at its end."""
    line = reader.readline().decode()
    if not line.strip():
        return None
    method, path, _ = line.split()
    headers = []
    while (line := reader.readline().decode().strip()):
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    request = Request(method, path, headers, b"")
    if path != "/slurp":
        request.body = reader.read(int(request.header("content-length") or 0))
    return request


def answer(body=b"", status="200 OK", *headers):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def slowly(conn, data, pause):
    for i in range(len(data)):
        conn.sendall(data[i:i + 1])
        time.sleep(pause)


def wait_for_end(conn):
    """Says nothing more until the client goes."""
    while conn.recv(4096):
        pass
    return False


def unauthorized(conn, request):
    token = request.header("authorization")
    log(f"authorization {token} body {len(request.body)}")
    if token == "Bearer new":
        conn.sendall(answer(b"welcome"))
    else:
        conn.sendall(answer(b"who are you", "401 Unauthorized"))


def peer(conn, request):
    """Welcomes who shows the certificate that the path names."""
    known = request.path.rpartition("/")[2] == peer_name(conn)
    log(f"peer {peer_name(conn)} body {len(request.body)}")
    conn.sendall(answer(b"welcome") if known else answer(b"who are you", "401 Unauthorized"))


def slurp(conn, request):
    """Takes nothing of the body before it is released, and then all that still comes."""
    released.wait()
    try:
        while conn.recv(65536):
            pass
        log("slurped")
    except ConnectionResetError:
        log("slurp reset")
    return False


def retry_after(conn, request):
    form = request.path.rpartition("/")[2]
    value = {"date": email.utils.formatdate(time.time() + 90, usegmt=True), "past": "Thu, 01 Jan 1998 00:00:00 GMT"}.get(form, form)
    conn.sendall(answer(b"{}", "429 Too Many Requests", f"Retry-After: {value}"))


def echo(conn, request):
    text = f"{request.method} {request.path}\n" + "".join(f"{k}: {v}\n" for k, v in request.headers)
    conn.sendall(answer((text + describe_tls(conn)).encode() + b"\n" + request.body))


def chunked(conn, request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    slowly(conn, b"3\r\nhel\r\n2\r\nlo\r\n7\r\n, world\r\n0\r\n\r\n", 0)


def drip(conn, request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not never.wait(0.03):
        conn.sendall(b"1\r\nx\r\n")


def half_then_silence(conn, request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    return wait_for_end(conn)


def send_and_close(data):
    def handle(conn, request):
        conn.sendall(data)
        return False
    return handle


def send(data):
    return lambda conn, request: conn.sendall(data)


BEHAVIOURS = {
    "/hello": send(answer(b"hello, world")),
    "/length": lambda conn, request: slowly(conn, answer(b"hello, world"), 0),
    "/chunked": chunked,
    "/slow-headers": lambda conn, request: slowly(conn, answer(b"hello, world"), 0.002),
    "/until-close": send_and_close(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello, world"),
    "/interim": send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"hello, world")),
    "/none": send(answer(b"", "204 No Content").replace(b"Content-Length: 0\r\n", b"")),
    "/cut": send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
    "/cut-chunked": send_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    "/cut-headers": send_and_close(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "/no-answer": send_and_close(b""),
    "/garbage": send_and_close(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "/too-long": send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world and then some"),
    "/redirect": send(answer(b"elsewhere", "302 Found", "Location: /hello")),
    "/many-headers": send(answer(b"hello", "200 OK", *(f"X-Filler-{i}: {'x' * 1000}" for i in range(80)))),
    "/endless-header": send_and_close(b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 300000),
    "/echo": echo,
    "/retry": retry_after,
    "/unauthorized": unauthorized,
    "/peer": peer,
    "/slurp": slurp,
    "/silent": lambda conn, request: wait_for_end(conn),
    "/half-then-silence": half_then_silence,
    "/drip": drip,
}


def serve_http1(conn, kind):
    reader = conn.makefile("rb")
    while (request := read_request(reader)):
        log(f"{kind} {request.method} {request.path}")
        name = "/" + request.path[1:].partition("/")[0].partition("?")[0]
        if BEHAVIOURS[name](conn, request) is False:
            return


# ---------------------------------------------------------------- CONNECT proxy

def pump(source, sink):
    while (data := source.recv(65536)):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def serve_proxy(conn, kind):
    request = read_request(conn.makefile("rb", buffering=0))
    log(f"{kind} {request.method} {request.path}")
    log(f"proxy saw authorization {request.header('authorization')}")
    host, _, port = request.path.rpartition(":")
    # Every name is this machine: what was asked for is in the log.
    with socket.create_connection(("127.0.0.1", int(port))) as target:
        conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=quietly, args=(pump, target, conn), daemon=True)
        back.start()
        pump(conn, target)
        back.join()


# ---------------------------------------------------------------- HTTP/2

class Http2:
    """One connection: streams are answered as soon as their request is complete, bodies as the windows allow."""

    def __init__(self, conn, kind):
        self.conn, self.kind = conn, kind
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests, self.bodies, self.waiting, self.dripping, self.held, self.unread = {}, {}, [], [], [], []

    def receive(self):
        """The next bytes, b"" at the end; while streams drip a byte goes out on each every 30 ms."""
        self.conn.settimeout(0.03 if self.dripping or self.held or self.unread else None)
        while True:
            try:
                return self.conn.recv(65536)
            except TimeoutError:
                for stream in self.dripping:
                    self.h2.send_data(stream, b"x")
                if released.is_set():
                    for stream in self.held:
                        self.start(stream, 200, b"at last")
                    for n, stream in self.unread:
                        self.h2.acknowledge_received_data(n, stream)
                    self.held, self.unread = [], []
                    self.send_bodies()
                self.flush()

    def give_up(self, stream):
        """What came of a request that will not be complete."""
        if stream in self.requests:
            log(f"{self.kind} had {len(self.requests.pop(stream).body)} bytes")

    def run(self):
        try:
            self.work()
        finally:
            for stream in list(self.requests):
                self.give_up(stream)

    def work(self):
        self.h2.initiate_connection()
        self.flush()
        while (data := self.receive()):
            for event in self.h2.receive_data(data):
                if self.handle(event) is False:
                    return
            self.send_bodies()
            self.flush()

    def flush(self):
        self.conn.sendall(self.h2.data_to_send())

    def handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            headers = [(k, v) for k, v in event.headers]
            fields = dict(headers)
            self.requests[event.stream_id] = Request(fields[":method"], fields[":path"], headers, b"")
            log(f"{self.kind} begins {fields[':path']}")
        elif isinstance(event, h2.events.DataReceived):
            request = self.requests[event.stream_id]
            request.body += event.data
            if request.path == "/slurp":  # no more than the window holds, until it is released
                self.unread.append((event.flow_controlled_length, event.stream_id))
            else:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            return self.answer(event.stream_id, self.requests.pop(event.stream_id))
        elif isinstance(event, h2.events.StreamReset):
            log(f"{self.kind} reset")
            self.give_up(event.stream_id)
            self.bodies.pop(event.stream_id, None)
            self.dripping = [stream for stream in self.dripping if stream != event.stream_id]
        return None

    def start(self, stream, status, body, *headers):
        self.h2.send_headers(stream, [(":status", str(status)), *headers])
        self.bodies[stream] = memoryview(body)

    def send_bodies(self):
        for stream, body in list(self.bodies.items()):
            while body:
                n = min(len(body), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
                if n == 0:
                    break
                self.h2.send_data(stream, bytes(body[:n]))
                body = body[n:]
            self.bodies[stream] = body
            if not body:
                self.h2.end_stream(stream)
                del self.bodies[stream]

    def answer(self, stream, request):
        log(f"{self.kind} {request.method} {request.path}")
        name, _, rest = request.path[1:].partition("?")[0].partition("/")
        if name == "echo":
            text = "".join(f"{k}: {v}\n" for k, v in request.headers) + describe_tls(self.conn) + "\n"
            self.start(stream, 200, text.encode() + request.body)
        elif name == "count":
            self.start(stream, 200, str(len(request.body)).encode())
        elif name == "big":
            self.start(stream, 200, bytes(range(256)) * (int(rest) // 256))
        elif name == "together":
            self.waiting.append(stream)
            for late in self.waiting if len(self.waiting) == TOGETHER else ():
                self.start(late, 200, b"together")
        elif name == "drop":
            self.flush()
            return False
        elif name == "drip":
            self.h2.send_headers(stream, [(":status", "200")])
            self.dripping.append(stream)
        elif name == "hold":
            self.held.append(stream)
        elif name == "reset":
            self.h2.reset_stream(stream, 2)
        elif name == "unauthorized":
            token = request.header("authorization")
            log(f"authorization {token} body {len(request.body)}")
            self.start(stream, *((200, b"welcome") if token == "Bearer new" else (401, b"who are you")))
        elif name == "goaway":
            self.start(stream, 200, b"hello, world")
            self.send_bodies()
            self.h2.close_connection(last_stream_id=stream)
            self.flush()
            return wait_for_end(self.conn)
        elif name == "freeze":
            never.wait()  # reads and writes nothing any more: a connection that died without saying so
        elif name != "silent":
            self.start(stream, 200, b"hello, world")
        return None


# ---------------------------------------------------------------- listening

def quietly(function, *args):
    try:
        function(*args)
    except (OSError, *([h2.exceptions.ProtocolError] if h2 else [])) as error:  # the client went, as it may
        log(f"# {type(error).__name__}: {error}")


def connection(conn, kind, context, serve):
    log(f"{kind} connection")
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context:
        conn = context.wrap_socket(conn, server_side=True)
    try:
        with conn:
            serve(conn, kind)
    finally:
        log(f"{kind} closed")


def listen(kind, context, serve):
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept():
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=quietly, args=(connection, conn, kind, context, serve), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def main():
    with tempfile.TemporaryDirectory(prefix="tollgate-wire-") as folder:
        make_certificates(folder)
        ports = {"http": listen("http", None, serve_http1), "https": listen("https", tls(folder, "http/1.1"), serve_http1), "h2": 0,
                 "proxy": listen("proxy", None, serve_proxy)}
        if h2:
            ports["h2"] = listen("h2", tls(folder, "h2", "http/1.1"), lambda conn, kind: Http2(conn, kind).run())
        print(*(f"{kind} {port}" for kind, port in ports.items()), "dir", folder, flush=True)
        for line in sys.stdin:
            if line == "hold\n":
                released.clear()
            elif line == "release\n":
                released.set()
            with log_lock:
                lines = [*log_lines, "."]
                log_lines.clear()
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
