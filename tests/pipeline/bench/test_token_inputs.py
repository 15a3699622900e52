"""Real sentences as the runner takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_bert.bundle import manifest as manifests
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.token_inputs import SETS, write_token_inputs
from tests.pipeline.small_bundle import lettered_bundle, small_bundle

UNKNOWN = "[UNK]"


def test_sets_fill_the_signature_with_different_tokens(tmp_path: Path) -> None:
    """Twenty sets, each of the signature's size, whose ids differ; without a tokenizer none."""
    bare = small_bundle(tmp_path / "bare")
    (artifact,) = manifests.read_manifest(bare).artifacts
    assert not write_token_inputs(bare / "tokenizer.json", artifact, "length_8", tmp_path / "x")
    bundle = lettered_bundle(tmp_path)
    assert write_token_inputs(bundle / "tokenizer.json", artifact, "length_8", tmp_path / "x")
    tensors = artifact.signatures["length_8"].inputs
    sets = np.frombuffer((tmp_path / "x").read_bytes(), np.int32).reshape(SETS, len(tensors), 8)
    names = sorted(tensor.name for tensor in tensors)
    assert len(np.unique(sets[:, names.index("input_ids")], axis=0)) > SETS // 2
    assert (sets[:, names.index("attention_mask")] == 1).all()


def test_a_run_says_what_it_was_fed_and_how_often(tmp_path: Path) -> None:
    """Token sets go to the runner, one each 20 ms; the measurement bears both, and its core."""
    lettered_bundle(tmp_path)
    options = BenchOptions(
        profile="pixel-9",
        target="host",
        out=tmp_path,
        lengths=(8,),
        repetitions=4,
        every_ms=20,
    )
    (result,) = run_bench(options)
    subject, placement = result.measurement.subject, result.measurement.placement
    assert subject.inputs == "20 sets of sentences"
    assert subject.pace == "one every 20 ms"
    assert placement is not None
    # Both ends are told to the millisecond, so that a whole one may be lost.
    assert round(1000 * (placement.end_s - placement.start_s)) >= 3 * 20 - 1
    assert sum(core.runs for core in placement.core_use) == 4
