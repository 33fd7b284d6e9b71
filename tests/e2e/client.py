"""A small Kubernetes client for the tests, over `kubectl proxy`: any cluster, any credentials, no TLS here. Besides it
the two ways to wait (nothing here sleeps to let time pass) and the few words the scenarios are written in."""

import copy
import http.client
import itertools
import json
import re
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml

GROUP = "billing.miloapis.com"
FINALIZER = f"{GROUP}/billing-account"
OUTCOME = f"{GROUP}/sandbox-outcome"
PROJECT = "resourcemanager.miloapis.com/project-name"
ORGANIZATION = "resourcemanager.miloapis.com/organization-name"
CORE = {"Namespace": "namespaces", "ConfigMap": "configmaps"}
NAMES = [yaml.safe_load(path.read_text())["spec"]["names"] for path in (Path(__file__).parents[2] / "crds").glob("*.yaml")]
PLURALS = {**CORE, **{names["kind"]: names["plural"] for names in NAMES}}
TIMEOUT = 20


class ApiError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


def until(check, timeout=TIMEOUT):
    """Calls `check` until what it returns is true; that. Not there yet is also an ApiError, or something missing."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            result = check()
            if result:
                return result
            problem = f"still {result!r}"
        except (ApiError, AssertionError, LookupError, TypeError, ValueError) as error:
            problem = repr(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {problem}")
        time.sleep(0.03)


def settles(read, wanted, timeout=TIMEOUT):
    """Calls `read` until it returns `wanted`; in the end pytest shows how they differ."""
    try:
        until(lambda: read() == wanted, timeout)
    except AssertionError:
        assert read() == wanted


class Client:
    _numbers = itertools.count(1)

    def __init__(self, plane):
        self.proxy = subprocess.Popen([plane.kubectl_path, "--kubeconfig", plane.kubeconfig, "proxy", "--port=0"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.search(r":(\d+)", self.proxy.stdout.readline())[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.query, self.headers = "", {}

    def another(self, dry_run=False, user=None):
        """A client on a connection of its own (one a thread) over the same proxy; what it writes is stored unless it is a dry run. As a user
        it may do everything, but is known to admission by that name."""
        other = copy.copy(self)
        other.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if dry_run:
            other.query = "?dryRun=All"
        if user:
            other.headers = {"Impersonate-User": user, "Impersonate-Group": "system:masters"}
        return other

    def close(self):
        self.connection.close()
        self.proxy.kill()
        self.proxy.wait()

    def request(self, method, path, body=None, content_type="application/json"):
        try:
            self.connection.request(method, path + (self.query if method != "GET" else ""),
                                    json.dumps(body) if body is not None else None, {"Content-Type": content_type, **self.headers})
            answer = self.connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise ApiError(0, error) from None
        if answer.status >= 300:
            try:
                text = json.loads(text)["message"]
            except (ValueError, KeyError):
                pass
            raise ApiError(answer.status, text)
        return json.loads(text)

    # -- objects

    @staticmethod
    def path(kind, ns=None, name=None, status=False):
        root = "/api/v1" if kind in CORE else f"/apis/{GROUP}/v1alpha1"
        return (root + (f"/namespaces/{ns}" if ns else "") + f"/{PLURALS[kind]}" +
                (f"/{name}" if name else "") + ("/status" if status else ""))

    def create(self, kind, ns, name, spec=None, **metadata):
        body = {"apiVersion": "v1" if kind in CORE else f"{GROUP}/v1alpha1", "kind": kind,
                "metadata": {"name": name, **metadata}}
        if spec is not None:
            body["spec"] = spec
        return self.request("POST", self.path(kind, ns), body)

    def get(self, kind, ns, name):
        return self.request("GET", self.path(kind, ns, name))

    def find(self, kind, ns, name):
        """The object, or None."""
        try:
            return self.get(kind, ns, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind, ns=None):
        return self.request("GET", self.path(kind, ns))["items"]

    def patch(self, kind, ns, name, body, status=False):
        return self.request("PATCH", self.path(kind, ns, name, status), body, "application/merge-patch+json")

    def patch_status(self, kind, ns, name, **status):
        return self.patch(kind, ns, name, {"status": status}, status=True)

    def delete(self, kind, ns, name, **options):
        return self.request("DELETE", self.path(kind, ns, name), options or None)

    def events_since(self, kind, ns, version):
        """What a watch from that resourceVersion shows up to now, as (type, object) in the API server's order."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", f"{self.path(kind, ns)}?watch=1&resourceVersion={version}&timeoutSeconds=1")
        events = [json.loads(line) for line in connection.getresponse().read().splitlines()]
        connection.close()
        return [(event["type"], event["object"]) for event in events]

    def version(self, kind, ns):
        return self.request("GET", self.path(kind, ns))["metadata"]["resourceVersion"]

    # -- the words of the scenarios

    def unique(self, stem):
        return f"{stem}-{next(self._numbers)}"

    def namespace(self, stem="org", **labels):
        """A namespace of a name nobody else has; labels with _ for project and organization."""
        name = self.unique(stem)
        keys = {"project": PROJECT, "organization": ORGANIZATION}
        self.create("Namespace", None, name, labels={keys.get(key, key): value for key, value in labels.items()})
        return name

    def project(self, **labels):
        """A project with a namespace of the same name."""
        name = self.unique("project")
        keys = {PROJECT: name, **({ORGANIZATION: labels["organization"]} if labels else {})}
        self.create("Namespace", None, name, labels=keys)
        return name

    def account(self, ns, name="main", default=None, currency="EUR", ready=True, **metadata):
        spec = {"currencyCode": currency}
        if default:
            spec["defaultPaymentMethodRef"] = {"name": default}
        self.create("BillingAccount", ns, name, spec, **metadata)
        if ready:
            settles(lambda: self.phase("BillingAccount", ns, name), "Ready")
        return name

    def method(self, ns, name="visa", account="main", cls="sandbox", outcome=None, **spec):
        annotations = {OUTCOME: outcome} if outcome else {}
        self.create("PaymentMethod", ns, name, {
            "billingAccountRef": {"name": account}, "displayName": "Card",
            **({"paymentMethodClassRef": {"name": cls}} if cls else {}), **spec}, annotations=annotations)
        return name

    def outcome(self, ns, name, outcome):
        self.patch("PaymentMethod", ns, name, {"metadata": {"annotations": {OUTCOME: outcome}}})

    def invoice(self, ns, month="2026-10", account="main", metadata=None, **status):
        """An invoice of that month; its status is written where there is one."""
        name = f"{account}-{month}"
        year, number = map(int, month.split("-"))
        end = datetime(year + number // 12, number % 12 + 1, 1) - timedelta(seconds=1)
        self.create("Invoice", ns, name, {"billingAccountRef": {"name": account}, "period": {
            "start": f"{month}-01T00:00:00Z", "end": end.isoformat() + "Z"}}, **(metadata or {}))
        if status:
            self.bill(ns, name, **status)
        return name

    def bill(self, ns, name, **status):
        """What becomes of an invoice: status as whoever makes invoices writes it, in EUR unless it says otherwise."""
        self.patch_status("Invoice", ns, name, **{"currencyCode": "EUR", **status})

    def arrange(self, ns, name="terms", account="main", metadata=None, **spec):
        """Staff grant an account payment by invoice; from now on and for ever unless spec says otherwise."""
        self.create("BillingArrangement", ns, name, {"billingAccountRef": {"name": account}, "type": "Invoice", **spec},
                    **(metadata or {}))
        return name

    def bind(self, ns, project, account="main", name=None):
        """A binding that need not become Active."""
        name = name or self.unique("binding")
        self.create("BillingAccountBinding", ns, name,
                    {"billingAccountRef": {"name": account}, "projectRef": {"name": project}})
        return name

    def bound(self, ns, project, account="main", name=None):
        """A binding that has become Active."""
        name = self.bind(ns, project, account, name)
        settles(lambda: self.phase("BillingAccountBinding", ns, name), "Active")
        return name

    def phase(self, kind, ns, name):
        return self.get(kind, ns, name).get("status", {}).get("phase")

    def conditions(self, kind, ns, name):
        """[(type, status, reason)] in the object's order."""
        found = self.get(kind, ns, name).get("status", {}).get("conditions", [])
        return [(one["type"], one["status"], one["reason"]) for one in found]

    def condition(self, kind, ns, name, wanted):
        """One condition; LookupError if it is not there."""
        return {one["type"]: one for one in self.get(kind, ns, name)["status"]["conditions"]}[wanted]

    def standing(self, ns, name):
        """Where a binding stands: (phase, status of Bound, its reason)."""
        bound = self.condition("BillingAccountBinding", ns, name, "Bound")
        return self.phase("BillingAccountBinding", ns, name), bound["status"], bound["reason"]

    def winner(self, ns, names):
        """By the rule: the newest, and of those of one second the one with the greater name."""
        return max(names, key=lambda name: (
            self.get("BillingAccountBinding", ns, name)["metadata"]["creationTimestamp"], name))

    def never_two_active(self, ns, version):
        """At no moment since then were two bindings Active, in a namespace whose bindings are of one project."""
        active = set()
        for kind, binding in self.events_since("BillingAccountBinding", ns, version):
            name = binding["metadata"]["name"]
            active.discard(name)
            if kind != "DELETED" and binding.get("status", {}).get("phase") == "Active":
                active.add(name)
            assert len(active) <= 1, f"{active} at once"

    def verdict(self, project, ns=None):
        """What a project's members read: (deployAllowed, reason, message)."""
        status = self.get("ProjectBilling", ns or project, project)["status"]
        [gate] = status["conditions"]
        assert gate["type"] == "DeployAllowed" and (gate["status"] == "True") == status["deployAllowed"]
        return status["deployAllowed"], gate["reason"], gate["message"]

    def refused(self, project, reason, *words):
        """Waits for a refusal for this reason, whose message has all these words."""
        def check():
            allowed, found, message = self.verdict(project)
            assert (allowed, found) == (False, reason)
            missing = [word for word in words if word not in message]
            assert not missing, f"{missing} not in {message!r}"
            return True
        until(check)

    def allowed(self, project):
        settles(lambda: self.verdict(project), (True, "Allowed", ""))


def stamp(text):
    """A moment of the API as datetime."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def next_second():
    """Waits for the clock's next full second: what is created from now on is newer, as the API tells time."""
    now = int(time.time())
    until(lambda: int(time.time()) > now)


def ahead(seconds):
    """A full second of the API's time, that far from now."""
    return (utc_today() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def passes(moment):
    """Waits until that moment of the API has come."""
    until(lambda: utc_today() >= stamp(moment))


def utc_today():
    return datetime.now(timezone.utc)
