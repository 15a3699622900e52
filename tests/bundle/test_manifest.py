"""`manifest.json`: what is written is read back, and what is hostile is refused in one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert.bundle import manifest as manifests
from edge_bert.errors import InputError
from edge_bert.records.bundle import (
    FORMAT_VERSION,
    Artifact,
    CalibrationInfo,
    DefaultChoice,
    Drift,
    LabelScore,
    Manifest,
    ModelInfo,
    PackagedFile,
    RuntimeCheck,
    Scores,
    Signature,
    Skipped,
    TensorSpec,
)
from edge_bert.records.checkpoint import Head, Pooling, Task
from edge_bert.records.profile import Runtime

REGENERATE = (
    'python -c "from edge_bert.bundle import manifest as m; '
    'm.SCHEMA_FILE.write_bytes(m.encode_schema())"'
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
COUNT = st.integers(0, 2**53)
FLOAT = st.floats(-1e6, 1e6)
UNIT = st.floats(-1, 1)
NAME = st.from_regex(manifests.FILE_NAME, fullmatch=True).filter(lambda name: len(name) < 30)
RUNTIME = st.builds(Runtime, name=TEXT, version=TEXT)
SPEC = st.builds(
    TensorSpec,
    name=TEXT,
    dtype=TEXT,
    shape=st.lists(st.integers(0, 4096), max_size=4).map(tuple),
    scale=st.none() | FLOAT,
    zero_point=st.none() | st.integers(-128, 127),
)
SPECS = st.lists(SPEC, min_size=1, max_size=3).map(tuple)
SIGNATURE = st.builds(Signature, length=st.integers(1, 4096), inputs=SPECS, outputs=SPECS)
DRIFT = st.builds(
    Drift,
    cosine_mean=UNIT,
    cosine_min=UNIT,
    count=COUNT,
    cosines=st.lists(UNIT, max_size=4).map(tuple),
)
LABEL = st.builds(
    LabelScore,
    dataset=TEXT,
    metric=st.sampled_from(["spearman", "accuracy"]),
    value=UNIT,
    count=COUNT,
)
SCORES = st.builds(Scores, drift=st.none() | DRIFT, labels=st.lists(LABEL, max_size=2).map(tuple))
PROOF = st.builds(
    RuntimeCheck,
    runtime=RUNTIME,
    status=st.sampled_from(["passed", "failed", "not run"]),
    detail=TEXT,
)
ARTIFACT = st.builds(
    Artifact,
    name=TEXT,
    file=NAME,
    sha256=SHA256,
    size_bytes=COUNT,
    integer_only=st.booleans(),
    signatures=st.dictionaries(TEXT, SIGNATURE, min_size=1, max_size=3),
    op_counts=st.dictionaries(TEXT, COUNT, max_size=3),
    runtime=st.none() | RUNTIME,
    min_runtime=TEXT,
    runtime_check=PROOF,
    scores=SCORES,
)
HEAD = st.builds(
    Head,
    task=st.sampled_from(Task),
    poolings=st.lists(st.sampled_from(Pooling), min_size=1).map(tuple),
    normalize=st.booleans(),
    labels=st.lists(TEXT, max_size=3).map(tuple),
    activation=TEXT,
)
MODEL = st.builds(
    ModelInfo,
    name=TEXT,
    architecture=TEXT,
    sha256=SHA256,
    source=TEXT,
    head=HEAD,
    max_length=st.integers(1, 4096),
)
PACKAGED = st.builds(PackagedFile, file=NAME, sha256=SHA256, size_bytes=COUNT, purpose=TEXT)


@st.composite
def manifests_(draw: Callable[..., Any]) -> Manifest:
    """Any manifest that does not contradict itself."""
    artifacts = draw(st.lists(ARTIFACT, min_size=1, max_size=3, unique_by=lambda each: each.name))
    taken = {manifests.FILE}
    artifacts = [each for each in artifacts if not (each.file in taken or taken.add(each.file))]
    files = draw(st.lists(PACKAGED, max_size=3))
    files = [each for each in files if not (each.file in taken or taken.add(each.file))]
    return Manifest(
        format_version=FORMAT_VERSION,
        profile=draw(TEXT),
        model=draw(MODEL),
        calibration=CalibrationInfo(
            source=draw(TEXT), seed=draw(st.integers(-(2**53), 2**53)), count=3, sha256="0" * 64
        ),
        artifacts=tuple(artifacts),
        default=DefaultChoice(artifact=draw(st.sampled_from(artifacts)).name, reason=draw(TEXT)),
        files=tuple(files),
        tool_versions=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
        skipped=tuple(draw(st.lists(st.builds(Skipped, name=TEXT, reason=TEXT), max_size=2))),
    )


ANY = manifests_().filter(lambda each: len(each.artifacts) > 0)
SLOW = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@SLOW
@given(ANY)
def test_what_is_written_is_read_back(tmp_path: Path, manifest: Manifest) -> None:
    """Every manifest survives, and equal ones give equal bytes."""
    data = manifests.encode_manifest(manifest)
    (tmp_path / manifests.FILE).write_bytes(data)
    assert manifests.read_manifest(tmp_path) == manifest
    assert manifests.encode_manifest(manifests.read_manifest(tmp_path)) == data


@SLOW
@given(ANY)
def test_every_manifest_follows_the_schema(manifest: Manifest) -> None:
    """As another program would check it, with the file in the package."""
    schema = json.loads(manifests.SCHEMA_FILE.read_bytes())
    jsonschema.Draft202012Validator(schema).validate(
        json.loads(manifests.encode_manifest(manifest))
    )


def test_the_schema_file_is_the_records() -> None:
    """It is generated; a changed record needs it anew."""
    assert manifests.SCHEMA_FILE.read_bytes() == manifests.encode_schema(), REGENERATE
    jsonschema.Draft202012Validator.check_schema(manifests.describe_schema())


def example() -> dict[str, Any]:
    """A small manifest as plain JSON."""
    spec = {"name": "input_ids", "dtype": "int32", "shape": [1, 16]}
    return {
        "format_version": FORMAT_VERSION,
        "profile": "pixel",
        "model": {
            "name": "m",
            "architecture": "bert",
            "sha256": "a" * 64,
            "source": "here",
            "head": {"task": "embedding"},
            "max_length": 16,
        },
        "calibration": {"source": "s", "seed": 0, "count": 256, "sha256": "b" * 64},
        "artifacts": [
            {
                "name": "float32",
                "file": "float32.tflite",
                "sha256": "c" * 64,
                "size_bytes": 5,
                "integer_only": False,
                "signatures": {"length_16": {"length": 16, "inputs": [spec], "outputs": [spec]}},
                "op_counts": {"ADD": 1},
                "runtime": None,
                "min_runtime": "x",
                "runtime_check": {"runtime": {"name": "r", "version": "1"}, "status": "not run"},
                "scores": {},
            }
        ],
        "default": {"artifact": "float32", "reason": "the only one"},
        "files": [
            {"file": "vocab.txt", "sha256": "d" * 64, "size_bytes": 3, "purpose": "vocabulary"}
        ],
        "tool_versions": {"numpy": "2"},
    }


def put(*keys: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one place of the example."""

    def change(manifest: dict[str, Any]) -> None:
        place: Any = manifest
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def repeat(name: str) -> Callable[[dict[str, Any]], None]:
    """A list whose entry is there twice."""
    return lambda manifest: manifest[name].append(manifest[name][0])


