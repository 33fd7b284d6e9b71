"""Trouble: a control plane that fails, objects and rights that are not as they should be, signals, and flags that
change what is decided. On a control plane of its own, where each test starts the tollgate it needs."""

import collections
import contextlib
import json
import signal

import pytest

from client import GROUP, Client, ApiError, next_second, settles, until
from cluster import NAMESPACE, Tollgate, install
from conftest import ROOT, check_end
from plane import Plane

pytestmark = pytest.mark.skipif("os.environ.get('TOLLGATE_KUBECONFIG')", reason="breaks the cluster")


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with Plane(tmp_path_factory.mktemp("trouble") / "plane", audit=True) as plane:
        install(plane)
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
        yield plane


@pytest.fixture(scope="module")
def c(plane):
    with contextlib.closing(Client(plane)) as client:
        yield client


def works(c):
    """A project goes all the way to its account."""
    ns, project = c.namespace(), c.project()
    c.account(ns)
    c.bound(ns, project)
    c.refused(project, "PaymentMethodRequired")
    return ns, project


def lines(tollgate, *levels):
    """Log lines of these levels, as objects; every line has to be one."""
    return [line for line in map(json.loads, tollgate.log().splitlines()) if not levels or line["level"] in levels]


def problems(tollgate):
    return lines(tollgate, "warn", "error")


def one_line_a_change(tollgate, times=2):
    """The same is said when it begins, and once more each time it begins again; not at each attempt."""
    said = collections.Counter(json.dumps({**line, "ts": None, "error": None}) for line in problems(tollgate))
    assert max(said.values(), default=0) <= times, f"said again:\n{tollgate.log()}"


# --------------------------------------------------------- the control plane

@pytest.mark.parametrize("components", [["kube-apiserver"], ["kube-apiserver", "etcd"]], ids="+".join)
def test_control_plane_killed_and_started_again(c, run, plane, components):
    tollgate = run()
    ns, project = works(c)
    for name in components:
        plane.stop_component(name, signal.SIGKILL)
    until(lambda: problems(tollgate))
    for name in reversed(components):
        plane.start_component(name)
    plane.wait_ready()
    until(lambda: c.list("Namespace"))
    c.patch_status("BillingAccount", ns, "main", phase="Suspended")
    c.refused(project, "AccountSuspended", "main")
    works(c)
    assert tollgate.process.poll() is None
    one_line_a_change(tollgate)


def test_api_server_that_is_down_at_the_start(c, run, plane):
    first = run()
    works(c)
    check_end(first)
    plane.stop_component("kube-apiserver", signal.SIGKILL)
    try:
        tollgate = run(wait=False, kubeconfig=first.kubeconfig)
        until(lambda: problems(tollgate))
        assert tollgate.get(tollgate.health_port, "/healthz")[0] == 200
        assert tollgate.get(tollgate.health_port, "/readyz")[0] == 500
    finally:
        plane.start_component("kube-apiserver")
    tollgate.wait_ready()
    until(lambda: c.list("Namespace"))
    works(c)
    one_line_a_change(tollgate)


def test_missing_definitions_are_named_and_waited_for(run, tmp_path):
    with Plane(tmp_path / "bare") as bare:
        for file in ("namespace.yaml", "rbac.yaml"):
            bare.kubectl("apply", "-f", ROOT / "deploy" / "base" / file)
        tollgate = run(plane=bare, wait=False)
        [line] = until(lambda: problems(tollgate))
        for plural in ("billingaccounts", "billingaccountbindings", "paymentmethods", "paymentmethodclasses",
                       "projectbillings"):
            assert f"{plural}.{GROUP}" in json.dumps(line)
        assert "crds/" in json.dumps(line), "it says how to install them"
        assert tollgate.get(tollgate.health_port, "/readyz")[0] == 500
        install(bare)
        tollgate.wait_ready()
        with contextlib.closing(Client(bare)) as client:
            works(client)
        check_end(tollgate)


# -------------------------------------------------------------------- rights

def set_rules(plane, change):
    role = json.loads(plane.kubectl("get", "clusterrole", "tollgate", "-o", "json").stdout)
    change(role["rules"])
    plane.kubectl("replace", "-f", "-", input=json.dumps(role))


@pytest.fixture
def without(plane):
    """without(verb, resource): takes one right away; given back at the end at the latest."""
    def take(verb, resource):
        def change(rules):
            for rule in [rule for rule in rules if verb in rule["verbs"] and resource in rule["resources"]]:
                rules.append({**rule, "resources": [resource], "verbs": [one for one in rule["verbs"] if one != verb]})
                rule["resources"].remove(resource)
            rules[:] = [rule for rule in rules if rule["verbs"] and rule["resources"]]
        set_rules(plane, change)
        user = f"--as=system:serviceaccount:{NAMESPACE}:tollgate"
        kind, _, part = resource.partition("/")
        until(lambda: plane.kubectl("auth", "can-i", verb, f"{kind}.{GROUP}", f"--subresource={part}", user,
                                      check=False).stdout.strip() == "no")
    give_back = lambda: plane.kubectl("replace", "-f", ROOT / "deploy" / "base" / "rbac.yaml")  # noqa: E731
    take.give_back = give_back
    yield take
    give_back()


