"""What is installed: the size of the stripped program, and the libraries that it wants."""

import re
import shutil
import subprocess

from audit import BenchError
from sides import OUT

TARGET_KIB = 400


def output(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"{command[0]} failed: {error}") from None


def program(options):
    stripped = OUT / "tollgate.stripped"
    shutil.copyfile(options.tollgate, stripped)
    output("strip", str(stripped))
    needed = re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", options.tollgate))
    every = len(output("ldd", options.tollgate).splitlines())
    return {"bytes": stripped.stat().st_size, "needed": needed, "loaded": every}


def program_rows(table, found):
    table.section("the program")
    table.row("stripped", f"{found['bytes'] / 1024:.0f} KiB", found["bytes"] / 1024, TARGET_KIB, unit=" KiB")
    table.row("libraries linked directly; loaded in all", f"{len(found['needed'])}; {found['loaded']}")
