#!/usr/bin/env python3
"""A day of a cluster in minutes: random users at work on a real API server, while it, etcd and two replicas of Tollgate are killed, stopped
and started again.

    soak.py [--seconds=600] [--seed=N]      make soak, with SOAK_SECONDS and SEED

Half way and at the end all trouble stops. When all has come to rest, the cluster is as model.py says; nothing is written any more; never
were two bindings of a project Active (etcd's own history of each), nor did two replicas write in turns (the audit log); and a process
that was there both times has no more descriptors than before, and at most 5 % more memory.

The seed decides who does what; when, the machine does, so a run with the same seed is alike but not the same."""

import argparse
import base64
import collections
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("e2e", "local")]
import audit  # noqa: E402
from client import GROUP, ORGANIZATION, OUTCOME, PROJECT, ApiError, Client, ahead, until  # noqa: E402
from cluster import ACCOUNT, NAMESPACE, Tollgate, install  # noqa: E402
from plane import Plane  # noqa: E402

import model  # noqa: E402

LEASE = [f"--leader-elect-{name}={seconds}s" for name, seconds in {"lease-duration": 15, "renew-deadline": 12, "retry-period": 1}.items()]
KINDS = ("Namespace", "BillingAccount", "BillingAccountBinding", "PaymentMethod", "BillingArrangement", "Invoice", "ProjectBilling")
ORGS, PROJECTS = {"org-0": "one", "org-1": "two", "org-2": None}, {f"project-{n}": ("one", "two", None)[n % 3] for n in range(9)}
ACCOUNTS, METHODS = ("main", "reserve"), ("visa", "amex", "wire")
PACE = 0.04           # seconds between what users do: the cores are for others as well
BINDINGS_MAX = 60     # in all; then old ones go
RECENT = 20           # seconds after which no arrangement that users make begins or ends
REST = 120            # seconds until all has come to rest, at most
QUIET = 10            # seconds without a write
GROWTH = 1.05


def log(text):
    print(f"soak: {text}", flush=True)


# ----------------------------------------------------------------------- users

