"""Fixtures of the end-to-end tests: one real control plane with everything of deploy/ installed, and tollgate beside it
with its service account's rights. The scenarios are written from the domain's rules alone: what a client sees, nothing
of how it is done. Each uses namespaces of its own, so they run in any order; those marked `last` come last.

    make e2e                        TOLLGATE_BINARY=... tries another build; TOLLGATE_KUBECONFIG=... another cluster
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "local"))
pytest.register_assert_rewrite("client")
from client import Client  # noqa: E402
from cluster import Tollgate, install  # noqa: E402
from plane import Plane  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "last: runs after all others")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows what its tollgates logged last."""
    report = (yield).get_result()
    if report.failed:
        watched = vars(item).get("watched") or [item.funcargs.get("tollgate")]
        report.sections += [("tollgate's log", one.log()[-5000:]) for one in watched if one and one.process]


def check_end(tollgate):
    """Every tollgate of the tests ends well, a sanitizer's word included."""
    code, log = tollgate.stop(), tollgate.log()
    assert code == 0 and "Sanitizer" not in log and "runtime error" not in log, f"exit {code}\n{log[-5000:]}"


@pytest.fixture(scope="session")
def plane(tmp_path_factory):
    with Plane(tmp_path_factory.mktemp("e2e") / "plane", audit=True) as plane:
        install(plane)
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
        yield plane


@contextlib.contextmanager
def plane_with_webhooks(tmp_path_factory, audit=False):
    """A control plane for one file, on which nothing is stored unasked. What comes of that is tested without: they can be absent."""
    with Plane(tmp_path_factory.mktemp("webhooks") / "plane", audit=audit) as plane:
        install(plane, webhooks=True)
        yield plane


@pytest.fixture(scope="module")
def client(plane):
    with contextlib.closing(Client(plane)) as client:
        yield client


@pytest.fixture(scope="module")
def tollgate(plane, tmp_path_factory, request):
    """The tollgate of a file's tests, on `plane`; a file may say FLAGS of its own, and WEBHOOK = True."""
    flags, webhook = getattr(request.module, "FLAGS", ()), getattr(request.module, "WEBHOOK", False)
    tollgate = Tollgate(plane, tmp_path_factory.mktemp("tollgate"), "--enable-sandbox-provider", "--log-format=json", *flags, webhook=webhook)
    tollgate.start()
    if webhook:
        plane.kubectl("apply", "-f", ROOT / "deploy" / "samples" / "classes.yaml")
    yield tollgate
    check_end(tollgate)


@pytest.fixture
def c(client, tollgate):
    """The client, with tollgate at work."""
    assert tollgate.process.poll() is None, "tollgate has ended"
    return client


@pytest.fixture
def run(plane, tmp_path, request):
    """run(*flags): a tollgate on that plane, ended with the test. For files whose tests each start the tollgate they need."""
    started = request.node.watched = []

    def start(*flags, wait=True, plane=plane, **more):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Tollgate(plane, folder, "--log-format=json", *flags, **more))
        return started[-1].start(wait=wait)
    yield start
    still = [tollgate for tollgate in started if tollgate.process.poll() is None]
    for tollgate in still:
        tollgate.stop()
    for tollgate in still:
        check_end(tollgate)


@pytest.fixture
def paused(tollgate):
    """`with paused():` tollgate sees nothing meanwhile, and then all of it at once."""
    @contextlib.contextmanager
    def pause():
        os.kill(tollgate.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(tollgate.process.pid, signal.SIGCONT)
    return pause


@pytest.fixture
def namespace(client, paused):
    """A namespace, in which tollgate does nothing meanwhile: for tests of the API server's own part."""
    with paused():
        yield client.namespace("schema")
