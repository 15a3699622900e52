"""Real sentences as the runner takes them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from edge_bert.bundle import manifest as manifests
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.token_inputs import SETS, write_token_inputs
from edge_bert.records.bundle import PackagedFile
from edge_bert.store.digest import sha256_hex
from tests.pipeline.small_bundle import small_bundle

UNKNOWN = "[UNK]"


def write_letters(file: Path) -> None:
    """A tokenizer of letters, whose 50 ids the small encoder's table has."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*letters, *(f"##{letter}" for letter in letters[:20])]
    vocabulary = {
        piece: at for at, piece in enumerate(["[PAD]", UNKNOWN, "[CLS]", "[SEP]", *pieces])
    }
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", UNKNOWN, "[CLS]", "[SEP]"])
    tokenizer.save(str(file))


def bundle_with_tokenizer(folder: Path) -> Path:
    bundle = small_bundle(folder)
    write_letters(bundle / "tokenizer.json")
    manifest = manifests.read_manifest(bundle)
    content = (bundle / "tokenizer.json").read_bytes()
    member = PackagedFile("tokenizer.json", sha256_hex(content), len(content), "tokenizer")
    manifest = msgspec.structs.replace(manifest, files=(member,))
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(manifest))
    return bundle


def test_sets_fill_the_signature_with_different_tokens(tmp_path: Path) -> None:
    """Twenty sets, each of the signature's size, whose ids differ; without a tokenizer none."""
    bare = small_bundle(tmp_path / "bare")
    (artifact,) = manifests.read_manifest(bare).artifacts
    assert not write_token_inputs(bare, artifact, "length_8", tmp_path / "x")
    bundle = bundle_with_tokenizer(tmp_path)
    assert write_token_inputs(bundle, artifact, "length_8", tmp_path / "x")
    tensors = artifact.signatures["length_8"].inputs
    sets = np.frombuffer((tmp_path / "x").read_bytes(), np.int32).reshape(SETS, len(tensors), 8)
    names = sorted(tensor.name for tensor in tensors)
    assert len(np.unique(sets[:, names.index("input_ids")], axis=0)) > SETS // 2
    assert (sets[:, names.index("attention_mask")] == 1).all()


def test_a_run_says_what_it_was_fed_and_how_often(tmp_path: Path) -> None:
    """Token sets go to the runner, one each 20 ms; the measurement bears both, and its core."""
    bundle_with_tokenizer(tmp_path)
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
