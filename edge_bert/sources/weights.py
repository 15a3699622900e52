"""The weights of a model folder: one safetensors file or its parts, read as float32 when needed."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError, WeightError
from edge_bert.formats.huggingface.json_files import read_json
from edge_bert.formats.model_file import has_model_file
from edge_bert.formats.safetensors_file import MAX_TENSORS, StoredTensor, read_header
from edge_bert.records.checkpoint import FloatArray
from edge_bert.text import shorten

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_PARTS = 1000
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Tables of position ids in old files, and GPT-2's causal masks: no weights.
CONSTANTS = ("position_ids", ".attn.bias", ".attn.masked_bias")
FLOATS = ("F16", "F32", "F64")
INTEGERS = ("I8", "U8", "I32", "I64")  # those of quantized layers, which torch_quantized.py reads
BFLOAT16 = "BF16"


@dataclass(frozen=True, eq=False)
class FolderWeights(Mapping[str, FloatArray]):
    """The float32 arrays of a file by their names in it, each read when it is first asked for.

    Asking for one that is no array of finite floats raises WeightError, so that tensors which no
    layer needs may be of any kind, size and number. `tensors` are those of the file, or arrays that
    stand in their place; arrays of floats that were read are kept in `read`.
    """

    tensors: Mapping[str, StoredTensor | FloatArray]
    read: dict[StoredTensor, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        """The array; WeightError where it is none of ours, KeyError where there is none."""
        tensor = self.tensors[name]
        if not isinstance(tensor, StoredTensor):
            return tensor
        if tensor not in self.read:
            self.read[tensor] = _read_floats(tensor, name)
        return self.read[tensor]

    def __iter__(self) -> Iterator[str]:
        """The names of all tensors, usable or not."""
        return iter(self.tensors)

    def __len__(self) -> int:
        """The number of tensors, usable or not."""
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        """Whether the file has a tensor of this name, usable or not."""
        return name in self.tensors

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an array of floats, which is not read for it; None for others."""
        tensor = self.tensors.get(name)
        usable = not isinstance(tensor, StoredTensor) or tensor.kind in (*FLOATS, BFLOAT16)
        return tensor.shape if tensor is not None and usable else None

    def kind(self, name: str) -> str:
        """The type of a tensor as safetensors calls it."""
        tensor = self.tensors[name]
        return tensor.kind if isinstance(tensor, StoredTensor) else "F32"

    def axes(self, name: str) -> int:
        """How many axes a tensor of any type has."""
        return len(self.tensors[name].shape)

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """A tensor of floats, or of whole numbers as they are; WeightError for others."""
        tensor = self.tensors[name]
        whole = isinstance(tensor, StoredTensor) and tensor.kind in INTEGERS
        return tensor.read_values() if isinstance(tensor, StoredTensor) and whole else self[name]

    def joined(self, other: Mapping[str, FloatArray] | None) -> FolderWeights:
        """These tensors and those of other files."""
        tensors = other.tensors if isinstance(other, FolderWeights) else other or {}
        return FolderWeights({**self.tensors, **tensors}, self.read)

    def replace(
        self, arrays: Mapping[str, FloatArray], without: Collection[str] = ()
    ) -> FolderWeights:
        """`arrays` in place of the tensors of their names, and nothing of the names `without`."""
        gone = {*arrays, *without}
        kept = {name: tensor for name, tensor in self.tensors.items() if name not in gone}
        return FolderWeights({**kept, **arrays}, self.read)

    def rename(self, names: Mapping[str, str]) -> FolderWeights:
        """The same tensors, those in `names` under their new names."""
        tensors = {names.get(name, name): tensor for name, tensor in self.tensors.items()}
        return FolderWeights(tensors, self.read)


def weights_files(folder: Path) -> tuple[Path, ...]:
    """The weights file in `folder`, or its parts; ModelError says what the folder holds instead."""
    path = folder / WEIGHTS
    if has_model_file(path):
        return (path,)
    if has_model_file(folder / INDEX):
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
    if len(places) > MAX_TENSORS:
        raise ModelError(f"{index} names {len(places)} tensors; edge-bert reads {MAX_TENSORS}.")
    names = list(dict.fromkeys(str(name) for name in places.values()))
    if len(names) > MAX_PARTS:
        raise ModelError(f"{index} names {len(names)} files; edge-bert reads {MAX_PARTS} at most.")
    for name in names:
        if Path(name).name != name:
            raise ModelError(f"{index} names {shorten(name)}, which is no file beside it.")
        if "\0" in name or not has_model_file(folder / name):
            raise ModelError(f"{index} names {shorten(name)}, which is missing; download it too.")
    return tuple(folder / name for name in names)


def _in_several_files(folder: Path) -> bool:
    return any(folder.glob("model-*.safetensors")) or has_model_file(folder / INDEX)


def _pickled(folder: Path) -> bool:
    return any(path for pattern in PICKLES for path in folder.glob(pattern))


def refuse_onnx_alone(folder: Path) -> None:
    """Raises ModelError, with the file to give, where `folder` holds ONNX and no other weights."""
    exported = sorted((*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")))
    has_weights = has_model_file(folder / WEIGHTS) or _in_several_files(folder) or _pickled(folder)
    if exported and not has_weights:
        file = shlex.quote(str(exported[0]))
        raise ModelError(f"{folder} holds no {WEIGHTS}, but ONNX; give the file: --model {file}")


def read_weights(*paths: Path) -> FolderWeights:
    """Every tensor of these safetensors files under its name there, as float32; none is read yet.

    The constants of old files are skipped. Raises ModelError for a file that is not whole, and for
    a name that two files have; for tensors of other kinds when they are asked for.
    """
    tensors: dict[str, StoredTensor | FloatArray] = {}
    for path in paths:
        for name, tensor in read_header(path).items():
            if name in tensors:
                raise ModelError(f"{path}: {shorten(name)} is in another file of the model too.")
            if not name.endswith(CONSTANTS):
                tensors[name] = tensor
    return FolderWeights(tensors, {})


def _read_floats(tensor: StoredTensor, name: str) -> FloatArray:
    """The tensor called `name` as float32; WeightError where it is not one of finite floats."""
    if tensor.kind not in (*FLOATS, BFLOAT16):
        raise WeightError(
            f"{tensor.path}: {shorten(name)} is {tensor.kind}, not one of "
            f"{', '.join((*FLOATS, BFLOAT16))}; save the model as float32, not quantized."
        )
    values = tensor.read_values()
    if tensor.kind == BFLOAT16:  # which NumPy lacks: the upper halves of float32
        floats = (values.astype(np.uint32) << 16).view(np.float32)
    else:
        with np.errstate(over="ignore"):  # a float64 too large for float32 is caught as infinite
            floats = values.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise WeightError(
            f"{tensor.path}: {shorten(name)} holds values that are not finite numbers."
        )
    return floats
