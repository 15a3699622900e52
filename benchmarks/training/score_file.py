"""The score of the file that a recipe makes of a model, beside the float model it came from."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory

from benchmarks.float_deviation import run_file
from benchmarks.training.records import FileScore
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.scoring.score_labels import score_model
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import no_progress
from edge_bert.records.checkpoint import FloatArray, Task
from edge_bert.records.recipe import RECIPES

PROFILE = "pixel-9"


def score_file(model: str | None, whole: str | None, recipe: str, data: str) -> FileScore:
    """The file of `recipe` that is built of `model`, on `data`; `whole` is the float model.

    `None` is the model taken by default.
    """
    with TemporaryDirectory() as out:
        labelled = parse_reference(data)
        session = BuildSession.open(BuildOptions(profile=PROFILE, model=model, out=out))
        file = artifacts.build_artifact(session, RECIPES[recipe], no_progress)
        mean, least = _measure_cosines(session, file, whole, labelled, out)
        return FileScore(
            recipe=recipe,
            bytes=len(file),
            score=_score_file(session, file, labelled),
            cosine_mean=mean,
            cosine_min=least,
        )


def _score_file(session: BuildSession, file: bytes, data: EvaluationSet) -> float:
    """The first metric of the head's kind, in percent."""

    def outputs_of(texts: Sequence[str], pairs: Sequence[str] | None) -> FloatArray:
        if pairs:
            raise SystemExit("The benchmark has no rows of pairs for one output.")
        return run_file(session, file, texts)

    return 100 * score_model(data, session.checkpoint.head, outputs_of)[0].value


def _measure_cosines(
    session: BuildSession, file: bytes, whole: str | None, data: EvaluationSet, out: str
) -> tuple[float, float] | tuple[None, None]:
    if session.checkpoint.head.task is not Task.EMBEDDING:
        return None, None
    sentences = tuple(dict.fromkeys(data.sentences + data.second))
    source = BuildSession.open(BuildOptions(profile=PROFILE, model=whole, out=out))
    float_file = artifacts.build_float_model(source, no_progress)
    drift = measure_drift(
        run_file(session, file, sentences), run_file(source, float_file, sentences)
    )
    return drift.cosine_mean, drift.cosine_min
