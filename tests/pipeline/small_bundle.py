"""A bundle on disk in milliseconds: a float32 file with buckets of 8 and 16, and its manifest."""

from __future__ import annotations

from pathlib import Path

import msgspec
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from edge_bert.bundle import manifest as manifests
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.records.bundle import DefaultChoice, PackagedFile
from edge_bert.store.digest import sha256_hex
from tests.pipeline.small_encoder import MATRIX, small_encoder
from tests.report.sample_report import manifest

UNKNOWN = "[UNK]"


def small_bundle(folder: Path, profile: str = "pixel-9", factor: float = 1.0) -> Path:
    """Write the bundle to `folder`/`profile`; gives that folder. Its outputs are `factor` times
    those of the small encoder."""
    data = small_encoder(length_8=factor * MATRIX, length_16=factor * MATRIX)
    sample = manifest()
    known = next(each for each in sample.artifacts if each.name == "float32")
    artifact = msgspec.structs.replace(
        known,
        file="float32.tflite",
        sha256=sha256_hex(data),
        size_bytes=len(data),
        signatures=inspect_bytes(data, "float32.tflite").signatures,
    )
    bundle = folder / profile
    bundle.mkdir(parents=True)
    (bundle / "float32.tflite").write_bytes(data)
    found = msgspec.structs.replace(
        sample,
        profile=profile,
        model=msgspec.structs.replace(sample.model, max_length=16),
        artifacts=(artifact,),
        default=DefaultChoice("float32", "the only one"),
        files=(),
    )
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(found))
    return bundle


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


def lettered_bundle(folder: Path, profile: str = "pixel-9", factor: float = 1.0) -> Path:
    """As `small_bundle`, with a tokenizer of letters, so that it may be opened and used."""
    bundle = small_bundle(folder, profile, factor)
    write_letters(bundle / "tokenizer.json")
    manifest = manifests.read_manifest(bundle)
    content = (bundle / "tokenizer.json").read_bytes()
    member = PackagedFile("tokenizer.json", sha256_hex(content), len(content), "tokenizer")
    manifest = msgspec.structs.replace(manifest, files=(member,))
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(manifest))
    return bundle
