#!/usr/bin/env python3
"""How long does a process make a caller wait? Asks it over and over, and says what the longest wait was.

    ping.py PORT PATH PID   a GET every 2 ms over one connection, from a line on stdin until stdin ends; then one JSON line
    ping.py --serve         the reference: prints its port and answers "ok", whatever it is asked

Of each wait it is told how much was waiting for a core, by the process PID and by this one (the kernel's account, schedstat):
what is left is the process's own doing. Against --serve the same waits show what the machine alone does to an answer.
"""

import gc
import json
import os
import select
import socket
import sys
import time

EVERY_SECONDS = 0.002
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def starved(*pids):
    """Seconds that these processes have been ready to run and were not let."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat", "rb") as file:
            total += int(file.read().split()[1])
    return total / 1e9


def ping(port, path, pid):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    sys.stdin.readline()
    gc.disable()
    waits, due = [], time.perf_counter()
    while not select.select([sys.stdin], [], [], max(0, due - time.perf_counter()))[0]:
        without, began = starved(pid, "self"), time.perf_counter()
        connection.sendall(request)
        if not connection.recv(4096):
            sys.exit("ping: the connection was closed")
        wait = time.perf_counter() - began
        waits.append((wait, max(0, wait - (starved(pid, "self") - without))))
        due = max(due + EVERY_SECONDS, time.perf_counter())
    print(json.dumps({"asked": len(waits), "longest": max(wait for wait, _ in waits), "own": max(own for _, own in waits)}))


def serve():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:     # one caller after the other
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(4096):
            connection.sendall(ANSWER)


if __name__ == "__main__":
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, -10)     # it is Tollgate's wait that is wanted, not its own for a core
    if sys.argv[1:] == ["--serve"]:
        serve()
    elif len(sys.argv) == 4:
        ping(int(sys.argv[1]), *sys.argv[2:])
    else:
        sys.exit(__doc__)
