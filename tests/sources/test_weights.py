"""Weights files: whole, of floats, finite, and never pickles."""

from __future__ import annotations

import json
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from edge_bert.encoder.architectures.weight_reader import WeightReader
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import ModelError, WeightError
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.weights import read_weights
from tests import one_line
from tests.one_line import refused
from tests.tiny.models import write, write_json

WEIGHT = "embeddings.LayerNorm.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound BERT model."""
    return write(tmp_path / "model")


def _raw(path: Path, header: dict[str, Any] | bytes, data: bytes) -> Path:
    """A safetensors file by hand: length of the header, header, data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def _tensor(kind: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"a": {"dtype": kind, "shape": shape, "data_offsets": [0, size]}}


@pytest.mark.parametrize(("kind", "size"), [("F16", 2), ("F32", 4), ("F64", 8)])
def test_floats_are_read_as_float32(kind: str, size: int, tmp_path: Path) -> None:
    """Half and double precision too."""
    data = np.array([1.5, -2.0], f"<f{size}").tobytes()
    found = read_weights(_raw(tmp_path / "w", _tensor(kind, [2], 2 * size), data))
    np.testing.assert_array_equal(found["a"], np.array([1.5, -2.0], np.float32))
    assert found["a"].dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "size"), [("F8_E4M3", 1), ("I8", 1), ("U8", 1), ("I64", 8), ("BOOL", 1)]
)
def test_other_numbers_are_refused(kind: str, size: int, tmp_path: Path) -> None:
    """Quantized weights are no weights to quantize; the error of the layer that needs them says
    what to save instead."""
    path = _raw(tmp_path / "w", _tensor(kind, [2], 2 * size), bytes(2 * size))
    weights = read_weights(path)
    assert list(weights) == ["a"]
    with refused(WeightError, f"{kind}, not one of F16, F32, F64, BF16; save the model as float32"):
        weights["a"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(value: float, folder: Path) -> None:
    """One NaN in one weight, which is named."""
    weights = load_file(folder / "model.safetensors")
    weights[WEIGHT][3] = value
    save_file(weights, folder / "model.safetensors")
    with refused(WeightError, "LayerNorm.* not finite|not finite"):
        encoder_weights(load_checkpoint(str(folder), folder))


def test_a_double_beyond_float32_is_refused(tmp_path: Path) -> None:
    """1e300 would be infinite."""
    data = np.array([1e300, 1.0]).tobytes()
    with refused(WeightError, "not finite"):
        read_weights(_raw(tmp_path / "w", _tensor("F64", [2], 16), data))["a"]


HEADERS: dict[str, tuple[dict[str, Any] | bytes, bytes]] = {
    "an end before the start": (
        {"a": {**_tensor("F32", [1], 4)["a"], "data_offsets": [4, 0]}},
        b"",
    ),
    "data beyond the file": (_tensor("F32", [1000], 4000), b"\0" * 8),
    "a shape that is not its data": (_tensor("F32", [3], 8), b"\0" * 8),
    "a huge shape": (_tensor("F32", [2**40, 2**40], 8), b"\0" * 8),
    "a negative shape": (_tensor("F32", [-1], 8), b"\0" * 8),
    "an unknown dtype": (_tensor("PICKLE", [2], 8), b"\0" * 8),
    "bytes that no tensor owns": (_tensor("F32", [1], 4), b"\0" * 400),
    "no JSON": (b"hello", b""),
    "deep JSON": (b'{"a":' * 100_000, b""),
    "control characters": (_tensor("\x1b[2J\n\x00", [2], 8), b"\0" * 8),
}


@pytest.mark.parametrize(("header", "data"), HEADERS.values(), ids=HEADERS)
def test_a_hostile_file_is_refused(
    header: dict[str, Any] | bytes, data: bytes, tmp_path: Path
) -> None:
    """No size that a file claims is believed."""
    with refused(ModelError, "damaged or not whole"):
        read_weights(_raw(tmp_path / "w", header, data))


@pytest.mark.parametrize("claimed", [0, 2**63, 2**64 - 1, 10**9])
def test_a_header_of_any_claimed_length_is_refused(claimed: int, tmp_path: Path) -> None:
    """The first eight bytes say how long the header is; they may lie."""
    path = tmp_path / "w"
    path.write_bytes(struct.pack("<Q", claimed) + b"{}")
    with refused(ModelError, "damaged or not whole"):
        read_weights(path)


def test_names_cannot_break_a_message(tmp_path: Path) -> None:
    """A tensor's name may hold anything; the error is one printable line all the same."""
    name = "\x1b[2J\n" + "x" * 10_000
    header = {name: {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]}}
    with refused(WeightError, "is I8"):
        read_weights(_raw(tmp_path / "w", header, b"\0"))[name]


