#!/usr/bin/env python3
"""Holds the code to its layers (README.md, "The folders"): which file may include what, and what a reconciler may link to.

    tests/layers.py OBJECT_FOLDER     folder with the compiled objects, e.g. build/release

Prints each offence with file and line and exits 1; silent and 0 when all is well.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Headers of libraries, and the only files that may include them.
ONLY = {
    "uv.h": {"controller/loop.c", "controller/http.c", "controller/plugin.c", "controller/server.c"},
    "curl/": {"controller/http.c"},
    "microhttpd.h": {"controller/server.c"},
    "yaml.h": {"controller/yamldoc.c"},
    "gnutls/": {"controller/trust.c", "controller/config.c", "controller/server.c", "controller/identity.c", "controller/identity.h", "controller/pki.c"},
    "gmp.h": {"reconcilers/money.c"},
}
# Outside crds/, where Kubernetes' objects are read and written: only for a document of our own, of which nothing is ever read.
WRITES_JSON = {"controller/debug.c"}
# What the headers of the vocabulary may include: nothing but C's own headers and each other.
C_HEADERS = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "assert.h", "limits.h", "inttypes.h", "errno.h"}
PURE_C_HEADERS = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
# Machines that must work without sockets, clock, JSON and libc's I/O.
STATE_MACHINES = {"controller/certs.c", "controller/election.c", "controller/watch.c", "controller/frame.c", "controller/queue.c", "controller/cache.c",
                  "controller/store.c", "controller/postings.c"}
STATE_MACHINE_HEADERS = C_HEADERS - {"stdio.h"}
# What a compiled reconciler may call besides its own room and include/: string and memory functions.
RECONCILER_LIBC = re.compile(r"^(str(cmp|ncmp|len|chr|rchr|cspn|spn|str|casecmp)|mem(cpy|cmp|move|set|chr)|__stack_chk_fail|__mem\w+_chk|_GLOBAL_OFFSET_TABLE_|__asan_\w+|__ubsan_\w+|__sanitizer\w*|__gcov_\w+)$")

# What one of them may call besides: money.c computes with GMP's integers, never with its floating point.
RECONCILER_LIBRARY = {"money": re.compile(r"^__gmpz_(?!get_d)\w+$")}


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match[1] == "<", match[2]


def allowed(name, system, header):
    room = name.split("/")[0]
    if not system:
        home = {p.name for p in (ROOT / room).glob("*.h")} | {p.name for p in (ROOT / "include").glob("*.h")}
        return header in home
    for prefix, files in ONLY.items():
        if header == prefix or (prefix.endswith("/") and header.startswith(prefix)):
            return name in files
    if header == "jansson.h":
        return room == "crds" or name in WRITES_JSON
    if room == "reconcilers":
        return header in PURE_C_HEADERS
    if room in ("include", "crds"):
        return header in C_HEADERS
    if name in STATE_MACHINES:
        return header in STATE_MACHINE_HEADERS
    return True


def offences(objects):
    for room in ("include", "reconcilers", "crds", "controller"):
        for path in sorted((ROOT / room).glob("*.[ch]")):
            name = f"{room}/{path.name}"
            for number, system, header in includes(path):
                if not allowed(name, system, header):
                    yield f"{name}:{number}: may not include {header}"
    built = sorted(objects.glob("reconcilers/*.o"))
    if not built:
        yield f"{objects}: no reconciler objects; build first"
    defined = set()
    for path in [*built, *objects.glob("include/*.o"), *objects.glob("crds/*.o"), *objects.glob("controller/*.o")]:
        out = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True, check=True).stdout
        symbols = {line.split()[-1] for line in out.splitlines() if line}
        if path.parent.name in ("include", "reconcilers"):
            defined |= symbols
        if path.name in ("cache.o", "store.o", "postings.o"):  # view.h is implemented there
            defined |= {s for s in symbols if s.startswith(("view_", "postings_"))}
    for path in built:
        library = RECONCILER_LIBRARY.get(path.stem)
        out = subprocess.run(["nm", "-u", path], capture_output=True, text=True, check=True).stdout
        for symbol in (line.split()[-1] for line in out.splitlines() if line):
            if symbol not in defined and not RECONCILER_LIBC.match(symbol) and not (library and library.match(symbol)):
                yield f"reconcilers/{path.stem}.c: may not call {symbol}: a decision has no input, output or clock"


def main():
    found = list(offences(pathlib.Path(sys.argv[1]).resolve()))
    for line in found:
        print(line, file=sys.stderr)
    print(f"layers: {len(found)} offences" if found else "layers: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
