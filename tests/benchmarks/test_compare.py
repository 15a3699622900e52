"""Who is timed when, who takes part, and a whole comparison on a tiny model."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from benchmarks import peers, processes
from benchmarks.compare import compare_peers, interleave_visits
from benchmarks.comparison_inputs import prepare_inputs
from benchmarks.peer_files import PeerFiles
from benchmarks.records import Comparison, WriteOrder
from benchmarks.smaller_bundles import describe_smaller
from edge_bert.bundle import manifest as manifests
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.errors import DataError, InputError
from edge_bert.progress import no_progress
from edge_bert.records.bundle import Manifest
from edge_bert.records.checkpoint import Checkpoint
from tests.benchmarks.tiny_bundle import tiny_bundle
from tests.tiny.models import checkpoint

PEER_PACKAGES = ("onnx", "onnxruntime", "openvino", "nncf", "torch")
PAIRS = EvaluationSet(
    name="made up",
    kind="pairs",
    sentences=("It rained all night.", "The cat sat.", "No one knew.", "Please send it."),
    second=("It was wet.", "The cat lay.", "A red car.", "Send it to me please."),
    labels=(3.0, 4.0, 0.0, 5.0),
)


def test_rounds_are_interleaved() -> None:
    """A B C A B C, never A A B B: what slows the machine for a while slows all."""
    order = list(interleave_visits(("a", "b", "c"), (14, 128), rounds=2))
    assert [name for _, _, name in order] == ["a", "b", "c"] * 4
    assert [length for _, length, _ in order] == [14, 14, 14, 128, 128, 128] * 2
    assert [number for number, _, _ in order] == [0] * 6 + [1] * 6


def test_a_peer_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not run, with the command; the peers that need less are not touched."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "nncf" else find(name)
    )
    by_name = {peer.name: peers.find_missing_modules(peer) for peer in peers.PEERS}
    fault = by_name["nncf_static_int8"]
    assert fault is not None
    assert fault.status == "not run"
    assert fault.detail.startswith("pip install 'edge-bert[peers]'")
    assert "nncf" in fault.detail
    assert by_name["tflite_float32"] is None


def test_every_peer_has_a_file_of_one_kind() -> None:
    """Names are distinct, and each peer takes an artifact or a file format, never both or none."""
    assert len({peer.name for peer in peers.PEERS}) == len(peers.PEERS)
    assert all((peer.artifact is None) != (peer.format is None) for peer in peers.PEERS)
    assert all(peer.settings for peer in peers.PEERS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A tiny BERT for embeddings."""
    return checkpoint(tmp_path_factory.mktemp("model") / "tiny")


def test_sentences_have_exactly_the_tokens_asked_for(model: Checkpoint, tmp_path: Path) -> None:
    """A timed sentence fills its length; one that no bucket holds is refused in a line."""
    bundle = _described_bundle(tmp_path, model)
    inputs = prepare_inputs(bundle, model, None, (3, 14, 32))
    assert {tokens: len(sentence) for tokens, sentence in inputs.timed.items()} == {
        3: 3,
        14: 14,
        32: 32,
    }
    assert len(inputs.held_out) == 64
    assert len(inputs.calibration) == 256
    assert max(map(len, inputs.calibration)) <= 32
    with pytest.raises(InputError, match="33 tokens is not within the buckets, 1 to 32"):
        prepare_inputs(bundle, model, None, (33,))


def test_bad_input_is_refused_before_any_work(model: Checkpoint, tmp_path: Path) -> None:
    """No bundle, another model's bundle, labels of another task, no rounds."""
    with pytest.raises(InputError, match="holds no bundle"):
        compare_peers(tmp_path, model)
    bundle = _described_bundle(tmp_path, model)
    other_model = checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match="was built from"):
        compare_peers(bundle, other_model, lengths=(14,))
    classes = EvaluationSet("classes", "labelled", ("good", "bad"), (), (1, 0))
    with pytest.raises(DataError, match="compared on pairs"):
        compare_peers(bundle, model, classes, lengths=(14,))
    with pytest.raises(InputError, match="at least 1 round"):
        compare_peers(bundle, model, lengths=(14,), rounds=0)


def _described_bundle(folder: Path, model: Checkpoint, **fields: object) -> Path:
    """A bundle that is a manifest and nothing else, with buckets of 16 and 32."""
    manifest = msgspec.convert(_MANIFEST | {"model": _model_entry(model)} | fields, Manifest)
    (folder / manifests.FILE).write_bytes(manifests.encode_manifest(manifest))
    return folder


def _model_entry(model: Checkpoint) -> dict[str, object]:
    head = msgspec.to_builtins(model.head)
    return {
        "name": model.name,
        "architecture": model.architecture,
        "sha256": model.sha256,
        "source": "folder",
        "head": head,
        "max_length": model.max_length,
    }


_RUNTIME = {"name": "ai-edge-litert", "version": "2.3.0"}
_MANIFEST = {
    "format_version": 3,
    "profile": "pixel-9",
    "calibration": {"source": "default", "seed": 0, "count": 256, "sha256": "0" * 64},
    "artifacts": [
        {
            "name": "float32",
            "file": "float32.tflite",
            "sha256": "0" * 64,
            "size_bytes": 1,
            "integer_only": False,
            "signatures": {
                f"length_{n}": {
                    "length": n,
                    "inputs": [{"name": "input_ids", "dtype": "int32", "shape": [1, n]}],
                    "outputs": [{"name": "embedding", "dtype": "float32", "shape": [1, 32]}],
                }
                for n in (16, 32)
            },
            "op_counts": {},
            "runtime": _RUNTIME,
            "min_runtime": "ai-edge-litert 2.3.0",
            "runtime_check": {"runtime": _RUNTIME, "status": "passed"},
            "scores": {},
        }
    ],
    "default": {"artifact": "float32", "reason": "it is the only one"},
    "files": [],
    "tool_versions": {},
}


