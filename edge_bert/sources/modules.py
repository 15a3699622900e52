"""sentence-transformers' modules: from modules.json to poolings, layers and their weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_json, read_json_as
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.checkpoint import (
    FloatArray,
    Head,
    HeadModule,
    HeadModuleKind,
    Pooling,
    Task,
)
from edge_bert.sources import module_kinds
from edge_bert.sources.sentence_transformers import (
    MODEL_FILE,
    MODULES,
    check_module_count,
    read_model_file,
)
from edge_bert.sources.weights import FolderWeights, read_weights, weights_files
from edge_bert.text import shorten

PACKAGE = "sentence_transformers"
KINDS = ("Transformer", "Pooling", "Dense", "LayerNorm", "Dropout", "Normalize")
UNIT = HeadModule(HeadModuleKind.UNIT_LENGTH)
SUPPORTED = "; edge-bert has Transformer, Pooling, Dense, LayerNorm, Dropout and Normalize"


class Module(msgspec.Struct, frozen=True):
    """One line of sentence-transformers' modules.json; it has keys that we do not need."""

    type: str
    path: str = ""

    @property
    def kind(self) -> str:
        """The last name of its class."""
        return self.type.rpartition(".")[2]


@dataclass(frozen=True)
class HeadFiles:
    """A head as the files of a folder describe it.

    `modules` are its layers where files list them, `weights` their arrays under names that begin
    with the module's folder. `files` are those beside the encoder's that decide what is computed.
    """

    head: Head
    modules: tuple[HeadModule, ...] = ()
    weights: Mapping[str, FloatArray] | None = None
    files: tuple[Path, ...] = ()


def read_modules(folder: Path) -> HeadFiles:
    """The head that modules.json in `folder` asks for: what SentenceTransformer.encode gives.

    No class that it names is imported. Raises ModelError, with its name, for a module or an option
    that edge-bert does not have.
    """
    entries = _read_entries(folder / MODULES)
    paths = [_find_folder(folder, entry) for entry in entries]
    poolings = _read_poolings(entries, paths)
    modules = [*_read_layers(folder, entries, paths)]
    dimensions = read_truncate_dim(folder)
    # The last step is the head's own: integers leave it to whoever reads their output.
    normalize = bool(modules) and modules[-1] is UNIT and dimensions is None
    if normalize:
        modules.pop()
    head = Head(Task.EMBEDDING, poolings, normalize, dimensions=dimensions)
    weighted = [
        (entry.path, path)
        for entry, path in zip(entries, paths, strict=True)
        if entry.kind in ("Dense", "LayerNorm")
    ]
    files = [(path / "config.json", *weights_files(path)) for _, path in weighted]
    weights = FolderWeights({}, {})
    for (name, _), (_, *parts) in zip(weighted, files, strict=True):
        own = read_weights(*parts)
        weights = weights.joined(own.rename({key: f"{name}.{key}" for key in own}))
    return HeadFiles(head, tuple(modules), weights, tuple(itertools.chain(*files)))


def _read_entries(path: Path) -> list[Module]:
    """The lines of the modules.json at `path`; ModelError for more than any model has."""
    check_module_count(path)
    return read_json_as(list[Module], path)


def _find_folder(folder: Path, module: Module) -> Path:
    """The module's folder, after a look at its class; ModelError for one that we do not have."""
    own = "." not in module.type or module.type.split(".")[0] == PACKAGE
    if not own or module.kind not in KINDS:
        name = module.kind if own else module.type
        raise ModelError(f"modules.json asks for {shorten(name)}{SUPPORTED}.")
    try:
        path = (folder / module.path).resolve()
    except (OSError, ValueError) as error:
        raise ModelError(f"modules.json: {shorten(module.path)} is not a path.") from error
    if not path.is_relative_to(folder.resolve()):
        raise ModelError(f"modules.json points outside the model folder: {shorten(module.path)}.")
    return path


def find_encoder_folder(folder: Path) -> Path:
    """Where the model in `folder` keeps its encoder and tokenizer: there, or, as old versions of
    sentence-transformers saved them, in the folder of the first module.

    Raises ModelError for a module that we do not have, and for a path that leads outside.
    """
    path = folder / MODULES
    modules = _read_entries(path) if has_model_file(path) else []
    if not modules or modules[0].kind != "Transformer" or not modules[0].path:
        return folder
    return _find_folder(folder, modules[0])


def _read_poolings(entries: Sequence[Module], paths: Sequence[Path]) -> tuple[Pooling, ...]:
    """The ways of the one Pooling, which follows the encoder."""
    kinds = [entry.kind for entry in entries]
    if (
        kinds[:2] != ["Transformer", "Pooling"]
        or kinds.count("Pooling") > 1
        or (kinds.count("Transformer") > 1)
    ):
        raise ModelError(
            f"modules.json lists {', '.join(map(shorten, kinds[:8])) or 'nothing'}; edge-bert "
            "reads a Transformer, one Pooling right behind it, and layers after that."
        )
    return module_kinds.read_poolings(paths[1] / "config.json")


def _read_layers(
    folder: Path, entries: Sequence[Module], paths: Sequence[Path]
) -> Iterator[HeadModule]:
    """What follows pooling; Dropout does nothing when a model is used."""
    for entry, path in zip(entries, paths, strict=True):
        config = path / "config.json"
        match entry.kind:
            case "Dense":
                yield module_kinds.read_dense(config, entry.path)
            case "LayerNorm":
                yield module_kinds.read_layer_norm(config, entry.path)
            case "Normalize":
                if path != folder.resolve() and has_model_file(config):  # old ones have no file
                    module_kinds.check_feature_names(config, read_json(config))
                yield UNIT


def require_transformer_alone(folder: Path) -> None:
    """Raises ModelError where a CrossEncoder's modules.json lists more than the encoder."""
    kinds = [module.kind for module in _read_entries(folder / MODULES)]
    if kinds != ["Transformer"]:
        raise ModelError(
            f"modules.json lists {', '.join(map(shorten, kinds[:8])) or 'nothing'} for a "
            "CrossEncoder; edge-bert reads one that is a Transformer with a classifier."
        )


def read_truncate_dim(folder: Path) -> int | None:
    """The channels that the model's authors keep; ModelError for what is no number of them."""
    path, value = folder / MODEL_FILE, read_model_file(folder).get("truncate_dim")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"{path}: truncate_dim is {shorten(value)}, no number of channels.")
    return value