class Users:
    """Who does the next thing is chance; whether it may is for the API server to say. Without webhooks: what admission would refuse, goes."""

    def __init__(self, client, chance):
        self.c, self.chance = client, chance
        self.did, self.number = collections.Counter(), 0
        self.actions = [(weight, name) for name, weight in self.WEIGHTS.items()]

    WEIGHTS = {"account": 8, "close_account": 1, "suspend": 3, "choose": 8, "method": 8, "outcome": 6, "confirm": 3, "drop_method": 2, "bind": 14,
               "unbind": 5, "arrange": 2, "withdraw": 2, "invoice": 3, "project": 3, "end_project": 1}

    def act(self):
        weights, names = zip(*self.actions)
        [name] = self.chance.choices(names, weights)
        one = self.chance.choice
        try:
            getattr(self, name)(one(list(ORGS)), one(ACCOUNTS), one(METHODS), one(list(PROJECTS)))
            self.did[name] += 1
        except ApiError as error:
            self.did["no answer" if error.code in (0, 502, 503, 504) else "refused"] += 1

    def prepare(self):
        for name, organization in {**ORGS, **PROJECTS}.items():
            self.namespace(name, organization)

    def namespace(self, name, organization):
        labels = {**({PROJECT: name} if name in PROJECTS else {}), **({ORGANIZATION: organization} if organization else {})}
        self.c.create("Namespace", None, name, labels=labels)

    def account(self, org, account, method, project):
        self.c.account(org, account, ready=False)

    def close_account(self, org, account, method, project):
        self.c.delete("BillingAccount", org, account)

    def suspend(self, org, account, method, project):
        self.c.patch_status("BillingAccount", org, account, phase=self.chance.choice(["Suspended", "Archived", "Ready", "Ready", "Ready"]))

    def choose(self, org, account, method, project):
        default = self.chance.choice([{"name": method}, {"name": method}, None])
        self.c.patch("BillingAccount", org, account, {"spec": {"defaultPaymentMethodRef": default}})

    def method(self, org, account, method, project):
        self.c.method(org, method, account, "manual" if method == "wire" else "sandbox", self.chance.choice(list(model.OUTCOMES)))

    def outcome(self, org, account, method, project):
        self.c.outcome(org, method, self.chance.choice(list(model.OUTCOMES)))

    def confirm(self, org, account, method, project):
        self.c.patch_status("PaymentMethod", org, "wire", phase=self.chance.choice(["Active", "Failed", "AwaitingConfirmation"]))

    def drop_method(self, org, account, method, project):
        self.c.delete("PaymentMethod", org, method)

    def bind(self, org, account, method, project):
        self.number += 1
        if self.chance.random() < 0.8:  # mostly its own organization's
            org = f"org-{list(PROJECTS).index(project) % 3}"
        self.c.bind(org, project, account, f"b{self.number}")

    def unbind(self, org, account, method, project):
        found = self.c.list("BillingAccountBinding")
        for one in self.chance.sample(found, min(len(found), 1 + max(0, len(found) - BINDINGS_MAX))):
            self.c.delete("BillingAccountBinding", one["metadata"]["namespace"], one["metadata"]["name"])

    def arrange(self, org, account, method, project):
        start = self.chance.randint(-RECENT, RECENT)
        end = {"endsAt": ahead(self.chance.randint(max(start, 0) + 1, RECENT + 1))} if self.chance.random() < 0.7 else {}
        self.c.arrange(org, f"{account}-terms", account, startsAt=ahead(start), **end)

    def withdraw(self, org, account, method, project):
        self.c.delete("BillingArrangement", org, f"{account}-terms")

    def invoice(self, org, account, method, project):
        month = f"2026-{self.chance.randint(1, 12):02}"
        if not self.c.find("Invoice", org, f"{account}-{month}"):
            self.c.invoice(org, month, account)
        self.c.bill(org, f"{account}-{month}", phase=self.chance.choice(["Open", "Paid", "Void"]), total="119.00", amountDue="119.00",
                    dueDate=ahead(self.chance.randint(-RECENT, RECENT)))

    def project(self, org, account, method, project):
        self.namespace(project, PROJECTS[project])

    def end_project(self, org, account, method, project):
        self.c.delete("Namespace", None, project)


# --------------------------------------------------------------------- trouble

class Trouble(threading.Thread):
    """One thing after the other breaks, and is put right. A replica that ended is started again, as a kubelet would."""

    def __init__(self, plane, replicas, chance, spared=None):
        super().__init__(daemon=True)
        self.plane, self.replicas, self.chance, self.spared = plane, replicas, chance, spared
        self.made, self.problem, self.over = collections.Counter(), None, threading.Event()
        self.kinds = (self.kill_replica, self.stop_replica, self.end_replica, self.kill_server, self.pause_server, self.kill_etcd, self.pause_etcd)

    def run(self):
        try:
            while True:
                for kind in self.chance.sample(self.kinds, len(self.kinds)):
                    if self.over.wait(self.chance.uniform(1, 6)):
                        return
                    self.made[kind.__name__] += 1
                    kind()
                    self.start_again()
        except Exception as error:  # noqa: BLE001 - told by the main thread
            self.problem = error

    def end(self):
        self.over.set()
        self.join()
        if self.problem:
            raise self.problem

    def start_again(self):
        for one in self.replicas:
            code = one.process.poll()
            if code is None:
                continue
            assert code in (0, 1, -signal.SIGKILL), f"a replica ended with {code}:\n{one.log()[-3000:]}"
            self.made.update(["lost its lease"] if code == 1 else [])
            one.start(wait=False)

    def victim(self):
        return self.chance.choice([one for one in self.replicas if one is not self.spared])

    def kill_replica(self):
        self.victim().stop(signal.SIGKILL)
        self.over.wait(self.chance.uniform(0, 8))

    def end_replica(self):
        self.victim().stop(signal.SIGTERM)

    def stop_replica(self):
        process = self.victim().process
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)
            self.over.wait(self.chance.uniform(1, 25))
            os.kill(process.pid, signal.SIGCONT)

    def kill(self, name):
        self.plane.stop_component(name, signal.SIGKILL)
        self.plane.start_component(name)

    def pause(self, name):
        self.plane.pause(name)
        self.over.wait(self.chance.uniform(1, 5))
        self.plane.resume(name)

    def kill_server(self):
        self.kill("kube-apiserver")

    def pause_server(self):
        self.pause("kube-apiserver")

    def kill_etcd(self):
        self.kill("etcd")

    def pause_etcd(self):
        self.pause("etcd")