def test_right_to_write_that_is_taken_away_and_given_back(c, run, without):
    tollgate = run()
    ns, project = works(c)
    without("patch", "billingaccountbindings/status")
    name = c.bind(ns, c.project())
    [line] = until(lambda: problems(tollgate))
    assert "billingaccountbindings" in json.dumps(line)
    other = c.namespace()
    c.account(other)  # everything else goes on
    assert "status" not in c.get("BillingAccountBinding", ns, name)
    without.give_back()
    settles(lambda: c.phase("BillingAccountBinding", ns, name), "Active", timeout=60)
    assert len([line for line in problems(tollgate) if "billingaccountbindings" in json.dumps(line)]) <= 2


def test_right_to_list_that_is_missing_at_the_start(c, run, without):
    without("list", "paymentmethods")
    tollgate = run(wait=False)
    [line] = until(lambda: problems(tollgate))
    assert "paymentmethods" in json.dumps(line)
    assert tollgate.get(tollgate.health_port, "/readyz")[0] == 500
    ns = c.namespace()
    c.account(ns, ready=False)
    assert len(problems(tollgate)) == 1
    without.give_back()
    tollgate.wait_ready()
    assert c.get("BillingAccount", ns, "main")
    works(c)


def test_token_that_is_refused_and_replaced(c, run):
    first = run()
    works(c)
    check_end(first)
    token = first.kubeconfig.with_name(first.kubeconfig.name + ".token")
    good = token.read_text()
    token.write_text("no.such.token")
    tollgate = run(wait=False, kubeconfig=first.kubeconfig)
    until(lambda: problems(tollgate))
    assert tollgate.get(tollgate.health_port, "/readyz")[0] == 500
    token.write_text(good)
    tollgate.wait_ready(60)
    works(c)
    one_line_a_change(tollgate)


# -------------------------------------------------------------- odd objects

@pytest.fixture
def permissive(plane, c):
    """The schema of BillingAccount lets everything pass, as one of a later version might."""
    crd = json.loads(plane.kubectl("get", "crd", f"billingaccounts.{GROUP}", "-o", "json").stdout)
    schema = crd["spec"]["versions"][0]["schema"]
    strict, schema["openAPIV3Schema"] = schema["openAPIV3Schema"], {
        "type": "object", "x-kubernetes-preserve-unknown-fields": True}
    plane.kubectl("replace", "-f", "-", input=json.dumps(crd))
    ns = c.namespace()

    def loosened():
        name = c.unique("probe")
        c.create("BillingAccount", ns, name, {"currencyCode": "EUR", "future": True})
        found = c.get("BillingAccount", ns, name)["spec"]
        c.delete("BillingAccount", ns, name)
        return "future" in found
    until(loosened)
    yield
    for one in c.list("BillingAccount"):
        with contextlib.suppress(ApiError):
            c.patch("BillingAccount", one["metadata"]["namespace"], one["metadata"]["name"],
                    {"metadata": {"finalizers": None}})
            c.delete("BillingAccount", one["metadata"]["namespace"], one["metadata"]["name"])
    schema["openAPIV3Schema"] = strict
    crd["metadata"].pop("resourceVersion")
    plane.kubectl("replace", "-f", "-", input=json.dumps(crd))


POISON = {
    "object-for-text": {"currencyCode": {"deep": [1]}},
    "number-for-text": {"currencyCode": 978},
    "text-for-object": {"currencyCode": "EUR", "contactInfo": "me"},
    "null-for-text": {"currencyCode": None},
    "object-for-list": {"currencyCode": "EUR", "taxIds": {"a": 1}},
    "out-of-range": {"currencyCode": "EUR", "paymentTerms": {"netDays": 1e300}},
    "megabyte": {"currencyCode": "E" * 1_000_000},
}


def test_object_that_cannot_be_read_is_named_and_the_rest_goes_on(c, run, permissive):
    tollgate = run()
    ns = c.namespace()
    c.create("BillingAccount", ns, "poison", POISON["object-for-text"])
    [line] = until(lambda: [line for line in problems(tollgate) if "poison" in json.dumps(line)])
    assert f"{ns}/poison" in json.dumps(line) and "currencyCode" in json.dumps(line)
    for name, spec in POISON.items():
        c.create("BillingAccount", ns, name, spec)
    c.account(ns, "fine")
    _, project = works(c)
    assert "status" not in c.get("BillingAccount", ns, "poison")
    check_end(tollgate)

    again = run()  # now they are in its first list
    works(c)
    c.patch("BillingAccount", ns, "poison", {"spec": {"currencyCode": "EUR"}})
    settles(lambda: c.phase("BillingAccount", ns, "poison"), "Ready")
    assert again.process.poll() is None


