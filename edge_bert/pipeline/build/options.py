"""What a sizing was asked for, in words that another process can start from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from edge_bert import profiles
from edge_bert.data.evaluation import absolute_reference
from edge_bert.pipeline.build.session import BuildSession, prepare_session
from edge_bert.records.base import Record


class BuildOptions(Record, frozen=True):
    """The options of `invoke build` that a candidate depends on; paths are whole.

    `profile` is a name or a path, as `load_profile` takes it. `corpus` holds the texts whose words
    the vocabulary must keep. `emulates` says that latency and energy are found out on the
    emulated phone. `content` is a digest of what names and paths lead to: a process that lives on,
    as a Dask worker does, then takes no file for what it was before.
    """

    profile: str
    model: str | None = None
    tokenizer: str | None = None
    via: str | None = None
    lengths: tuple[int, ...] = ()
    calibration: str | None = None
    count: int = 256
    seed: int = 0
    data: tuple[str, ...] = ()
    corpus: str | None = None
    emulates: bool = True
    float_output: bool = False
    content: str = ""


@functools.lru_cache(maxsize=1)
def open_session(asked: BuildOptions) -> BuildSession:
    """The request, checked and loaded once in every process."""
    return prepare_session(
        asked.profile,
        model=asked.model,
        tokenizer=Path(asked.tokenizer) if asked.tokenizer else None,
        via=asked.via,
        lengths=asked.lengths,
        calibration_file=Path(asked.calibration) if asked.calibration else None,
        calibration_count=asked.count,
        seed=asked.seed,
        data=asked.data,
        float_output=asked.float_output,
    )


def build_options(
    profile: str,
    *,
    model: str | None,
    tokenizer: str | None,
    via: str | None,
    lengths: Sequence[int],
    calibration: str | None,
    count: int,
    seed: int,
    data: Sequence[str],
    corpus: str | None,
    emulates: bool = True,
    float_output: bool = False,
) -> BuildOptions:
    """The options as other processes, which may stand elsewhere, understand them."""
    return BuildOptions(
        profile=str(Path(profile).resolve()) if profiles.is_path(profile) else profile,
        model=str(Path(model).resolve()) if model and Path(model).exists() else model,
        tokenizer=_whole(tokenizer),
        via=via,
        lengths=tuple(lengths),
        calibration=_whole(calibration),
        count=count,
        seed=seed,
        data=tuple(map(absolute_reference, data)),
        corpus=_whole(corpus),
        emulates=emulates,
        float_output=float_output,
    )


def _whole(path: str | None) -> str | None:
    return str(Path(path).resolve()) if path else None