# --------------------------------------------------------------- what came of it

def history(plane):
    """Every state that a binding ever had, as etcd tells it, in order: (key, binding or None)."""
    prefix = f"/registry/{GROUP}/billingaccountbindings/"
    text = lambda value: base64.b64encode(value.encode()).decode()  # noqa: E731
    connection = http.client.HTTPConnection("127.0.0.1", plane.ports["etcd"], timeout=3)
    with contextlib.closing(connection):
        connection.request("POST", "/v3/watch", json.dumps({"create_request": {
            "key": text(prefix), "range_end": text(prefix[:-1] + "0"), "start_revision": 1, "fragment": True}}))
        answer = connection.getresponse()
        with contextlib.suppress(TimeoutError):  # it waits for more
            while line := answer.readline():
                result = json.loads(line)["result"]
                assert not result.get("canceled"), result
                for event in result.get("events", []):
                    value = event["kv"].get("value")
                    yield base64.b64decode(event["kv"]["key"]).decode(), json.loads(base64.b64decode(value)) if value else None


def measure(tollgate):
    """(process id, descriptors, bytes of resident size)"""
    proc = Path(f"/proc/{tollgate.process.pid}")
    return (tollgate.process.pid, len(os.listdir(proc / "fd")),
            int(re.search(r"VmRSS:\s+(\d+)", (proc / "status").read_text())[1]) << 10)


def read_all(c):
    return {kind: c.list(kind) for kind in KINDS}


def agrees(c):
    """AssertionError with all in which the cluster is not as the rules say."""
    wrong = model.disagreements(read_all(c))
    assert not wrong, "\n".join(wrong)
    return True


def at_work(plane, seconds):
    """What is written meanwhile, but for the lease."""
    return [one for one in audit.writes_during(plane, seconds) if one[1] not in audit.NO_WRITES]


def state(tollgate):
    return json.loads(tollgate.get(tollgate.health_port, "/debug/state")[1])


def all_well(plane, replicas, trouble):
    """Everybody is there again, and one leads; that one."""
    plane.wait_ready()

    def ready():
        trouble.start_again()  # one that was stopped finds out later than we that it leads no more
        leaders = [one for one in replicas if one.leads()]
        return all(one.get(one.health_port, "/readyz")[0] == 200 for one in replicas) and len(leaders) == 1 and leaders
    return until(ready, REST)[0]


def warm_up(users, leader):
    """Its size says something when what it keeps for minutes, the events it has told of, is as much as it ever keeps."""
    log("warming up the leader")
    before = -1
    while (kept := state(leader)["events"]["series"]) > before:
        before = kept
        for _ in range(300):
            users.act()


def come_to_rest(plane, c, replicas):
    """The cluster is as it should be, and stays so; [(process, descriptors, size)]."""
    last = ahead(RECENT + 2)
    for what, check in {
            "namespaces that go are gone": lambda: not any(map(model.goes, c.list("Namespace"))),
            "no arrangement begins or ends any more": lambda: ahead(0) > last,
            "the cluster is as the rules say": lambda: agrees(c),
            "nothing is written": lambda: not at_work(plane, 2)}.items():
        log(f"coming to rest: {what}")
        until(check, REST)
    assert not (wrote := at_work(plane, QUIET)), f"at rest it writes {wrote}"
    agrees(c)
    return [measure(one) for one in replicas]


