"""The options of `invoke compress`, with their defaults."""

from __future__ import annotations

from pathlib import Path

from edge_bert import profiles
from edge_bert.pipeline.build.options import DEFAULT_OUT as BUNDLES
from edge_bert.pipeline.train.options import DEFAULT_OUT
from edge_bert.records.base import Record

DEFAULT_RECIPE = "wi8_afp32"  # every model has it, and it needs no calibration


class CompressOptions(Record, frozen=True):
    """What `invoke compress` takes.

    `plan` is a name or a path, as `load_plan` takes it. The first of `data` holds the labels that
    `train` learns from; the texts of all of them, and of `text`, serve the other steps. `score`
    is labelled data that every model is scored on; without it the held-out texts are. Each model is
    built in `recipe` for that. With `build`, the last one becomes a bundle in `bundles`. Several
    runs of plans go to so many `workers`, or to the Dask cluster of a `scheduler`.
    """

    plan: str
    profile: str
    name: str
    model: str | None = None
    data: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    score: str | None = None
    out: str = DEFAULT_OUT
    recipe: str = DEFAULT_RECIPE
    threads: int = 0
    build: bool = True
    bundles: str = BUNDLES
    workers: int = 1
    scheduler: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the last step's model."""
        return Path(self.out) / self.name

    @property
    def bundle_folder(self) -> Path:
        """The folder of the bundle that the plan ends in."""
        return Path(self.bundles) / profiles.bundle_name(self.profile)

    def step_folder(self, number: int, kind: str) -> Path:
        """The folder of a step's model; steps are counted from 1."""
        return Path(self.out) / f"{self.name}-{number}-{kind}"
