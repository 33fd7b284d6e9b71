"""Moments that pass while tollgate is stopped or suspended are made up for at once."""

import contextlib

import pytest

from client import ahead, passes, settles


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
    moment = ahead(3)
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