def test_object_nested_too_deep_is_left_alone_like_any_other(c, run, permissive):
    tollgate = run()
    ns = c.namespace()
    c.create("BillingAccount", ns, "nested", {"currencyCode": "EUR", "future": json.loads("[" * 300 + "]" * 300)})
    works(c)
    again = run()
    works(c)
    assert tollgate.process.poll() is None and again.process.poll() is None


def test_unknown_fields_outlive_our_writes(c, run, permissive):
    run()
    ns = c.namespace()
    c.create("BillingAccount", ns, "main", {"currencyCode": "EUR", "future": {"a": [1]}})
    settles(lambda: c.phase("BillingAccount", ns, "main"), "Ready")
    c.patch_status("BillingAccount", ns, "main", future={"b": "x"}, phase="Suspended")
    settles(lambda: c.condition("BillingAccount", ns, "main", "Ready")["status"], "False")
    found = c.get("BillingAccount", ns, "main")
    assert found["spec"]["future"] == {"a": [1]} and found["status"]["future"] == {"b": "x"}


# ------------------------------------------------------------------- signals

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_it_well_and_soon(c, run, number):
    tollgate = run()
    works(c)
    tollgate.process.send_signal(number)
    assert tollgate.process.wait(5) == 0


def test_second_signal_ends_it_at_once(c, run, plane):
    tollgate = run()
    ns, _ = works(c)
    in_flight = lambda: any(line.startswith("tollgate_requests_in_flight") and not line.endswith(" 0")  # noqa: E731
                            for line in tollgate.metrics().splitlines())
    tollgate.process.send_signal(signal.SIGSTOP)
    for number in range(50):
        c.account(ns, f"a{number}", ready=False)
    try:
        plane.pause("kube-apiserver")  # what it has sent is in the socket; no write will be answered
        tollgate.process.send_signal(signal.SIGCONT)
        until(in_flight)
        tollgate.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in tollgate.log())
        assert tollgate.process.poll() is None, "requests under way are given time"
        tollgate.process.send_signal(signal.SIGTERM)
        assert tollgate.process.wait(2) == 1
    finally:
        plane.resume("kube-apiserver")


def test_restart_between_two_bindings(c, run):
    first = run()
    ns, project = works(c)
    c.account(ns, "other")
    [old] = [one["metadata"]["name"] for one in c.list("BillingAccountBinding", ns)]
    first.process.kill()
    first.process.wait()
    next_second()
    new = c.bind(ns, project, "other")
    run()
    settles(lambda: (c.phase("BillingAccountBinding", ns, old), c.phase("BillingAccountBinding", ns, new)),
            ("Superseded", "Active"))


def test_killed_again_and_again_in_the_middle(c, run):
    ns, project = c.namespace(), c.project()
    version = c.version("BillingAccountBinding", ns)
    c.account(ns, ready=False)
    names = []
    for wave in range(4):
        tollgate = run()
        names += [c.bind(ns, project) for _ in range(4)]
        tollgate.process.kill()  # at whatever it is doing
        tollgate.process.wait()
    run()
    winner = c.winner(ns, names)
    settles(lambda: {name: c.phase("BillingAccountBinding", ns, name) for name in names},
            {name: "Active" if name == winner else "Superseded" for name in names})
    c.never_two_active(ns, version)


# --------------------------------------------------------------------- flags

def test_namespace_restricts_it_to_one(c, run):
    ours, theirs = c.namespace(), c.namespace()
    c.account(theirs, ready=False)
    run(f"--namespace={ours}")
    c.account(ours)
    late = c.account(theirs, "late", ready=False)
    c.account(ours, "later")
    assert "status" not in c.get("BillingAccount", theirs, "main")
    assert "status" not in c.get("BillingAccount", theirs, late)


def test_rebind_reject_keeps_the_active_one(c, run):
    run("--rebind=Reject")
    ns, project = works(c)
    [old] = [one["metadata"]["name"] for one in c.list("BillingAccountBinding", ns)]
    next_second()
    new = c.bind(ns, project)
    until(lambda: c.standing(ns, new)[:2] == (None, "False"))
    assert c.standing(ns, old) == ("Active", "True", "SuccessfulBinding")
    c.delete("BillingAccountBinding", ns, old)
    settles(lambda: c.standing(ns, new), ("Active", "True", "SuccessfulBinding"))


def test_project_label_is_ours_to_choose(c, run):
    run("--project-label=example.com/team")
    usual, chosen = c.project(), c.namespace("env", **{"example.com/team": "red"})
    settles(lambda: c.verdict("red", chosen)[1], "NoBinding")
    assert c.find("ProjectBilling", usual, usual) is None


def test_sandbox_is_off_unless_enabled(c, run):
    run()
    ns = c.namespace()
    c.account(ns)
    c.method(ns)
    settles(lambda: c.conditions("PaymentMethod", ns, "visa"), [("InstrumentReady", "False", "Pending")])
    c.patch_status("PaymentMethod", ns, "visa", phase="Active")  # then an outside controller may own it
    settles(lambda: c.conditions("PaymentMethod", ns, "visa"), [("InstrumentReady", "True", "Active")])
