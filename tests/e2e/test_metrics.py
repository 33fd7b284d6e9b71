"""Metrics: what promtool and a real Prometheus make of them, that they have controller-runtime's names, labels and buckets, and that their values
follow what has happened."""

import collections
import json
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest

from client import ApiError, settles, until
from conftest import plane_with_webhooks
from plane import _free_ports

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="its API server must reach us")

WEBHOOK = True
CONTROLLERS = {"namespace", "paymentmethodclass", "billingaccount", "paymentmethod", "billingarrangement", "invoice",
               "billingaccountbinding", "projectbilling"}
DECADES = [10 ** exponent for exponent in range(-8, 4)]
RECONCILE = [.005, .01, .025, .05, .1, .15, .2, .25, .3, .35, .4, .45, .5, .6, .7, .8, .9, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9,
             10, 15, 20, 25, 30, 40, 50, 60]
REQUEST = [.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60]

# As controller-runtime, client-go and Prometheus' own clients have them: name, type, labels; of a histogram, its buckets.
STANDARD = [
    ("controller_runtime_reconcile_total", "counter", {"controller", "result"}, None),
    ("controller_runtime_reconcile_errors_total", "counter", {"controller"}, None),
    ("controller_runtime_terminal_reconcile_errors_total", "counter", {"controller"}, None),
    ("controller_runtime_reconcile_panics_total", "counter", {"controller"}, None),
    ("controller_runtime_max_concurrent_reconciles", "gauge", {"controller"}, None),
    ("controller_runtime_active_workers", "gauge", {"controller"}, None),
    ("controller_runtime_reconcile_time_seconds", "histogram", {"controller"}, RECONCILE),
    ("controller_runtime_webhook_requests_total", "counter", {"webhook", "code"}, None),
    ("controller_runtime_webhook_requests_in_flight", "gauge", {"webhook"}, None),
    ("controller_runtime_webhook_latency_seconds", "histogram", {"webhook"}, DECADES),
    ("workqueue_depth", "gauge", {"name", "controller"}, None),
    ("workqueue_adds_total", "counter", {"name", "controller"}, None),
    ("workqueue_retries_total", "counter", {"name", "controller"}, None),
    ("workqueue_unfinished_work_seconds", "gauge", {"name", "controller"}, None),
    ("workqueue_longest_running_processor_seconds", "gauge", {"name", "controller"}, None),
    ("workqueue_queue_duration_seconds", "histogram", {"name", "controller"}, DECADES),
    ("workqueue_work_duration_seconds", "histogram", {"name", "controller"}, DECADES),
    ("rest_client_requests_total", "counter", {"code", "method", "host"}, None),
    ("rest_client_request_duration_seconds", "histogram", {"verb", "host"}, REQUEST),
    ("leader_election_master_status", "gauge", {"name"}, None),
    ("certwatcher_read_certificate_total", "counter", set(), None),
    ("certwatcher_read_certificate_errors_total", "counter", set(), None),
    ("process_cpu_seconds_total", "counter", set(), None),
    ("process_open_fds", "gauge", set(), None),
    ("process_max_fds", "gauge", set(), None),
    ("process_virtual_memory_bytes", "gauge", set(), None),
    ("process_virtual_memory_max_bytes", "gauge", set(), None),
    ("process_resident_memory_bytes", "gauge", set(), None),
    ("process_start_time_seconds", "gauge", set(), None),
]


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with plane_with_webhooks(tmp_path_factory) as plane:
        yield plane


class Scrape:
    """One answer of /metrics."""

    LINE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
    LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.types, self.samples = {}, []
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.types[name] = kind
            elif not line.startswith("#"):
                name, labels, value = self.LINE.match(line).groups()
                self.samples.append((name, dict(self.LABEL.findall(labels or "")), float(value)))

    def labels(self, name):
        return [labels for found, labels, _ in self.samples if found == name]

    def sum(self, metric, **wanted):
        """Of all series that have these labels; LookupError if there is none."""
        values = [value for found, labels, value in self.samples if found == metric and wanted.items() <= labels.items()]
        if not values:
            raise LookupError(f"no {metric}{wanted}")
        return sum(values)


def scrape(tollgate):
    return Scrape(tollgate.metrics())


@pytest.fixture
def org(c):
    ns = c.namespace()
    c.account(ns)
    return ns


def tool(name):
    path = shutil.which(name)
    assert path, f"{name} is missing: tests/local/packages.sh --test installs it"
    return path


