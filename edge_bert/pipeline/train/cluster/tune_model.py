"""Fine-tuning of centroids within the clustering job."""

from __future__ import annotations

import msgspec

from edge_bert.compress.cluster.cluster_encoder import ClusteredEncoder
from edge_bert.compress.train.cluster.tune_centroids import tune_centroids
from edge_bert.compress.train.loop import Report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.train.class_scores import score_lessons
from edge_bert.pipeline.train.corpus import describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.folder.run_record import describe_ancestor
from edge_bert.pipeline.train.options import ClusterOptions
from edge_bert.pipeline.train.self_teaching import (
    digest_lessons,
    recovery_losses,
    teach_itself,
    tokenize_sides,
)
from edge_bert.pipeline.train.start_model import StartModel
from edge_bert.pipeline.train.trained_model import choose_work_folder
from edge_bert.records.training import TrainingRun


def tune_model(
    options: ClusterOptions,
    model: StartModel,
    clustered: ClusteredEncoder,
    run: TrainingRun,
    report: Report,
) -> tuple[EncoderWeights, TrainingRun]:
    """The clustered encoder as the texts of the options leave it, and `run` with what was trained.

    The unclustered model teaches. Raises InputError and DataError for texts that are not usable,
    and what training raises.
    """
    settings = options.settings
    corpus = read_corpus(options.data, options.text, model.weights.head)
    sides = split_corpus(corpus, options.held_out, options.split_seed)
    losses = recovery_losses(model.weights, sides[0])
    texts = tokenize_sides(model, sides)
    trained, held_out = teach_itself(model, sides, texts, losses, report)
    digests = [digest_lessons(side) for side in (trained, held_out)]
    clustering = f"{options.centroids} {options.entropy}"
    folder = choose_work_folder(
        [
            "cluster",
            model.checkpoint.sha256,
            clustering,
            settings,
            losses,
            *digests,
            run.machine.backend,
        ]
    )
    weights, curve = tune_centroids(
        clustered.weights, clustered.matrices, trained, held_out, settings, losses, folder, report
    )
    ancestors = (*run.ancestors, describe_ancestor(model.checkpoint, "teacher"))
    return weights, msgspec.structs.replace(
        run,
        losses=losses,
        data=describe_corpus(*sides),
        ancestors=ancestors,
        curve=curve,
        classes=score_lessons(weights, held_out),
    )
