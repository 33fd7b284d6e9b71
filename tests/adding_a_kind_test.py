"""docs/adding-a-kind.md, followed to the letter: its blocks make a new kind in a copy of this checkout, which then builds, passes
the tests that take every kind up by themselves, and does on a control plane what the document says.

The document alone holds the kind's files; here is only what must come of them.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "local"))
import cluster  # noqa: E402
from plane import Plane, SetupError, find_binary  # noqa: E402

DOCUMENT = ROOT / "docs" / "adding-a-kind.md"
FLAVOUR = os.environ.get("FLAVOUR", "release")
PREFIX = "costcenter"
COPIED = ("include", "reconcilers", "crds", "controller", "deploy", "tests")
WIRING = "include/kinds.h"
LISTS = {"crds/Kustomization", "deploy/base/rbac.yaml", "deploy/base/webhooks.yaml"}
OWN = re.compile(rf"(include|reconcilers|crds)/{PREFIX}(_inputs)?\.(h|c|yaml)|tests/golden/{PREFIX}/[\w./-]+|"
                 rf"deploy/samples/{PREFIX}\.yaml")
TIMEOUT = 20


# ------------------------------------------------------------------ the document's steps

def steps():
    """[(file or None, language, text)] of the document's blocks, in order."""
    found = re.findall(r"(?:^\*\*([\w./-]+)\*\*\n)?^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    assert all(bool(name) == (language != "sh") for name, language, _ in found), "each block but a command names its file"
    return found


def insert(path, text):
    """Puts each + line below the line that is shown above it; blanks between words do not matter in finding that."""
    lines = path.read_text().splitlines()
    place = None
    for line in text.splitlines():
        if line.startswith("+"):
            lines.insert(place + 1, line[1:])
            place += 1
        elif not line.startswith("@@"):
            places = [i for i, old in enumerate(lines) if old.split() == line.split()]
            assert len(places) == 1, f"{path.name}: {line!r} occurs {len(places)} times"
            place = places[0]
    path.write_text("\n".join(lines) + "\n")


def follow(folder):
    for name, language, text in steps():
        if language == "sh":
            subprocess.run(["sh", "-ec", text], cwd=folder, check=True)
        elif language == "diff":
            insert(folder / name, text)
        else:
            assert not (folder / name).exists(), name
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """(folder, files before, files after) of a copy of the checkout with the new kind in it, not yet built."""
    folder = tmp_path_factory.mktemp("kind") / "tollgate"
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "VERSION"):
        shutil.copy2(ROOT / name, folder)
    before = contents(folder)
    follow(folder)
    return folder, before, contents(folder)


def make(folder, *targets):
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", f"FLAVOUR={FLAVOUR}", *targets], cwd=folder, check=True)


@pytest.fixture(scope="module")
def built(copy):
    """The copy, built: with times as they are, so that only what sees the wiring table is compiled again."""
    folder, built = copy[0], ROOT / "build" / FLAVOUR
    if built.is_dir():
        shutil.copytree(built, folder / "build" / FLAVOUR)
    make(folder, "all", *(f"build/{FLAVOUR}/tests/{name}" for name in ("codec_test", "dump_shapes")))
    return folder


# ------------------------------------------------------------------ files

def test_only_one_line_outside_of_its_own_files(copy):
    _, before, after = copy
    new = after.keys() - before.keys()
    assert {name for name in new if not OWN.fullmatch(name)} == set()
    assert {name for name in before if before[name] != after.get(name)} == {WIRING} | LISTS
    wiring = [set(files[WIRING].decode().splitlines()) for files in (before, after)]
    assert wiring[0] - wiring[1] == set()
    [line] = wiring[1] - wiring[0]
    assert re.fullmatch(rf"\s*KIND\(\w+, {PREFIX}\)\s*\\", line)


def test_lists_for_the_administrator_grow_and_nothing_else(copy):
    _, before, after = copy
    for name in LISTS:
        old, new = (files[name].decode().splitlines() for files in (before, after))
        assert all(PREFIX in line for line in new if line not in old) and [line for line in new if line in old] == old, name


# ------------------------------------------------------------------ the tests that take it up

@pytest.mark.parametrize("command", [
    ["tests/layers.py", f"build/{FLAVOUR}"],
    [f"build/{FLAVOUR}/tests/codec_test"],
    [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/schema_test.py"],
], ids=["layers", "codec", "schema"])
def test_what_every_kind_must_pass(built, command):
    done = subprocess.run(command, cwd=built, capture_output=True, text=True, env={**os.environ, "FLAVOUR": FLAVOUR})
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]


# ------------------------------------------------------------------ on a control plane