def test_promtool_has_nothing_to_say(c, org, tollgate):
    done = subprocess.run([tool("promtool"), "check", "metrics"], input=tollgate.metrics(), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name, kind, labels, bounds", STANDARD, ids=[row[0] for row in STANDARD])
def test_name_labels_and_buckets_are_the_usual_ones(tollgate, name, kind, labels, bounds):
    found = scrape(tollgate)
    assert found.types.get(name) == kind
    series = found.labels(f"{name}_count" if bounds else name)
    assert series and all(set(one) == labels for one in series)
    if "controller" in labels:
        assert {one["controller"] for one in series} == CONTROLLERS
    if "name" in labels and "controller" in labels:
        assert all(one["name"] == one["controller"] for one in series)
    if bounds:
        first = {key: value for key, value in found.labels(f"{name}_bucket")[0].items() if key != "le"}
        les = [one["le"] for one in found.labels(f"{name}_bucket") if first.items() <= one.items()]
        assert [float(le) for le in les] == [*bounds, float("inf")]


def test_series_are_there_before_anything_happens(run, plane):
    """A rate over a counter that comes into being with its first error would not see that error."""
    found = scrape(run("--namespace=nobody-is-here", "--webhook-bind-address=0"))
    for controller in CONTROLLERS - {"namespace", "paymentmethodclass"}:
        for result in ("success", "error", "requeue", "requeue_after"):
            assert found.sum("controller_runtime_reconcile_total", controller=controller, result=result) == 0
        assert found.sum("workqueue_adds_total", controller=controller) == 0
    assert found.sum("rest_client_requests_total", code="<error>", method="PATCH") == 0
    assert found.sum("tollgate_writes_total", kind="Invoice", request="status", result="conflict") == 0


def test_decisions_are_counted_by_kind(c, org, tollgate):
    def turns(controller):
        found = scrape(tollgate)
        return (found.sum("controller_runtime_reconcile_total", controller=controller),
                found.sum("workqueue_adds_total", controller=controller),
                found.sum("controller_runtime_reconcile_time_seconds_count", controller=controller),
                found.sum("workqueue_queue_duration_seconds_count", controller=controller),
                found.sum("workqueue_work_duration_seconds_count", controller=controller))
    until(lambda: scrape(tollgate).sum("workqueue_depth") == scrape(tollgate).sum("tollgate_requests_in_flight") == 0)
    before, others = turns("billingaccount"), turns("billingarrangement")
    writes = scrape(tollgate).sum("tollgate_writes_total", kind="BillingAccount", request="status", result="ok")
    for number in range(3):
        c.account(org, f"another-{number}")
    until(lambda: scrape(tollgate).sum("workqueue_depth") == scrape(tollgate).sum("tollgate_requests_in_flight") == 0)
    after = turns("billingaccount")
    assert all(now >= then + 3 for then, now in zip(before, after)), (before, after)
    assert len(set(after[1:])) == 1, "each add is waited for, taken and done"
    assert turns("billingarrangement") == others
    assert scrape(tollgate).sum("tollgate_writes_total", kind="BillingAccount", request="status", result="ok") >= writes + 3
    assert 0 < scrape(tollgate).sum("controller_runtime_reconcile_time_seconds_sum", controller="billingaccount") < 60


def counted(tollgate, name, *labels):
    """{label values: how many}, without those that are zero."""
    return {tuple(found[label] for label in labels): value for metric, found, value in scrape(tollgate).samples if metric == name and value}


def test_projects_are_told_apart_as_their_members_read_it(c, org, tollgate):
    def as_read():
        deploy = collections.Counter()
        for one in c.list("ProjectBilling"):
            [gate] = one["status"]["conditions"]
            deploy["allowed" if one["status"]["deployAllowed"] else "blocked", gate["reason"]] += 1
        return dict(deploy)
    paid, unpaid, unbound = (c.project() for _ in range(3))
    c.bound(org, unpaid)
    c.refused(unbound, "NoBinding")
    c.refused(unpaid, "PaymentMethodRequired")
    other = c.namespace()
    c.account(other)
    c.method(other)
    settles(lambda: c.phase("PaymentMethod", other, "visa"), "Active")
    until(lambda: c.patch("BillingAccount", other, "main", {"spec": {"defaultPaymentMethodRef": {"name": "visa"}}}))
    c.bound(other, paid)
    c.allowed(paid)
    found = until(as_read)
    assert {("allowed", "Allowed"), ("blocked", "NoBinding"), ("blocked", "PaymentMethodRequired")} <= set(found)
    settles(lambda: counted(tollgate, "tollgate_projects", "deploy", "reason"), found)
    c.outcome(other, "visa", "declined")
    c.refused(paid, "PaymentMethodNotUsable")
    settles(lambda: counted(tollgate, "tollgate_projects", "deploy", "reason"), as_read())
    assert scrape(tollgate).sum("tollgate_projects", deploy="blocked", reason="PaymentMethodNotUsable") == 1


def test_accounts_and_invoices_are_told_apart_by_phase(c, org, tollgate):
    def phases(kind):
        return dict(collections.Counter((one["status"]["phase"],) for one in c.list(kind)))
    c.patch_status("BillingAccount", org, "main", phase="Suspended")
    settles(lambda: c.condition("BillingAccount", org, "main", "Ready")["status"], "False")
    c.account(org, "fine")
    c.invoice(org, account="fine", phase="Paid", total="1.00", amountDue="0.00")
    c.invoice(org, "2026-09", account="fine", phase="Open", total="1.00", amountDue="1.00", dueDate="2026-10-15T00:00:00Z")
    settles(lambda: c.phase("Invoice", org, "fine-2026-09"), "PastDue")
    assert {("Ready",), ("Suspended",)} <= set(phases("BillingAccount"))
    settles(lambda: counted(tollgate, "tollgate_accounts", "phase"), phases("BillingAccount"))
    settles(lambda: counted(tollgate, "tollgate_invoices", "phase"), {("Paid",): 1, ("PastDue",): 1})
    settles(lambda: scrape(tollgate).sum("tollgate_objects", kind="Invoice"), 2)
    c.delete("Invoice", org, "fine-2026-10")
    settles(lambda: counted(tollgate, "tollgate_invoices", "phase"), {("PastDue",): 1})


def test_reviews_are_measured(c, org, tollgate):
    def reviews():
        found = scrape(tollgate)
        return tuple(found.sum(name, webhook="/validate") for name in (
            "controller_runtime_webhook_requests_total", "controller_runtime_webhook_latency_seconds_count", "tollgate_admission_seconds_count"))
    before = reviews()
    refused = scrape(tollgate).sum("tollgate_admission_refused_total", webhook="/validate")
    with pytest.raises(ApiError):
        c.bind(org, "shop", account="nobody")
    after = reviews()
    assert all(now > then for then, now in zip(before, after)) and len(set(after)) == 1
    assert scrape(tollgate).sum("tollgate_admission_refused_total", webhook="/validate") > refused
    assert scrape(tollgate).sum("controller_runtime_webhook_requests_in_flight") == 0
    assert 0 < scrape(tollgate).sum("controller_runtime_webhook_latency_seconds_sum", webhook="/validate") < 60


def test_process_is_the_one_that_runs(tollgate):
    pid, found = tollgate.process.pid, scrape(tollgate)
    with open(f"/proc/{pid}/status") as status:
        resident = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024
    assert abs(found.sum("process_resident_memory_bytes") - resident) < resident / 4
    assert abs(found.sum("process_open_fds") - len(os.listdir(f"/proc/{pid}/fd"))) <= 3
    started = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=True, env={"LC_ALL": "C", "TZ": "UTC0",
                             "PATH": os.environ["PATH"]}).stdout.strip()
    epoch = int(subprocess.run(["date", "-u", "-d", started, "+%s"], capture_output=True, text=True, check=True).stdout)
    assert abs(found.sum("process_start_time_seconds") - epoch) <= 2
    assert scrape(tollgate).sum("process_start_time_seconds") == found.sum("process_start_time_seconds"), "or each scrape looks like a restart"
    assert found.sum("leader_election_master_status", name="tollgate") == 1
    assert found.sum("tollgate_heap_bytes") < 1.1 * resident


