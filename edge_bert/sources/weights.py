"""The weights of a model folder: one safetensors file or its parts, read as float32."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError, WeightError
from edge_bert.formats.huggingface.json_files import read_json
from edge_bert.records.checkpoint import FloatArray
from edge_bert.text import one_line, shorten

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_PARTS = 1000
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Tables of position ids in old files, and GPT-2's causal masks: no weights.
CONSTANTS = ("position_ids", ".attn.bias", ".attn.masked_bias")
FLOATS = ("F16", "F32", "F64")
INTEGERS = ("I8", "U8", "I32", "I64")  # those of quantized layers, which torch_quantized.py reads
BFLOAT16 = "BF16"


@dataclass(frozen=True)
class FolderWeights(Mapping[str, FloatArray]):
    """The float32 arrays of a file by their names in it.

    `faults` has a line for each tensor that is no array of finite floats. Asking for one raises
    WeightError with it, so that tensors which no layer needs may be of any kind. `integers` has
    what those of whole numbers hold.
    """

    arrays: Mapping[str, FloatArray]
    faults: Mapping[str, str] = field(default_factory=dict)
    integers: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> FloatArray:
        """The array; WeightError where it is none of ours, KeyError where there is none."""
        if name in self.faults:
            raise WeightError(self.faults[name])
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        """The names of all tensors, usable or not."""
        yield from self.arrays
        yield from self.faults

    def __len__(self) -> int:
        """The number of tensors, usable or not."""
        return len(self.arrays) + len(self.faults)

    def __contains__(self, name: object) -> bool:
        """Whether the file has a tensor of this name, usable or not."""
        return name in self.arrays or name in self.faults

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a usable array; () for one that is not usable."""
        return self.arrays[name].shape if name in self.arrays else ()

    def joined(self, arrays: Mapping[str, FloatArray] | None) -> FolderWeights:
        """These tensors and `arrays` of other files."""
        return FolderWeights({**self.arrays, **(arrays or {})}, self.faults, self.integers)

    def replace(
        self, arrays: Mapping[str, FloatArray], without: Collection[str] = ()
    ) -> FolderWeights:
        """`arrays` in place of the tensors of their names, and nothing of the names `without`."""
        gone = {*arrays, *without}
        return FolderWeights(
            {name: x for name, x in self.arrays.items() if name not in gone} | dict(arrays),
            {name: x for name, x in self.faults.items() if name not in gone},
            {name: x for name, x in self.integers.items() if name not in gone},
        )

    def rename(self, names: Mapping[str, str]) -> FolderWeights:
        """The same tensors, those in `names` under their new names."""
        return FolderWeights(
            {names.get(name, name): array for name, array in self.arrays.items()},
            {names.get(name, name): fault for name, fault in self.faults.items()},
            {names.get(name, name): values for name, values in self.integers.items()},
        )


def weights_files(folder: Path) -> tuple[Path, ...]:
    """The weights file in `folder`, or its parts; ModelError says what the folder holds instead."""
    path = folder / WEIGHTS
    if path.is_file():
        return (path,)
    if (folder / INDEX).is_file():
        return _parts(folder)
    if _in_several_files(folder):
        raise ModelError(
            f"{folder} holds weights in several files without {INDEX}; download it too, or save "
            "the model as one file."
        )
    if _pickled(folder):
        raise ModelError(
            f"{folder} holds pickled weights only, which could run code; "
            "save the model with save_pretrained (safetensors) and try again."
        )
    raise ModelError(
        f"{path} is missing; give a model with safetensors weights (pickles are not read)."
    )


def _parts(folder: Path) -> tuple[Path, ...]:
    """The files that the index names, in its order."""
    index = folder / INDEX
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ModelError(f"{index} has no weight_map; download the model again.")
    names = list(dict.fromkeys(places.values()))
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or len(names) > MAX_PARTS:
            raise ModelError(f"{index} names {shorten(name)}, which is no file beside it.")
        if "\0" in name or not (folder / name).is_file():
            raise ModelError(f"{index} names {shorten(name)}, which is missing; download it too.")
    return tuple(folder / name for name in names)


def _in_several_files(folder: Path) -> bool:
    return any(folder.glob("model-*.safetensors")) or (folder / INDEX).is_file()


def _pickled(folder: Path) -> bool:
    return any(path for pattern in PICKLES for path in folder.glob(pattern))


def refuse_onnx_alone(folder: Path) -> None:
    """Raises ModelError, with the file to give, where `folder` holds ONNX and no other weights."""
    exported = sorted((*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")))
    has_weights = (folder / WEIGHTS).is_file() or _in_several_files(folder) or _pickled(folder)
    if exported and not has_weights:
        file = shlex.quote(str(exported[0]))
        raise ModelError(f"{folder} holds no {WEIGHTS}, but ONNX; give the file: --model {file}")


def read_weights(*paths: Path) -> FolderWeights:
    """Every tensor of these safetensors files under its name there, as float32.

    The constants of old files are skipped. Raises ModelError for a file that is not whole, and for
    a name that two files have; for tensors of other kinds when they are asked for.
    """
    arrays: dict[str, FloatArray] = {}
    faults: dict[str, str] = {}
    integers: dict[str, npt.NDArray[Any]] = {}
    for path in paths:
        for name, content in _read_file(path).items():
            if name in arrays or name in faults:
                raise ModelError(f"{path}: {shorten(name)} is in another file of the model too.")
            if isinstance(content, str):
                faults[name] = content
            elif content.dtype.kind in "iu":
                integers[name] = content
                kind = f"{content.dtype.kind.upper()}{8 * content.dtype.itemsize}"
                faults[name] = _describe_kind(path, name, kind)
            else:
                arrays[name] = content
    return FolderWeights(arrays, faults, integers)


def _read_file(path: Path) -> dict[str, npt.NDArray[Any] | str]:
    """The arrays of a file; in place of one that cannot be used, what is wrong with it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {
                key: _read_tensor(file, path, key)
                for key in file.keys()  # noqa: SIM118 (no mapping)
                if not key.endswith(CONSTANTS)
            }
    except (SafetensorError, OSError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{path} is damaged or not whole ({one_line(error)}); download the model again."
        ) from error


def _describe_kind(path: Path, key: str, kind: str) -> str:
    return (
        f"{path}: {shorten(key)} is {kind}, not one of {', '.join((*FLOATS, BFLOAT16))}; "
        "save the model as float32, not quantized."
    )


def _read_tensor(file: Any, path: Path, key: str) -> npt.NDArray[Any] | str:
    kind = file.get_slice(key).get_dtype()
    if kind == BFLOAT16:
        values = _read_bfloat16(path, key)
    elif kind in FLOATS:
        with np.errstate(over="ignore"):  # a float64 too large for float32 is caught as infinite
            values = np.ascontiguousarray(file.get_tensor(key), dtype=np.float32)
    elif kind in INTEGERS:
        return np.asarray(file.get_tensor(key))
    else:
        return _describe_kind(path, key, kind)
    if not np.isfinite(values).all():
        return f"{path}: {shorten(key)} holds values that are not finite numbers."
    return values


def _read_bfloat16(path: Path, key: str) -> FloatArray:
    """A tensor of bfloat16, which NumPy lacks: the upper halves of float32.

    The layout of the file is that of https://github.com/huggingface/safetensors, and safe_open has
    checked it.
    """
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        entry = json.loads(stream.read(size))[key]
        start, end = entry["data_offsets"]
        stream.seek(8 + size + start)
        halves = np.frombuffer(stream.read(end - start), "<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
