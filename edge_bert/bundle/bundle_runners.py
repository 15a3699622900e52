"""The interpreters of a bundle's artifacts, opened when they are first needed and kept."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.bundle.artifact_runner import ArtifactRunner, open_interpreters, run_encodings
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.bundle.progress_bar import ProgressBar
from edge_bert.bundle.stage_chain import ExitPlan
from edge_bert.bundle.staged_runner import ExitedOutput, StagedRunner
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import InputError
from edge_bert.records.bundle import Artifact
from edge_bert.records.checkpoint import FloatArray


class BundleRunners:
    """Texts in tokens through the artifacts of an open bundle, for one caller at a time."""

    def __init__(self, opened: OpenBundle, pad_id: int) -> None:
        self._opened = opened
        self._pad_id = pad_id
        self._runners: dict[str, list[ArtifactRunner]] = {}

    def run_whole(
        self,
        artifact: Artifact,
        encodings: Sequence[Encoding],
        threads: int = 1,
        progress_bar: bool | None = None,
    ) -> list[FloatArray]:
        """The output of each encoding, float32, without the dimension of the batch."""
        runners = self._open(artifact, _count_runners(threads, encodings))
        with ProgressBar(len(encodings), progress_bar) as bar:
            return run_encodings(runners, encodings, bar.step)

    def run_stages(
        self,
        artifact: Artifact,
        plan: ExitPlan,
        encodings: Sequence[Encoding],
        threads: int,
        progress_bar: bool | None,
    ) -> list[ExitedOutput]:
        """What `run_whole` gives, of texts that leave as `plan` says."""
        runners = self._open(artifact, _count_runners(threads, encodings))
        head = self._opened.manifest.model.head
        staged = [StagedRunner(artifact, x, self._pad_id, plan, head) for x in runners]
        with ProgressBar(len(encodings), progress_bar) as bar:
            return run_encodings(staged, encodings, bar.step)

    def _open(self, artifact: Artifact, count: int) -> list[ArtifactRunner]:
        """So many runners of `artifact`, which stay for the next call."""
        runners = self._runners.setdefault(artifact.name, [])
        if len(runners) < count:
            more = open_interpreters(self._opened, artifact, count - len(runners))
            runners += [ArtifactRunner(artifact, one, self._pad_id) for one in more]
        return runners[:count]


def _count_runners(threads: int, encodings: Sequence[Encoding]) -> int:
    if threads < 1:
        raise InputError(f"threads must be 1 or more, not {threads}.")
    return max(min(threads, len(encodings)), 1)