def test_silence_of_the_api_server_is_seen(plane, tollgate):
    def most():
        return max(value for name, _, value in scrape(tollgate).samples if name == "tollgate_watch_stale_seconds")
    assert most() < 90  # it says something once a minute
    plane.pause("kube-apiserver")
    try:
        least = most()
        until(lambda: most() > least + 1)
    finally:
        plane.resume("kube-apiserver")


# ------------------------------------------------------------- Prometheus

@pytest.fixture
def prometheus(tollgate, tmp_path):
    """query(expression): the values that a Prometheus answers which scrapes tollgate every second."""
    [port] = _free_ports(1)
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [
        {"job_name": "tollgate", "static_configs": [{"targets": [f"127.0.0.1:{tollgate.metrics_port}"]}]}]}))
    subprocess.run([tool("promtool"), "check", "config", config], check=True, capture_output=True)
    with open(tmp_path / "prometheus.log", "wb") as log:
        process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
                                    f"--web.listen-address=127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def query(expression):
        status, text = tollgate.get(port, f"/api/v1/query?query={urllib.parse.quote(expression)}")
        answer = json.loads(text)
        assert status == 200 and answer["status"] == "success", text
        return [float(one["value"][1]) for one in answer["data"]["result"]]
    try:
        until(lambda: tollgate.get(port, "/-/ready")[0] == 200, 30)
        yield query
    finally:
        process.kill()
        process.wait()


def test_prometheus_scrapes_and_answers(c, org, tollgate, prometheus):
    settles(lambda: prometheus('up{job="tollgate"}'), [1.0])
    settles(lambda: prometheus("sum(tollgate_accounts)"), [float(len(c.list("BillingAccount")))])
    c.account(org, "one-more")
    settles(lambda: prometheus('tollgate_objects{kind="BillingAccount"}'), [float(len(c.list("BillingAccount")))])
    settles(lambda: prometheus('leader_election_master_status{name="tollgate"}'), [1.0])
    [p99] = until(lambda: [value for value in prometheus(
        'histogram_quantile(0.99, sum by (le) (controller_runtime_reconcile_time_seconds_bucket{controller="billingaccount"}))') if value == value])
    assert 0 < p99 <= 60
    scraped = scrape(tollgate)
    assert prometheus('count({job="tollgate"})') == [len(scraped.samples) + 5], "all series, and what Prometheus adds of its own"
