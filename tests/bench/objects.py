"""The objects of the benchmark, and the statuses that a right controller gives them.

The same texts serve three ends: they are loaded into the API server, they are
what the bare loop writes, and what Tollgate has written is held against them.
So both sides write the same number of bytes to the same objects.
"""

import json

GROUP = "billing.miloapis.com"
API = f"/apis/{GROUP}/v1alpha1"
CLASS = "bench"
# Every kind that Tollgate lists.
LISTS = ["/api/v1/namespaces", *(f"{API}/{plural}" for plural in (
    "paymentmethodclasses", "billingaccounts", "paymentmethods", "billingaccountbindings",
    "projectbillings", "billingarrangements", "invoices"))]
STAMP = "2026-01-01T00:00:00Z"      # a transition time; only its length matters


class Objects:
    """`accounts` accounts with a card each, `bindings` bindings of as many projects.

    Bindings go round the accounts, as projects do that are made over the years:
    neighbours in a list belong to different accounts. Each of the first
    `projects` projects has a namespace and so gets a ProjectBilling; the others
    are projects elsewhere.
    """

    def __init__(self, accounts, bindings, projects=0):
        self.accounts, self.bindings, self.projects = accounts, bindings, projects
        self.organizations = min(10, accounts)

    def account_of(self, binding):
        return binding % self.accounts

    def _linked(self):
        """[how many bindings an account has]"""
        counts = [0] * self.accounts
        for i in range(self.bindings):
            counts[self.account_of(i)] += 1
        return counts

    # -- names

    def _namespace(self, account):
        return f"org-{account % self.organizations}"

    def _path(self, plural, account, name=""):
        path = f"{API}/namespaces/{self._namespace(account)}/{plural}"
        return f"{path}/{name}" if name else path

    # -- requests: (path, body) pairs, in stages that each need the one before

    def load_stages(self):
        yield [("/api/v1/namespaces", _core("Namespace", f"org-{i}"))
               for i in range(self.organizations)] + [self._class()]
        yield [self._account(i) for i in range(self.accounts)]
        yield [self._method(i) for i in range(self.accounts)]
        yield [self.binding(i) for i in range(self.bindings)]
        if self.projects:
            yield [("/api/v1/namespaces", _core("Namespace", f"proj-{i:06}", {
                "resourcemanager.miloapis.com/project-name": f"proj-{i:06}"}))
                   for i in range(self.projects)]

    def provider_patches(self):
        """What the payment provider (here: billing staff) has said before Tollgate starts."""
        return [(self.method_status_path(i), {"status": self._method_facts()}) for i in range(self.accounts)]

    def method_status_path(self, i):
        return self._path("paymentmethods", i, f"pm-{i:05}/status")

    def finalizer_patches(self):
        """The JSON patches with which Tollgate puts its finalizer on the accounts, but for the words of the test."""
        return [(self.account_path(i), [
            {"op": "test", "path": "/metadata/name", "value": f"acct-{i:05}"},
            {"op": "add", "path": "/metadata/finalizers", "value": [f"{GROUP}/billing-account"]}]) for i in range(self.accounts)]

    def events(self):
        """What Tollgate tells people at a cold start: an event a binding and one an account."""
        for i in range(self.bindings):
            yield self.event_of_binding(f"binding-{i:06}", self.account_of(i))
        for i in range(self.accounts):
            yield self._event("BillingAccount", f"acct-{i:05}", i, "JudgingAccount", "Ready", f'Billing account "acct-{i:05}" is ready.')

    def event_of_binding(self, name, account):
        return self._event("BillingAccountBinding", name, account, "Binding", "Bound",
                           f'Project "{name}" is billed to billing account "acct-{account:05}" from now on.')

    def _event(self, kind, name, account, action, reason, note):
        namespace = self._namespace(account)
        return f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", {
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": f"{name}.18eb7c4d076e5cdb", "namespace": namespace},
            "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "action": action, "reason": reason, "note": note,
            "regarding": {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "name": name, "namespace": namespace,
                          "uid": "4a44561b-c528-4fee-bd03-c1a7c9df64b1"},
            "reportingController": f"{GROUP}/tollgate", "reportingInstance": "bench_eea9bb44-ec88-4092-a1e2-683b889c3c87"}

    def status_patches(self, kinds=("paymentmethodclasses", "billingaccounts", "paymentmethods", "billingaccountbindings")):
        """One PATCH an object: the bare loop's work. ProjectBillings do not exist until Tollgate creates them."""
        for key, (path, status) in self.expected().items():
            if key[0] in kinds:
                yield (f"{path}/status", {"status": status})

    # -- objects

    def _class(self):
        return f"{API}/paymentmethodclasses", _custom(
            "PaymentMethodClass", CLASS, {"provider": "manual"})

    def _account(self, i):
        return self._path("billingaccounts", i), _custom("BillingAccount", f"acct-{i:05}", {
            "currencyCode": "USD",
            "contactInfo": {
                "email": f"billing-{i:05}@example.com", "name": "Ada Example",
                "businessName": f"Example Company {i:05}",
                "address": {"country": "US", "line1": "1 Example Street", "city": "Springfield",
                            "region": "IL", "postalCode": "62701"}},
            "taxIds": [{"type": "us_ein", "value": f"12-{i:07}"}],
            "defaultPaymentMethodRef": {"name": f"pm-{i:05}"}})

    def _method(self, i):
        return self._path("paymentmethods", i), _custom("PaymentMethod", f"pm-{i:05}", {
            "billingAccountRef": {"name": f"acct-{i:05}"}, "displayName": f"Company card {i:05}",
            "paymentMethodClassRef": {"name": CLASS}, "type": "card"})

    def account_path(self, i):
        return self._path("billingaccounts", i, f"acct-{i:05}")

    def binding_path(self, i):
        return self._path("billingaccountbindings", self.account_of(i), f"binding-{i:06}")

    def binding(self, i):
        account = self.account_of(i)
        return self._path("billingaccountbindings", account), _custom(
            "BillingAccountBinding", f"binding-{i:06}", {
                "billingAccountRef": {"name": f"acct-{account:05}"},
                "projectRef": {"name": f"proj-{i:06}"}})

    # -- statuses

    def expected(self):
        """{(plural, namespace, name): (path, status)} of the converged cluster."""
        ready = ('Payment method "pm-{:05}" is ready.').format
        result = {("paymentmethodclasses", None, CLASS): (
            f"{API}/paymentmethodclasses/{CLASS}",
            _status([("ParametersResolved", "True", "ParametersNotRequired",
                      "The class names no parameters.")]))}

        def add(plural, namespace, name, path, status):
            result[plural, namespace, name] = (path, status)

        for i, linked in enumerate(self._linked()):
            name = f"acct-{i:05}"
            add("billingaccounts", self._namespace(i), name, self.account_path(i),
                _status([("Ready", "True", "BillingAccountReady", "Billing account is ready."),
                         ("DefaultPaymentMethodReady", "True", "Ready", ready(i)),
                         ("InvoicingReady", "True", "NoInvoicesYet", "No invoices yet."),
                         ("PaymentReady", "True", "PaymentMethodReady", ready(i))],
                        phase="Ready", linkedProjectsCount=linked,
                        actionRequiredCount=0, outstandingAmount="0.00"))
        for i in range(self.accounts):
            name = f"pm-{i:05}"
            add("paymentmethods", self._namespace(i), name, self._path("paymentmethods", i, name),
                _status([("InstrumentReady", "True", "Active", "The payment method can be charged.")],
                        **self._method_facts()))
        for i in range(self.bindings):
            account, name = self.account_of(i), f"binding-{i:06}"
            add("billingaccountbindings", self._namespace(account), name, self.binding_path(i),
                _status([("Bound", "True", "SuccessfulBinding",
                          "The project is billed to this account."),
                         ("DeployAllowed", "True", "Allowed", "")],
                        phase="Active", billingResponsibility={
                            "establishedAt": STAMP, "currentAccount": f"acct-{account:05}"}))
        for i in range(self.projects):
            project = f"proj-{i:06}"
            add("projectbillings", project, project,
                f"{API}/namespaces/{project}/projectbillings/{project}",
                _status([("DeployAllowed", "True", "Allowed", "")], deployAllowed=True))
        return result

    @staticmethod
    def _method_facts():
        return {"phase": "Active", "details": {"type": "card", "card": {
            "brand": "visa", "last4": "4242", "country": "US", "funding": "credit",
            "expiryMonth": 12, "expiryYear": 2037}}}

    # -- checking

    def faults(self, items):
        """What is not as expected, as sentences. `items`: (plural, object) pairs from the API server."""
        found = {(plural, item["metadata"].get("namespace"), item["metadata"]["name"]): item.get("status", {}) for plural, item in items}
        for key, (_, want) in self.expected().items():
            have = found.get(key, {})
            if _essence(have) != _essence(want):
                yield f"{key}: expected {_essence(want)}, found {_essence(have)}"


