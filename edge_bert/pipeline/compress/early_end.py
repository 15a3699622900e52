"""What a plan's bundle gives where its texts leave at exits: score, layers and expected cost."""

from __future__ import annotations

import msgspec

from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import DataError
from edge_bert.pipeline.bench.bench import list_played, run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.text_job import AUTO
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.scoring.score_exits import score_exits
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.plan import EarlyEnd


def score_early(
    bundle: OpenBundle, artifact: Artifact, data: EvaluationSet | None, tokenizer: Tokenizer
) -> EarlyEnd | None:
    """The score and the mean layers of a file by the bundle's rule; None for one without exits.

    Without labels, or with those of another head, there is no score.
    """
    rule = bundle.manifest.exits
    if rule is None or not artifact.stages:
        return None
    if data is None:
        return EarlyEnd()
    with bundle.copy_members([artifact.file]) as files:
        subject = ModelUnderTest.of(files / artifact.file, bundle.manifest.model.head)
        try:
            scores = score_exits(subject, rule, data, tokenizer, host_runtime())
        except DataError:
            return EarlyEnd()
    return EarlyEnd(score=scores.value, layers=scores.layers)


def count_early(early: EarlyEnd, options: BenchOptions, data: str, progress: Progress) -> EarlyEnd:
    """`early` with what a text of `data` costs in expectation, played on the emulated phone.

    `options` name the bundle and its artifact.
    """
    played = msgspec.structs.replace(options, lengths=(), data=data, exits=(AUTO,))
    (row,) = list_played(run_bench(played, progress))
    return msgspec.structs.replace(
        early,
        source=row.source,
        texts=row.texts,
        instructions=row.instructions,
        latency_ms=row.ms,
        energy_mj=row.energy.mj if row.energy else None,
    )
