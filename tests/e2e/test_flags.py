"""The command line, without a cluster. What the flags do to a cluster is in test_runtime.py."""

import re
import subprocess

import pytest

from cluster import PROGRAM
from conftest import ROOT


def tollgate(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=20,
                          env={"HOME": "/nonexistent", "PATH": "/nonexistent"})


def test_help_is_one_screen():
    done = tollgate("--help")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == ""
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    for flag in ("kubeconfig", "context", "namespace", "metrics-bind-address", "health-probe-bind-address", "config",
                 "max-concurrent-writes", "log-level", "log-format", "project-label", "enable-sandbox-provider",
                 "rebind", "leader-elect"):
        assert re.search(rf"--{flag}\b", done.stdout), flag


def test_version():
    done = tollgate("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert (ROOT / "VERSION").read_text().strip() in done.stdout and len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("arguments, word", [
    (["--no-such-flag"], "no-such-flag"), (["-x"], "x"), (["surplus"], "surplus"), (["--rebind=Sometimes"], "rebind"),
    (["--log-level=loud"], "log-level"), (["--log-format=xml"], "log-format"), (["--namespace=Not_A_Name"], "namespace"),
    (["--max-concurrent-writes=0"], "max-concurrent-writes"), (["--max-concurrent-writes=many"], "max-concurrent-writes"),
    (["--max-concurrent-writes=99999999999999999999"], "max-concurrent-writes"), (["--kubeconfig"], "kubeconfig"),
    (["--project-label=not a label"], "project-label"), (["--enable-sandbox-provider=perhaps"], "enable-sandbox-provider"),
    (["--leader-elect=2"], "leader-elect"), (["--config=/nonexistent/file"], "/nonexistent/file"),
    (["--kubeconfig=/nonexistent/file"], "/nonexistent/file"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_flag_is_one_clear_line_and_exit_2(arguments, word):
    done = tollgate(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and word in done.stderr


@pytest.mark.parametrize("text, where", [("rebind: Reject\nno-such-key: 1\n", "2:1"), ("rebind: Sometimes\n", "1:9"),
                                         ("rebind: [\n", ""), ("- a\n", "1:1"), ("rebind: Reject\nrebind: Reject\n", "2:1")])
def test_config_file_is_strict_and_says_where(tmp_path, text, where):
    file = tmp_path / "tollgate.yaml"
    file.write_text(text)
    done = tollgate(f"--config={file}")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert str(file) in done.stderr
    if where:
        line, column = where.split(":")
        assert re.search(rf"\b{line}\b.*\b{column}\b", done.stderr.replace(str(file), ""))