def test_the_example_is_read(tmp_path: Path) -> None:
    """So that each change below is what is refused."""
    (tmp_path / manifests.FILE).write_text(json.dumps(example()))
    assert manifests.read_manifest(tmp_path).artifacts[0].file == "float32.tflite"


FILE = ("artifacts", 0, "file")
HOSTILE = {
    "another version": (put("format_version", value=99), "format version 99"),
    "a version in words": (put("format_version", value="1"), "damaged"),
    "an unknown key": (put("model", "run_this", value="rm"), "unknown field"),
    "a number for a name": (put("profile", value=5), "damaged"),
    "a path upwards": (put(*FILE, value="../../etc/passwd"), "damaged"),
    "an absolute path": (put(*FILE, value="/etc/passwd"), "damaged"),
    "two dots": (put(*FILE, value=".."), "damaged"),
    "no name": (put(*FILE, value=""), "damaged"),
    "a backslash": (put("files", 0, "file", value="..\\x"), "damaged"),
    "a line feed": (put(*FILE, value="x.tflite\n"), "no file name"),
    "a zero byte": (put(*FILE, value="x\0y"), "damaged"),
    "a long name": (put(*FILE, value="x" * 300), "damaged"),
    "no hash": (put("artifacts", 0, "sha256", value="abc"), "damaged"),
    "a negative size": (put("artifacts", 0, "size_bytes", value=-1), "damaged"),
    "no artifact": (put("artifacts", value=[]), "damaged"),
    "no signature": (put("artifacts", 0, "signatures", value={}), "damaged"),
    "a length of 0": (put("artifacts", 0, "signatures", "length_16", "length", value=0), "damaged"),
    "no output": (put("artifacts", 0, "signatures", "length_16", "outputs", value=[]), "damaged"),
    "a claim of its own": (
        put("artifacts", 0, "runtime_check", "status", value="great"),
        "damaged",
    ),
    "the default elsewhere": (put("default", "artifact", value="best"), "does not hold"),
    "an artifact twice": (repeat("artifacts"), "'float32' twice"),
    "a file twice": (repeat("files"), "'vocab.txt' twice"),
    "a model that is the manifest": (put(*FILE, value=manifests.FILE), "'manifest.json' twice"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_manifests(
    change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    """One line that names the file and what is wrong."""
    manifest = example()
    change(manifest)
    (tmp_path / manifests.FILE).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=message) as caught:
        manifests.read_manifest(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format_version": 3}',
        b'{"format_version": 3, "profile": "\xff"}',
        b"[" * 100_000,
        b'{"format_version": 3, "x": ' + b"[" * 100_000,
        b'{"format_version": 2e999}',
        b'{"format_version": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_manifest(data: bytes, tmp_path: Path) -> None:
    """Empty, cut, of another kind, badly encoded, nested without end: one line each."""
    (tmp_path / manifests.FILE).write_bytes(data)
    with pytest.raises(InputError, match="damaged") as caught:
        manifests.read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


@SLOW
@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(0, 10_000))
def test_noise_in_a_manifest(tmp_path: Path, noise: bytes, start: int, length: int) -> None:
    """A piece replaced by noise: an error of ours, or a manifest all the same."""
    data = bytearray(json.dumps(example()).encode())
    data[start : start + length] = noise
    (tmp_path / manifests.FILE).write_bytes(data)
    try:
        manifests.read_manifest(tmp_path)
    except InputError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


def test_none_there(tmp_path: Path) -> None:
    """No folder, no file: the way to get one."""
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="run `invoke build` first"):
            manifests.read_manifest(folder)


def test_larger_than_any_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not even read."""
    small = dataclasses.replace(manifests.MEMBER, max_bytes=100)
    monkeypatch.setattr(manifests, "MEMBER", small)
    (tmp_path / manifests.FILE).write_bytes(msgspec.json.encode(example()))
    with pytest.raises(InputError, match="larger than 100 bytes"):
        manifests.read_manifest(tmp_path)
