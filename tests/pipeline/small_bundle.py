"""A bundle on disk in milliseconds: a float32 file with buckets of 8 and 16, and its manifest."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_bert.bundle import manifest as manifests
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.records.bundle import DefaultChoice
from edge_bert.store.digest import sha256_hex
from tests.pipeline.small_encoder import small_encoder
from tests.report.sample_report import manifest


def small_bundle(folder: Path, profile: str = "pixel-9") -> Path:
    """Write the bundle to `folder`/`profile`; gives that folder."""
    data = small_encoder()
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
        artifacts=(artifact,),
        default=DefaultChoice("float32", "the only one"),
        files=(),
    )
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(found))
    return bundle
