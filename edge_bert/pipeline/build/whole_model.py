"""The whole model that a smaller one was made of, scored on the data of the smaller one's build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edge_bert.errors import EdgeBertError
from edge_bert.pipeline.build.artifacts import build_float_model, host_runtime
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.build.verify_artifact import score_labels
from edge_bert.progress import Progress
from edge_bert.records.bundle import LabelScore, WholeModel
from edge_bert.records.training import Ancestor
from edge_bert.sources.folder import load_folder
from edge_bert.sources.training_run import read_training_run
from edge_bert.store.scratch import scratch_folder

KEEPS_SIZE = "fine-tuning"  # the one kind of training that makes nothing smaller
HUB, WHEEL = "hub: ", "wheel: "


def score_whole_model(session: BuildSession, progress: Progress) -> WholeModel | None:
    """The whole model of a session's, and its scores; None where the session's is whole.

    It is the unpruned model of a search; of a trained one the model before all that distilled,
    pruned or rounded it, where that is still in the same folder, on the hub or the default.
    """
    start = session.unpruned or session
    origin = _find_origin(start.checkpoint.folder)
    if origin is None:
        return None if start is session else _score(start, progress)
    whole = _open_ancestor(start, origin)
    if whole is None:
        return WholeModel(
            name=origin.name,
            sha256=origin.sha256,
            reason="it is not beside this model's folder any more",
        )
    return _score(whole, progress)


def _find_origin(folder: Path | None) -> Ancestor | None:
    """The ancestor of the model in a folder that nothing was made smaller before."""
    origin, passed = None, set[Path]()
    while folder not in passed and (ancestor := _find_ancestor(folder)) is not None:
        passed |= {folder} if folder else set()
        origin, folder = ancestor, _find_beside(folder, ancestor) if folder else None
    return origin


def _find_beside(folder: Path, ancestor: Ancestor) -> Path | None:
    """The folder of an ancestor beside its descendant's; None where another has its name."""
    beside = _name_beside(folder, ancestor)
    if beside is None:
        return None
    try:
        model = load_folder(beside, name=ancestor.name, origin=ancestor.origin)
    except EdgeBertError:
        return None
    return beside if model.sha256 == ancestor.sha256 else None


def _name_beside(folder: Path, ancestor: Ancestor) -> Path | None:
    """Where an ancestor would be; None where its name, which a file says, leads elsewhere."""
    return folder.parent / ancestor.name if Path(ancestor.name).name == ancestor.name else None


def _find_ancestor(folder: Path | None) -> Ancestor | None:
    """The teacher of the model in a folder that was made smaller, else what it started from."""
    run = read_training_run(folder)
    if run is None or run.kind == KEEPS_SIZE:
        return None
    by_role = {ancestor.role: ancestor for ancestor in reversed(run.ancestors)}
    return by_role.get("teacher") or by_role.get("start")


def _open_ancestor(session: BuildSession, ancestor: Ancestor) -> BuildSession | None:
    """The session of a model that can still be had and is the very one."""
    for reference in _list_references(session, ancestor):
        options = msgspec.structs.replace(
            session.options, model=reference, lengths=session.lengths, auto_lengths=None, recipes=()
        )
        try:
            whole = BuildSession.open(options)
        except EdgeBertError:
            continue
        if whole.checkpoint.sha256 == ancestor.sha256:
            return whole
    return None


def _list_references(session: BuildSession, ancestor: Ancestor) -> Iterator[str | None]:
    folder = session.checkpoint.folder
    beside = _name_beside(folder, ancestor) if folder else None
    if beside is not None and beside.is_dir():
        yield str(beside)
    if ancestor.origin.startswith(HUB):
        yield ancestor.origin.removeprefix(HUB)
    elif ancestor.origin.startswith(WHEEL):
        yield None


def _score(whole: BuildSession, progress: Progress) -> WholeModel:
    """The scores of a model's float32 file on the host's runtime."""
    checkpoint = whole.checkpoint
    scores: Sequence[LabelScore] = ()
    if whole.evaluation_sets:
        with scratch_folder() as folder:
            path = folder / "float32.tflite"
            path.write_bytes(build_float_model(whole, progress))
            subject = ModelUnderTest.of(path, checkpoint.head)
            progress(f"the whole model, {checkpoint.name}: running float32 on {host_runtime()}")
            scores = [
                score
                for data in whole.evaluation_sets
                for score in score_labels(subject, data, whole.tokenizer, host_runtime())
            ]
    return WholeModel(name=checkpoint.name, sha256=checkpoint.sha256, scores=tuple(scores))
