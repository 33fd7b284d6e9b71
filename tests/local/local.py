#!/usr/bin/env python3
"""`make up` and `make down`: a cluster in build/local with everything of deploy/ installed and tollgate at work in it.

    local.py up      starts what does not run yet, restarts tollgate; leaves it all running
    local.py down    stops it all; nothing to stop is no error
"""

import contextlib
import os
import signal
import sys
import time

from cluster import ROOT, PROGRAM, Tollgate, install
from plane import COMPONENTS, KubectlError, Plane, PlaneError

FOLDER = ROOT / "build" / "local"
PID = FOLDER / "tollgate.pid"


def running_plane():
    """The plane of an earlier `make up` if all of it is alive, else None."""
    try:
        plane = Plane.attach(FOLDER)
    except PlaneError:
        return None
    if plane.external or all(map(plane.pid, COMPONENTS)):
        return plane
    plane.stop()
    return None


def is_tollgate(pid):
    """Is that process still the one we started? Pids are used again."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return str(FOLDER / "tollgate.kubeconfig").encode() in file.read()
    except OSError:
        return False


def stop_tollgate():
    try:
        pid = int(PID.read_text())
    except (FileNotFoundError, ValueError):
        return
    deadline = time.monotonic() + 15
    while is_tollgate(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
            # Told once: a second SIGTERM would make it leave at once.
            while is_tollgate(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
    PID.unlink(missing_ok=True)


def up():
    stop_tollgate()
    plane = running_plane()
    if not plane:
        print("starting a control plane", flush=True)
        plane = Plane(FOLDER).start(detach=True)
    print("installing Tollgate", flush=True)
    door = not plane.external  # another machine's API server cannot ask us
    install(plane, webhooks=door)
    tollgate = Tollgate(plane, FOLDER, "--enable-sandbox-provider", webhook=door).start(detach=True, wait=False)
    PID.write_text(f"{tollgate.process.pid}\n")
    tollgate.wait_ready()
    plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
    env = plane.environment()
    print(f"""
Tollgate runs on a cluster of its own. To use it, type:

  export KUBECONFIG={env["KUBECONFIG"]} KUBECACHEDIR={env["KUBECACHEDIR"]}
  export PATH={plane.kubectl_path.parent}:$PATH
  kubectl apply -f deploy/samples/project.yaml -f deploy/samples/account.yaml -f deploy/samples/binding.yaml
  kubectl get billing -A

log      {tollgate.log_path}
health   http://127.0.0.1:{tollgate.health_port}/readyz
metrics  http://127.0.0.1:{tollgate.metrics_port}/metrics

make down stops it and forgets its objects; make up without a down keeps them and starts the tollgate of {PROGRAM.relative_to(ROOT)} anew.""")


def down():
    stop_tollgate()
    with contextlib.suppress(PlaneError):
        Plane.attach(FOLDER).stop()
    print("stopped; the cluster and its objects are gone")


def main(arguments):
    commands = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        commands[arguments[0]]()
    except (PlaneError, KubectlError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