class OneHotAccount(Objects):
    """As many bindings again on one account, the first, as on all others together: bindings 0 to `hot` - 1 are its."""

    def __init__(self, hot, others):
        super().__init__(others + 1, 2 * hot)
        self.hot = hot

    def account_of(self, binding):
        return 0 if binding < self.hot else 1 + (binding - self.hot) % (self.accounts - 1)


def _essence(status):
    """What has to be equal: times and the words of messages are the controller's own."""
    return {"conditions": [(one["type"], one["status"], one["reason"])
                           for one in status.get("conditions", [])],
            **{name: status.get(name) for name in (
                "phase", "linkedProjectsCount", "actionRequiredCount", "outstandingAmount", "deployAllowed", "observedGeneration")}}


def _status(conditions, **fields):
    return {**fields, "observedGeneration": 1, "conditions": [
        {"type": type, "status": status, "observedGeneration": 1, "lastTransitionTime": STAMP,
         "reason": reason, "message": message} for type, status, reason, message in conditions]}


def _core(kind, name, labels=None):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels or {}}}


def _custom(kind, name, spec):
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": name},
            "spec": spec}


def write_plan(path, requests):
    """Writes (path, body) pairs as bare reads them; returns how many there are."""
    count = 0
    with open(path, "w") as file:
        for address, body in requests:
            text = "" if body is None else "\t" + json.dumps(body, separators=(",", ":"))
            file.write(f"{address}{text}\n")
            count += 1
    return count