def test_files_that_are_not_the_proven_ones_do_not_run(
    model: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle whose file is gone gives rows that say so; nothing crashes."""
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name == "ai_edge_litert" else None
    )
    comparison = compare_peers(_described_bundle(tmp_path, model), model, lengths=(14,), rounds=1)
    by_name = {row.name: row for row in comparison.rows}
    assert {row.status for row in comparison.rows} == {"not run"}
    assert "float32.tflite is missing" in by_name["tflite_float32"].detail
    assert "has no wi8_ai8" in by_name["wi8_ai8"].detail
    assert "edge-bert[peers]" in by_name["ort_float32"].detail
    assert comparison.reference is None


def test_peers_are_made_from_the_model_s_folder(
    model: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokenizer may have been put together elsewhere, as that of the default model is."""
    orders: list[WriteOrder] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())

    def write_nothing(order: WriteOrder) -> None:
        orders.append(order)
        Path(order.target).touch()

    monkeypatch.setattr(processes, "write_peer_file", write_nothing)
    (tmp_path / "elsewhere").mkdir()
    tokenizer = shutil.copy(model.tokenizer, tmp_path / "elsewhere" / "tokenizer.json")
    inputs = prepare_inputs(_described_bundle(tmp_path, model), model, None, (14,))
    moved = dataclasses.replace(model, tokenizer=Path(tokenizer))
    files = PeerFiles(dataclasses.replace(inputs, checkpoint=moved), tmp_path, no_progress)
    files.find_file(next(peer for peer in peers.PEERS if peer.format == "onnx_int8"))
    assert orders[0].source == str(moved.folder)
    assert orders[1].source == orders[0].target


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """All peers on a tiny model, for real: no calibrated files, two rounds of three runs."""
    if any(importlib.util.find_spec(name) is None for name in PEER_PACKAGES):
        pytest.skip(f"peers are not installed: {peers.INSTALL}")
    bundle, model = tiny_bundle(tmp_path_factory.mktemp("compare"))
    return compare_peers(bundle, model, PAIRS, lengths=(14, 32), rounds=2, repetitions=3)


@pytest.mark.slow
def test_every_peer_runs_the_same_model(compared: Comparison) -> None:
    """Float peers agree with float TFLite to 1e-5, the int8 ones come near; all have scores."""
    by_name = {row.name: row for row in compared.rows}
    for name in ("wi8_ai8", "wi8_ai8_afp32"):
        detail = by_name.pop(name).detail
        assert detail == f"the bundle has no {name}; build it with that recipe"
    assert {row.status: row.detail for row in by_name.values()} == {"ran": ""}
    for name in ("tflite_float32", "ort_float32", "openvino_float32"):
        drift = by_name[name].drift
        assert drift is not None
        assert drift.cosine_min > 0.99999
    for name in ("wi8_afp32", "ort_dynamic_int8", "nncf_static_int8", "openvino_default"):
        drift = by_name[name].drift
        assert drift is not None
        assert 0.9 < drift.cosine_mean < 1.000001
        assert drift.count == 64
    assert all(row.score and row.score.count == len(PAIRS) for row in by_name.values())


@pytest.mark.slow
def test_every_peer_is_timed_alike(compared: Comparison) -> None:
    """As many runs each; buckets for TFLite, the sentence's own length for the others."""
    for row in compared.rows:
        if row.status != "ran":
            continue
        assert [timing.tokens for timing in row.timings] == [14, 32]
        assert [len(timing.runs_us) for timing in row.timings] == [6, 6]
        bucketed = row.runtime is not None and row.runtime.name == "ai-edge-litert"
        assert row.timings[0].length == (16 if bucketed else 14)
        assert row.size_bytes


@pytest.mark.slow
def test_quantized_files_are_smaller(compared: Comparison) -> None:
    """The int8 peers are really quantized: their files are smaller than the float32 ones."""
    size = {row.name: row.size_bytes or 0 for row in compared.rows}
    assert size["ort_dynamic_int8"] < 0.7 * size["ort_float32"]
    assert size["nncf_static_int8"] != size["openvino_float32"]


def test_a_bundle_with_other_tokens_is_no_peer(model: Checkpoint, tmp_path: Path) -> None:
    """A smaller model's default file joins in; one whose tokenizer gives other tokens is refused,
    not one whose file is written otherwise, as training does."""
    bundle = _described_bundle(tmp_path, model)
    inputs = prepare_inputs(bundle, model, None, (14,))
    content = json.loads(model.tokenizer.read_bytes())
    (bundle / "tokenizer.json").write_text(json.dumps(content | {"padding": None}, indent=1))
    peer = describe_smaller(bundle, inputs)
    assert (peer.artifact, peer.bundle) == ("float32", str(bundle))
    (bundle / "tokenizer.json").write_text(json.dumps(content | {"post_processor": None}))
    with pytest.raises(InputError, match="a tokenizer of its own"):
        describe_smaller(bundle, inputs)
