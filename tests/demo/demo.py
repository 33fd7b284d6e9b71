#!/usr/bin/env python3
"""`make demo`: plays Tollgate's story on a real control plane of its own, with real kubectl.

Every command is shown before its output, and each output is waited for: one that does not come in time ends the story
with exit code 1. On a terminal the cluster then stays up to be played with until Ctrl-C; whatever happens, nothing is
left running and the temporary folder goes. Standard library only.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "local"))
from cluster import Tollgate, install  # noqa: E402
from plane import KubectlError, Plane, PlaneError  # noqa: E402

TERMINAL = sys.stdin.isatty() and sys.stdout.isatty()
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
SECONDS = 30
GATE = "kubectl get projectbilling -n shop -o wide"
DOOR = "denied the request: "
DEPLOY = "kubectl create deployment web --image=registry.example/web -n shop"
BINDINGS = "kubectl get billingaccountbinding -n acme"

# Title, what happens, and commands, each with what its output has to show (a regular expression) in the end.
STORY = [
    ("A project", "A namespace with a project's label. Nobody pays for it yet, so it may not deploy.", [
        ("kubectl apply -f deploy/samples/project.yaml", "namespace/shop created"),
        (GATE, r"shop +false +NoBinding +billing account required before deploy"),
    ]),
    ("An account", "The organization acme gets a billing account. Nothing is bound to one that is not there.", [
        ("kubectl apply -f deploy/samples/binding.yaml", DOOR + r"spec\.billingAccountRef"),
        ("kubectl apply -f deploy/samples/account.yaml", "billingaccount.*/main created"),
        ("kubectl get billingaccount -n acme", r"main +Ready +EUR"),
    ]),
    ("The binding", "The account takes responsibility for the project. It has nothing to pay with yet.", [
        ("kubectl apply -f deploy/samples/binding.yaml", "billingaccountbinding.*/shop-1 created"),
        (BINDINGS, r"shop-1.* Active"),
        (GATE, r"shop +main +false +PaymentMethodRequired +payment method required before deploy"),
        (DEPLOY, "denied request: payment method required before deploy"),
    ]),
    ("A card", "The sandbox provider accepts it. A card is not used before it is somebody's choice.", [
        ("kubectl apply -f deploy/samples/card.yaml", "paymentmethod.*/visa created"),
        ("kubectl get paymentmethod -n acme", r"visa.* Active"),
    ]),
    ("The default", "The account chooses the card: the project may deploy. A default is not lost by mistake.", [
        ("kubectl patch billingaccount main -n acme --type=merge "
         """-p '{"spec":{"defaultPaymentMethodRef":{"name":"visa"}}}'""", "patched"),
        (GATE, r"shop +main +true +Allowed"),
        (DEPLOY, "deployment.apps/web created"),
        ("kubectl delete paymentmethod visa -n acme", DOOR + ".*is the default for billing account"),
    ]),
    ("The card declines", "The provider reports it, here through an annotation. The refusal says why.", [
        ("kubectl annotate paymentmethod visa -n acme billing.miloapis.com/sandbox-outcome=declined", "annotated"),
        ("kubectl get paymentmethod -n acme", r"visa.* Failed"),
        (GATE, r"shop +main +false +PaymentMethodNotUsable +.*visa.*declined"),
        ("kubectl scale deployment web -n shop --replicas=2", "denied request: payment method .*visa.* cannot be used"),
    ]),
    ("Another account takes over", "The newest binding wins. The first one is history, and stays as such.", [
        ("kubectl apply -f deploy/samples/takeover.yaml", "billingaccountbinding.*/shop-2 created"),
        ("kubectl get paymentmethod -n acme", r"mastercard.* Active"),
        ("kubectl patch billingaccount reserve -n acme --type=merge "
         """-p '{"spec":{"defaultPaymentMethodRef":{"name":"mastercard"}}}'""", "patched"),
        (BINDINGS, r"(?s)shop-1.* Superseded.*shop-2.* Active"),
        (GATE, r"shop +reserve +true +Allowed"),
    ]),
    ("Terms instead of a card", "Staff grant the account payment by invoice. Now it needs no card.", [
        ("kubectl apply -f deploy/samples/terms.yaml", "billingarrangement.*/reserve-terms created"),
        ("kubectl patch billingaccount reserve -n acme --type=merge -p '{\"spec\":{\"defaultPaymentMethodRef\":null}}'", "patched"),
        ("kubectl get billingarrangement -n acme", r"reserve-terms +reserve +Invoice +Active"),
        (GATE, r"shop +reserve +true +Allowed"),
    ]),
    ("An invoice", "Who makes invoices writes amounts and phase. Time does the rest: this one was due long ago.", [
        ("kubectl apply -f deploy/samples/invoice.yaml", "invoice.*/reserve-2026-10 created"),
        ("kubectl patch invoice reserve-2026-10 -n acme --subresource=status --type=merge -p "
         """'{"status":{"phase":"Open","currencyCode":"EUR","total":"119.00","amountDue":"119.00","""
         """"dueDate":"2026-11-15T00:00:00Z"}}'""", "patched"),
        ("kubectl get invoice -n acme", r"reserve-2026-10 +reserve +PastDue +ActionRequired +119.00"),
        ("kubectl get billingaccount reserve -n acme", r"reserve +Ready +EUR +True +119.00"),
    ]),
    ("All of it", "The category billing holds all of Tollgate's kinds.", [
        ("kubectl get billing -A", r"(?s)billingaccount.*projectbilling"),
    ]),
]