def work(seconds, users, trouble, replicas):
    trouble.start()
    end = told = time.monotonic()
    end += seconds
    while (now := time.monotonic()) < end and not trouble.problem:
        users.act()
        time.sleep(PACE)
        if now > told:
            told = now + 5
            sizes = [f"{measure(one)[2] >> 10} KiB" for one in replicas if one.process.poll() is None]
            log(f"{end - now:4.0f} s left, {sum(users.did.values())} done, {sum(trouble.made.values())} broken "
                f"({', '.join(trouble.made) or 'nothing'}), replicas {sizes}")
    trouble.end()


def no_larger(before, after):
    """Of the processes that were there both times; there is one, since one was spared."""
    compared = 0
    for pid, descriptors, size in after:
        for old_pid, old_descriptors, old_size in before:
            if pid != old_pid:
                continue
            compared += 1
            log(f"process {pid}: descriptors {old_descriptors} -> {descriptors}, memory {old_size >> 10} -> {size >> 10} KiB")
            assert descriptors <= old_descriptors, "descriptors are left"
            assert size <= old_size * GROWTH, "memory has grown"
    assert compared, "no replica lived through the second half: was the machine too busy to renew a lease?"


def soak(plane, c, folder, seconds, chance):
    install(plane)
    plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
    offset = audit.size(plane)
    replicas = []
    for n in range(2):
        (folder / str(n)).mkdir()
        kubeconfig = plane.service_account_kubeconfig(folder / str(n) / "kubeconfig", NAMESPACE, ACCOUNT)
        replicas.append(Tollgate(plane, folder / str(n), "--log-format=json", "--leader-elect", "--enable-sandbox-provider", *LEASE,
                                 kubeconfig=kubeconfig).start())
    users = Users(c, chance)
    users.prepare()
    made = collections.Counter()
    with contextlib.ExitStack() as stack:
        for one in replicas:
            stack.callback(one.stop)
        rests, spared = [], None
        for _ in range(2):
            trouble = Trouble(plane, replicas, random.Random(chance.random()), spared)
            work(seconds / 2, users, trouble, replicas)
            made += trouble.made
            leader = all_well(plane, replicas, trouble)
            if not spared:
                spared = leader
                warm_up(users, leader)
            rests.append(come_to_rest(plane, c, replicas))
        log(f"users: {dict(users.did)}")
        log(f"trouble: {dict(made)}")
        no_larger(*rests)
    for one in replicas:
        assert one.process.returncode == 0 and "Sanitizer" not in one.log(), one.log()[-3000:]
    states = list(history(plane))
    assert not (wrong := model.broken_history(states)), "\n".join(wrong)
    turns = audit.one_at_a_time(plane, offset)
    log(f"{len(states)} states of bindings, {len(audit.writes(plane, offset))} writes by {len(turns)} leaders, one at a time")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    log(f"seed {args.seed}, {args.seconds} s")
    folder = Path(tempfile.mkdtemp(prefix="tollgate-soak-"))
    try:
        with Plane(folder / "plane", audit=True, extra_args={"kube-apiserver": ["--etcd-compaction-interval=0"]}) as plane, \
                contextlib.closing(Client(plane)) as c:
            soak(plane, c, folder, args.seconds, random.Random(args.seed))
    except BaseException as error:
        log(f"FAILED: {type(error).__name__}: {error}\n  logs: {folder}\n  again: make soak SOAK_SECONDS={args.seconds} SEED={args.seed}")
        sys.exit(1)
    shutil.rmtree(folder)
    log(f"well: seed {args.seed}")


if __name__ == "__main__":
    main()