@pytest.fixture(scope="module")
def plane(built, tmp_path_factory):
    """A control plane with the copy's deploy/ installed, and the copy's tollgate at work with the rights that it gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TOLLGATE_KUBECONFIG", raising=False)      # never in somebody's cluster
        patch.setattr(cluster, "ROOT", built)
        patch.setattr(cluster, "PROGRAM", built / "build" / "tollgate")
        try:
            find_binary("kube-apiserver")
        except SetupError as missing:
            if os.environ.get("TOLLGATE_REQUIRE_PLANE"):
                raise
            pytest.skip(str(missing))
        with Plane(tmp_path_factory.mktemp("plane") / "plane") as plane:
            cluster.install(plane)
            tollgate = cluster.Tollgate(plane, tmp_path_factory.mktemp("tollgate")).start()
            try:
                plane.kubectl("create", "namespace", "acme")
                yield plane
            finally:
                code, log = tollgate.stop(), tollgate.log()
            assert code == 0 and "forbidden" not in log.lower(), log[-5000:]


class Acme:
    """kubectl in the sample's namespace."""

    def __init__(self, plane, folder):
        self.plane, self.samples = plane, folder / "deploy" / "samples"

    def kubectl(self, *args, **options):
        return self.plane.kubectl("-n", "acme", *args, **options)

    def get(self, what, path):
        return self.kubectl("get", what, "-o", f"jsonpath={{{path}}}").stdout

    def shows(self, name, status):
        self.kubectl("wait", f"{PREFIX}/{name}", f"--for=condition=AccountFound={status}", f"--timeout={TIMEOUT}s")

    def until(self, check):
        deadline = time.monotonic() + TIMEOUT
        while not check():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def acme(plane, built):
    acme = Acme(plane, built)
    acme.kubectl("apply", "-f", acme.samples / f"{PREFIX}.yaml")
    return acme


def test_condition_follows_the_account(acme):
    account = acme.samples / "account.yaml"
    acme.shows("research", "False")
    assert acme.get(f"{PREFIX}/research", ".status.conditions[0].reason") == "AccountNotFound"
    acme.kubectl("apply", "-f", account)
    acme.shows("research", "True")
    acme.kubectl("delete", "-f", account)
    acme.shows("research", "False")
    acme.kubectl("apply", "-f", account)
    acme.shows("research", "True")


def test_it_rests(acme):
    """What is decided after the account has moved shows that the move was seen; the cost center that rests was not written."""
    acme.until(lambda: acme.get("bacct/main", ".status.phase") == "Ready")
    version = acme.get(f"{PREFIX}/research", ".metadata.resourceVersion")
    acme.kubectl("label", "bacct/main", "seen=yes")
    acme.kubectl("patch", f"{PREFIX}/research", "--type=merge", "-p", '{"spec":{"code":"R-100"}}')     # as it is: no change
    sample = yaml.safe_load((acme.samples / f"{PREFIX}.yaml").read_text())
    for name in ("other", "another"):
        sample["metadata"]["name"] = name
        acme.kubectl("apply", "-f", "-", input=yaml.safe_dump(sample))
        acme.shows(name, "True")
    assert acme.get(f"{PREFIX}/research", ".metadata.resourceVersion") == version
    acme.kubectl("delete", PREFIX, "other", "another")


def test_a_changed_spec_is_decided_anew(acme):
    acme.kubectl("patch", f"{PREFIX}/research", "--type=merge", "-p", '{"spec":{"code":"R-200"}}')
    generation = acme.get(f"{PREFIX}/research", ".metadata.generation")
    acme.until(lambda: acme.get(f"{PREFIX}/research", ".status.observedGeneration") == generation)
    acme.kubectl("patch", f"{PREFIX}/research", "--type=merge", "-p", '{"spec":{"code":"R-100"}}')


def test_the_schema_refuses(acme):
    for spec, refusal in (('{"billingAccountRef":{"name":"x"}}', "billingAccountRef is immutable"), ('{"code":"r"}', "spec.code")):
        done = acme.kubectl("patch", f"{PREFIX}/research", "--type=merge", "-p", f'{{"spec":{spec}}}', check=False)
        assert done.returncode != 0 and refusal in done.stderr


def test_columns_are_those_the_document_shows(acme):
    shown = re.search(r"^    \$ kubectl (get .*)\n    (.*)\n    (.*)$", DOCUMENT.read_text(), re.M)
    head, row = acme.plane.kubectl(*shown[1].split()).stdout.splitlines()
    assert head.split() == shown[2].split()
    assert row.split()[:-1] == shown[3].split()[:-1]      # all but the age
