"""What reads each kind of file in this process, from a folder that one hostile file lies in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.mutate import mutate_bytes, mutate_json, mutate_lines
from tests.hostile.mutate_formats import mutate_onnx, mutate_safetensors

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Kind:
    """A kind of file: which one of the sound folder, how it is changed, and what reads it."""

    file: str
    mutate: Callable[[bytes, int], bytes]
    read: Read
    sound: str = "model"  # the folder of sound files that it lies in


def _read_weights(folder: Path) -> None:
    from edge_bert.encoder.checkpoint import encoder_weights
    from edge_bert.encoder.unused_tensors import judge_unused
    from edge_bert.sources.load import load_checkpoint

    checkpoint = load_checkpoint(str(folder), folder)
    encoder_weights(checkpoint)
    judge_unused(checkpoint)


def _read_tokenizer(folder: Path) -> None:
    from edge_bert.data.tokenizing import Tokenizer
    from edge_bert.sources.load import load_checkpoint

    checkpoint = load_checkpoint(str(folder), folder)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, 32, checkpoint.prompts)
    tokenizer.encode("A plain sentence, with Ünïcode and \x1b[2J in it.")


def _read_manifest(folder: Path) -> None:
    from edge_bert.bundle.manifest import read_manifest

    read_manifest(folder)


def _open_bundle(folder: Path) -> None:
    from edge_bert.bundle.bundle import Bundle

    Bundle.open(folder)


def _read_profile(folder: Path) -> None:
    from edge_bert.profiles import load_profile

    load_profile(str(folder / "profile.toml"))


def _read_plan(folder: Path) -> None:
    from edge_bert.compress.plan_file import load_plan

    load_plan(str(folder / "plan.toml"))


def _read_tflite(folder: Path) -> None:
    from edge_bert.formats.tflite.inspect import inspect_file

    inspect_file(folder / "float32.tflite")


def _read_onnx(folder: Path) -> None:
    from edge_bert.encoder.checkpoint import encoder_weights
    from edge_bert.sources.load import load_checkpoint

    encoder_weights(load_checkpoint(str(folder / "model.onnx"), folder))


def _read_opaque(folder: Path) -> None:
    from edge_bert.sources.load import load_checkpoint

    load_checkpoint(str(folder / "model.onnx"), folder, via="onnx2tf")


def _read_measurement(folder: Path) -> None:
    from edge_bert.bundle.measurement_files import load_measurement

    load_measurement(folder / "measurement.json")


KINDS = {
    "safetensors": Kind("model.safetensors", mutate_safetensors, _read_weights),
    "config": Kind("config.json", mutate_json, _read_weights),
    "tokenizer": Kind("tokenizer.json", mutate_json, _read_tokenizer),
    "vocab": Kind("vocab.txt", mutate_lines, _read_tokenizer, "vocabulary"),
    "manifest": Kind("manifest.json", mutate_json, _read_manifest, "bundle"),
    "profile": Kind("profile.toml", mutate_lines, _read_profile, "toml"),
    "plan": Kind("plan.toml", mutate_lines, _read_plan, "toml"),
    "tflite": Kind("float32.tflite", mutate_bytes, _read_tflite, "bundle"),
    "onnx": Kind("model.onnx", mutate_onnx, _read_onnx, "onnx"),
    "opaque": Kind("model.onnx", mutate_onnx, _read_opaque, "onnx"),
}


def make_sound(root: Path, bundle: Path) -> None:
    """The folders of sound files, in `root`."""
    from edge_bert.installation import shipped_folder
    from tests.tiny import models

    models.write(root / "model")
    shutil.copytree(root / "model", root / "vocabulary")
    (root / "vocabulary/tokenizer.json").unlink()
    shutil.copytree(bundle, root / "bundle")
    (root / "toml").mkdir()
    shutil.copy(shipped_folder("device_profiles") / "pixel-9.toml", root / "toml/profile.toml")
    shutil.copy(shipped_folder("plans") / "small-embedding.toml", root / "toml/plan.toml")
    shutil.copytree(root / "model", root / "onnx")
    (root / "onnx/model.safetensors").unlink()
    (root / "onnx/config.json").write_text('{"model_type": "bert"}')
    recordings = Path(__file__).parents[1] / "recordings/onnx"
    shutil.copy(recordings / "bert-tokens-script14-sdpa-dynamic.onnx", root / "onnx/model.onnx")