def test_tables_of_position_numbers_are_left_out(folder: Path) -> None:
    """Old files carry them as integers; nothing needs them."""
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.position_ids"] = np.arange(128)[None]
    save_file(weights, folder / "model.safetensors")
    assert "embeddings.position_ids" not in load_checkpoint(str(folder), folder).weights


def test_tables_of_who_sees_whom_are_left_out(folder: Path) -> None:
    """GPT-2's old files carry them as numbers or as bits; its biases have names that end alike."""
    weights = load_file(folder / "model.safetensors")
    masks = {"h.0.attn.bias": np.ones((1, 1, 4, 4), bool), "h.0.attn.masked_bias": np.ones((), int)}
    kept = {"h.0.attn.c_attn.bias": np.ones(4, np.float32)}
    save_file(weights | masks | kept, folder / "model.safetensors")
    found = load_checkpoint(str(folder), folder).weights
    assert set(found) == {*weights, *kept}


class Mark:
    """A pickle that would leave a mark when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "model.ckpt"]
)
def test_pickles_are_refused_unread(name: str, folder: Path, tmp_path: Path) -> None:
    """A folder with pickles only is told to be saved again; the pickle is not opened."""
    mark = tmp_path / "mark"
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Mark(mark)))
    with refused(ModelError, "pickled weights only.*save_pretrained"):
        load_checkpoint(str(folder), tmp_path)
    assert not mark.exists()


def test_a_pickle_called_safetensors_is_damaged(folder: Path, tmp_path: Path) -> None:
    """The name of a file says nothing about what may be done with it."""
    mark = tmp_path / "mark"
    (folder / "model.safetensors").write_bytes(pickle.dumps(Mark(mark)))
    with refused(ModelError, "damaged or not whole"):
        load_checkpoint(str(folder), tmp_path)
    assert not mark.exists()


def _split(folder: Path, parts: int = 3) -> dict[str, np.ndarray]:
    """Save the weights in parts, as transformers saves large models; gives them all."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for part in range(parts):
        file = f"model-{part + 1:05}-of-{parts:05}.safetensors"
        names = sorted(weights)[part::parts]
        save_file({name: weights[name] for name in names}, folder / file)
        places |= dict.fromkeys(names, file)
    write_json(folder / "model.safetensors.index.json", {"weight_map": places})
    return weights