class StoryError(Exception):
    """A step did not show what it should."""


def paint(codes, text):
    return f"\033[{codes}m{text}\033[0m" if COLOUR else text


def say(text=""):
    print(text, flush=True)


def run(command, env):
    done = subprocess.run(shlex.split(command), cwd=ROOT, env=env, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.stdout.rstrip()


def show(command, wanted, env):
    """Echoes a command and its output. What may take a moment to show what is wanted is asked again; what changes something is asked as a
    dry run, since a gate that is not in force yet would let it through for good."""
    say(paint("1;36", "$ ") + paint("1", command))
    deadline = time.monotonic() + SECONDS
    may_wait = command.startswith(("kubectl get", DEPLOY, "kubectl scale"))
    question = command if command.startswith("kubectl get") else f"{command} --dry-run=server"
    while may_wait and not re.search(wanted, run(question, env)) and time.monotonic() < deadline:
        time.sleep(0.2)
    output = run(command, env)
    say(output)
    say()
    if not re.search(wanted, output):
        raise StoryError(f"this should have shown: {wanted}")


def play(env, door):
    for number, (title, words, commands) in enumerate(STORY, 1):
        say(paint("1;33", f"{number}. {title}"))
        say(paint("2", textwrap.fill(words, 100)))
        say()
        for command, wanted in [one for one in commands if door or not one[1].startswith(DOOR)]:
            show(command, wanted, env)


def stay(env, tollgate):
    say(paint("1;32", "The cluster is yours until Ctrl-C.") + " In another terminal:\n")
    say(f"  export KUBECONFIG={env['KUBECONFIG']} KUBECACHEDIR={env['KUBECACHEDIR']}")
    say(f"  export PATH={env['PATH'].split(os.pathsep)[0]}:$PATH")
    say("  kubectl get billing -A\n")
    say(paint("2", f"Tollgate's log: {tollgate.log_path}"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        tollgate.process.wait()
    except KeyboardInterrupt:
        say()
        return
    raise StoryError(f"tollgate ended with exit code {tollgate.process.returncode}")


def demo(folder):
    say(paint("2", "Starting a control plane, and Tollgate beside it under its service account ..."))
    with Plane(Path(folder) / "plane") as plane:
        door = not plane.external  # another machine's API server cannot ask us
        install(plane, webhooks=door)
        plane.kubectl("apply", "-k", ROOT / "deploy" / "gate")
        with Tollgate(plane, folder, "--enable-sandbox-provider", webhook=door) as tollgate:
            plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
            say()
            try:
                play(plane.environment(), door)
                if TERMINAL:
                    stay(plane.environment(), tollgate)
            except StoryError as error:
                say(paint("1;31", f"demo: {error}"))
                say(f"The end of Tollgate's log:\n{tollgate.log()[-2000:]}")
                return 1
            finally:
                end_quietly()
    say(paint("1;32", "The story went as told.") + " Everything is stopped again.")
    if plane.external:
        say("What it applied stays in the cluster of TOLLGATE_KUBECONFIG: deploy/base, deploy/gate, deploy/samples.")
    return 0


def end_quietly():
    """Cleaning up takes a second or two; another Ctrl-C shall not stop it halfway."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main():
    def on_signal(number, _frame):
        end_quietly()
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        with tempfile.TemporaryDirectory(prefix="tollgate-demo-") as folder:
            return demo(folder)
    except (PlaneError, KubectlError) as error:
        say(f"demo: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
