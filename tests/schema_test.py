"""Holds the schemas users install (crds/*.yaml) and the field tables the code reads by (crds/*.c) against each other.

Forgetting one of the two when adding a field fails here, by path. Also: every field explains itself, and what people type
(short names, category) is there.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DUMP = f"build/{os.environ.get('FLAVOUR', 'release')}/tests/dump_shapes"
SIZE_LIMIT = 256 * 1024     # what kubectl apply can keep in its annotation

# A table reads these as any text although the schema names the values: what a provider writes passes through unjudged.
TEXT_DESPITE_ENUM = {("PaymentMethod", "status.details.type")}


def load_crds():
    return {crd["spec"]["names"]["kind"]: (path, crd)
            for path in sorted((ROOT / "crds").glob("*.yaml")) for crd in [yaml.safe_load(path.read_text())]}


CRDS = load_crds()
kinds = pytest.mark.parametrize("kind", sorted(CRDS))


@pytest.fixture(scope="session")
def tables():
    subprocess.run(["make", "-s", DUMP], cwd=ROOT, check=True)
    dumped = subprocess.run([ROOT / DUMP], check=True, capture_output=True, text=True).stdout
    return {resource["kind"]: resource for resource in json.loads(dumped)}


def schema_of(kind):
    (version,) = CRDS[kind][1]["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def walk(schema, path=""):
    """(path, schema) of all fields below; a list's items are "path[]"."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, field
        yield from walk(field, here)
        if field.get("type") == "array":
            yield f"{here}[]", field["items"]
            yield from walk(field["items"], f"{here}[]")


def table_type(schema):
    """What the table must call a field of this schema."""
    kind = schema["type"]
    if kind == "array":
        return "strings" if schema["items"]["type"] == "string" else "list"
    if kind == "string":
        return "enum" if "enum" in schema else schema.get("format", "string")
    return kind


def table_fields(tables, kind):
    """The table's rows but for metadata, which no CRD describes."""
    return {row["path"]: row for row in tables[kind]["fields"]
            if row["path"] != "metadata" and not row["path"].startswith("metadata.")}


def test_every_kind_of_ours_has_a_schema(tables):
    assert set(CRDS) == {kind for kind, table in tables.items() if table["group"]}


@kinds
def test_names_agree(tables, kind):
    crd, table = CRDS[kind][1]["spec"], tables[kind]
    assert crd["group"] == table["group"]
    assert crd["names"]["plural"] == table["plural"]
    assert (crd["scope"] == "Namespaced") == table["namespaced"]
    assert [version["name"] for version in crd["versions"]] == [table["version"]]
    assert CRDS[kind][1]["metadata"]["name"] == f"{table['plural']}.{table['group']}"


@kinds
def test_every_schema_field_has_a_row(tables, kind):
    fields = {path for path, _ in walk(schema_of(kind)) if not path.endswith("[]")}
    assert fields - set(table_fields(tables, kind)) == set()


@kinds
def test_every_row_has_a_schema_field(tables, kind):
    assert set(table_fields(tables, kind)) - {path for path, _ in walk(schema_of(kind))} == set()


@kinds
def test_types_formats_and_enums_agree(tables, kind):
    rows = table_fields(tables, kind)
    for path, schema in walk(schema_of(kind)):
        if path.endswith("[]"):
            continue
        row, expected = rows[path], table_type(schema)
        if (kind, path) in TEXT_DESPITE_ENUM:
            assert (expected, row["type"]) == ("enum", "string"), path
            continue
        assert row["type"] == expected, path
        assert row["names"] == schema.get("enum", []), path


@kinds
def test_integers_are_64_bit(kind):
    for path, schema in walk(schema_of(kind)):
        if schema["type"] == "integer":
            assert schema.get("format") == "int64", path


@kinds
def test_strings_and_lists_are_bounded(kind):
    """Bounds keep CEL's estimated cost low and objects small; enums, dates and anchored fixed patterns are bounded already."""
    for path, schema in walk(schema_of(kind)):
        if schema["type"] == "array":
            assert 0 < schema.get("maxItems", 0) <= (500 if path == "status.lines" else 32), path
        fixed = "enum" in schema or schema.get("format") == "date-time" or "}$" in schema.get("pattern", "")
        if schema["type"] == "string" and not fixed:
            assert 0 < schema.get("maxLength", 0) <= 32768, path


@kinds
def test_every_field_explains_itself(kind):
    for path, schema in [("", schema_of(kind)), *walk(schema_of(kind))]:
        text = schema.get("description", "").strip()
        assert len(text) >= 10 and text[-1] in ".?", f"{kind} {path}: {text!r}"


@kinds
def test_conditions_are_the_same_everywhere(kind):
    conditions = schema_of(kind)["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    other = schema_of("BillingAccount")["properties"]["status"]["properties"]["conditions"]
    assert conditions["items"] == other["items"]


@kinds
def test_references_and_names_fit_an_object_name(kind):
    for path, schema in walk(schema_of(kind)):
        if path.endswith("Ref.name"):
            assert (schema["minLength"], schema["maxLength"]) == (1, 253), path


@kinds
def test_what_people_type(kind):
    names = CRDS[kind][1]["spec"]["names"]
    [short] = names["shortNames"]
    letters = iter("billing" + kind.lower())
    assert all(letter in letters for letter in short), "letters of billing and the kind, in order"
    assert [other for other in CRDS if short in CRDS[other][1]["spec"]["names"]["shortNames"]] == [kind]
    assert names["categories"] == ["billing"]
    assert names["singular"] == kind.lower()
    assert names["listKind"] == kind + "List"


@kinds
def test_status_is_a_subresource(kind):
    (version,) = CRDS[kind][1]["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    assert version["served"] and version["storage"]


@kinds
def test_columns_point_at_fields(kind):
    (version,) = CRDS[kind][1]["spec"]["versions"]
    fields = {path for path, _ in walk(schema_of(kind))} | {"metadata.creationTimestamp"}
    for column in version["additionalPrinterColumns"]:
        if column["jsonPath"].startswith(".metadata.annotations."):
            continue
        path = column["jsonPath"].removeprefix(".").replace('[?(@.type==', '[?').split("[?")
        assert path[0] in fields, column
        assert column["description"].endswith((".", "?")), column


@kinds
def test_file_is_small_and_named_after_the_kind(kind):
    path, _ = CRDS[kind]
    assert path.name == kind.lower() + ".yaml"
    assert path.stat().st_size < SIZE_LIMIT