def test_weights_in_several_files_are_read(folder: Path, tmp_path: Path) -> None:
    """All parts, each tensor from its own."""
    whole = _split(folder)
    found = load_checkpoint(str(folder), tmp_path).weights
    assert set(found) == set(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("place", ["../model.safetensors", "/etc/passwd", "a\0b", 3, "", "gone"])
def test_a_part_outside_the_folder_is_refused(place: object, folder: Path, tmp_path: Path) -> None:
    """The index names files beside itself, and they are there."""
    _split(folder)
    index = folder / "model.safetensors.index.json"
    write_json(index, {"weight_map": {"a": place}})
    with refused(ModelError, "no file beside it|is missing"):
        load_checkpoint(str(folder), tmp_path)


def test_parts_without_their_index_are_refused(folder: Path, tmp_path: Path) -> None:
    """Nobody knows how many there should be; an index of nothing is none."""
    _split(folder)
    (folder / "model.safetensors.index.json").write_text("{}")
    with refused(ModelError, "no weight_map"):
        load_checkpoint(str(folder), tmp_path)
    (folder / "model.safetensors.index.json").unlink()
    with refused(ModelError, "several files without"):
        load_checkpoint(str(folder), tmp_path)


def test_bfloat16_becomes_float32_without_loss(tmp_path: Path) -> None:
    """The upper halves of float32 are float32."""
    values = np.array([[1.5, -2.0], [3.0e38, 1e-30]], np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2")
    found = read_weights(_raw(tmp_path / "w", _tensor("BF16", [2, 2], 8), halves.tobytes()))["a"]
    expected = (halves.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "wrapper", ["module.", "model.", "_orig_mod.", "0.auto_model.", "encoder.", "module._orig_mod."]
)
@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
@pytest.mark.parametrize("head", ["mean", "classification"])
def test_names_of_wrappers_are_read(
    wrapper: str, architecture: str, head: str, tmp_path: Path
) -> None:
    """DataParallel, torch.compile and classes of one's own put something before every name."""
    folder = write(tmp_path / "model", architecture, head)
    plain = load_checkpoint(str(folder), tmp_path)
    weights = load_file(folder / "model.safetensors")
    wrapped = {f"{wrapper}{name}": values for name, values in weights.items()}
    save_file(wrapped, folder / "model.safetensors")
    assert set(load_checkpoint(str(folder), tmp_path).weights) == set(plain.weights)


def test_several_encoders_are_refused(folder: Path, tmp_path: Path) -> None:
    """Nothing says which of two counts."""
    weights = load_file(folder / "model.safetensors")
    both = {
        f"{at}.{name}": values for at in ("query", "passage") for name, values in weights.items()
    }
    save_file(both, folder / "model.safetensors")
    with refused(ModelError, "several encoders"):
        load_checkpoint(str(folder), tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound weights file."""
    return write(tmp_path_factory.mktemp("whole")) / "model.safetensors"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_truncated_file_is_refused_at_any_length(
    whole: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """A download that broke off is noticed, wherever it broke off."""
    content = whole.read_bytes()
    header = 8 + struct.unpack("<Q", content[:8])[0]
    length = data.draw(
        st.integers(0, len(content) - 1) | st.integers(0, header) | st.just(len(content) - 1)
    )
    (tmp_path / "cut").write_bytes(content[:length])
    with refused(ModelError, "damaged or not whole"):
        read_weights(tmp_path / "cut")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_header_is_read_or_refused(
    whole: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """Any byte of the header replaced: other weights, or one line; never anything else."""
    content = bytearray(whole.read_bytes())
    header = 8 + struct.unpack("<Q", content[:8])[0]
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, header - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "changed").write_bytes(content)
    try:
        found = dict(read_weights(tmp_path / "changed"))
    except WeightError as error:
        one_line.check(error, WeightError)
    except ModelError as error:
        one_line.check(error, ModelError)
    else:
        assert all(np.isfinite(array).all() for array in found.values())


def test_only_what_is_used_is_read(folder: Path) -> None:
    """Gigabytes that no layer reads are looked at by name, and a wrong size before it is read."""
    small = load_file(folder / "model.safetensors")
    header: dict[str, Any] = {}
    end = 0
    unused = {f"cls.unused.{index}": 2**28 for index in range(4)}  # 4 GB of zeros, none on disk
    for name, size in ({name: x.size for name, x in small.items()} | unused).items():
        shape = list(small[name].shape) if name in small else [size]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + 4 * size]}
        end += 4 * size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name, values in small.items():
            stream.seek(8 + len(text) + header[name]["data_offsets"][0])
            stream.write(values.tobytes())
        stream.truncate(8 + len(text) + end)
    tracemalloc.start()
    weights = read_weights(folder / "model.safetensors")
    for name, values in small.items():
        np.testing.assert_array_equal(weights[name], values)
    with refused(ModelError, "268435456; config.json asks for 8 x 8"):
        WeightReader(weights, "").array((8, 8), "cls.unused.0")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(unused) < set(weights)
    assert peak < 3 * sum(values.nbytes for values in small.values()) + 2**20


def test_weights_that_change_while_they_are_read_are_refused(folder: Path) -> None:
    """A tensor is read later than the header that says where it lies."""
    weights = read_weights(folder / "model.safetensors")
    with (folder / "model.safetensors").open("ab") as stream:
        stream.write(b"more")
    with refused(ModelError, "was changed while it was read"):
        weights[WEIGHT]


@pytest.mark.parametrize("count", [1, 200])
def test_headers_and_lists_are_bounded(count: int, folder: Path, tmp_path: Path) -> None:
    """A header of 17 MB is refused unread, and more modules or parts than a model has."""
    modules = [{"type": "sentence_transformers.models.Normalize", "path": ""}] * count
    write_json(folder / "modules.json", modules)
    with refused(ModelError, "lists 200 modules" if count > 1 else "edge-bert reads a Transformer"):
        load_checkpoint(str(folder), tmp_path)
    path = _raw(tmp_path / "w", b"{" + b" " * (17 << 20) + b"}", b"\0" * 9)
    with refused(ModelError, "has a header of 17825794 bytes"):
        read_weights(path)


@pytest.mark.parametrize("places", [{"a": []}, {"a": None}, {str(n): str(n) for n in range(2000)}])
def test_an_index_of_anything_is_refused(
    places: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    """Lists, nothing and thousands of files are no parts of a model."""
    _split(folder)
    write_json(folder / "model.safetensors.index.json", {"weight_map": places})
    with refused(ModelError, "is missing|names 2000 files|no file beside it"):
        load_checkpoint(str(folder), tmp_path)
