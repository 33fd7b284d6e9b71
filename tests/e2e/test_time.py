"""Moments that pass on the wall clock: none is missed, also while tollgate is stopped or suspended."""

import contextlib
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from client import ahead, passes, settles, stamp, utc_today
from cluster import Tollgate


@pytest.fixture(params=["running", "suspended", "stopped"])
def meanwhile(request, paused, tollgate):
    """`with meanwhile():` tollgate is in that state."""
    @contextlib.contextmanager
    def stopped():
        assert tollgate.stop() == 0
        try:
            yield
        finally:
            tollgate.start()
    return {"running": contextlib.nullcontext, "suspended": paused, "stopped": stopped}[request.param]


def test_moment_is_not_missed(c, meanwhile):
    starting, ending = c.namespace(), c.namespace()
    before, after = c.project(), c.project()
    for ns, project in ((starting, before), (ending, after)):
        c.account(ns)
        c.bound(ns, project)
    moment = ahead(6)
    c.arrange(starting, startsAt=moment)
    c.arrange(ending, endsAt=moment)
    c.invoice(ending, phase="Open", total="1.00", dueDate=moment)
    settles(lambda: c.phase("BillingArrangement", starting, "terms"), "Scheduled")
    c.allowed(after)
    assert ahead(0) < moment
    with meanwhile():
        passes(moment)
    c.allowed(before)
    c.refused(after, "PaymentMethodRequired")
    settles(lambda: c.phase("Invoice", ending, "main-2026-10"), "PastDue")


def next_month():
    today = utc_today()
    return datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=timezone.utc)


@pytest.mark.last
def test_card_expires_with_its_month(c, plane, paused, tmp_path, monkeypatch):
    """A month does not end for a test, so this tollgate's clock is ahead: it starts eight seconds before the month's end."""
    ns, project = c.namespace(), c.project()
    c.account(ns, default="visa")
    binding = c.bound(ns, project)
    c.method(ns, cls="manual")
    month = next_month()
    shown = utc_today()
    c.patch_status("PaymentMethod", ns, "visa", phase="Active", details={
        "type": "card", "card": {"last4": "4242", "expiryMonth": shown.month, "expiryYear": shown.year}})
    c.allowed(project)
    shim = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, Path(__file__).with_name("clock.c")], check=True)
    # AddressSanitizer wants to be the first library, and works as the second as well.
    for name, value in {"LD_PRELOAD": str(shim), "ASAN_OPTIONS": "verify_asan_link_order=0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLOCK_AHEAD_S", str(int((month - utc_today()).total_seconds()) - 8))
    with paused(), Tollgate(plane, tmp_path, f"--namespace={ns}") as early:
        for name in ("LD_PRELOAD", "CLOCK_AHEAD_S"):
            monkeypatch.delenv(name)
        deploy = lambda: c.condition("BillingAccountBinding", ns, binding, "DeployAllowed")  # noqa: E731
        assert deploy()["status"] == "True" and c.phase("PaymentMethod", ns, "visa") == "Active"
        settles(lambda: c.phase("PaymentMethod", ns, "visa"), "Failed")
        settles(lambda: c.get("PaymentMethod", ns, "visa")["status"]["failureReason"], "card_expired")
        settles(lambda: deploy()["reason"], "PaymentMethodNotUsable")
        assert stamp(deploy()["lastTransitionTime"]) == month
        assert early.stop() == 0
