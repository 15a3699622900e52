"""Clustering as a job: a model in, its folder with few distinct integers out, and its sizes."""

from __future__ import annotations

import dataclasses
import time

import msgspec

from edge_bert.compress.cluster.cluster_encoder import (
    ClusteredEncoder,
    cluster_encoder,
    count_integers,
)
from edge_bert.compress.cluster.cluster_matrix import LEAST, MOST
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.train.cluster.tune_model import tune_model
from edge_bert.pipeline.train.exits.refit_exits import refit_exits
from edge_bert.pipeline.train.folder.run_record import (
    describe_ancestor,
    describe_machine,
)
from edge_bert.pipeline.train.options import ClusterOptions
from edge_bert.pipeline.train.shipped_size import measure_update
from edge_bert.pipeline.train.start_model import StartModel, open_model, open_teacher
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    write_trained_model,
)
from edge_bert.records.training import FORMAT_VERSION, Clustering, LossWeights, TrainingRun
from edge_bert.sources.training_run import read_training_run


def cluster_model(options: ClusterOptions, report: Report = no_report) -> TrainedModel:
    """Cluster a model's weights on the int8 grid, and write its folder.

    With texts the centroids are fine-tuned; the same command again goes on where that was cut
    short. The files of both models are built and packed for the record. Raises InputError,
    ModelError and DataError for options, models and texts that are not usable, and what building
    and training raise.
    """
    check_clustering(options)
    check_name(options.name)
    check_target(options.folder)
    settings = options.settings
    backend = start_backend(settings.threads)
    started = time.monotonic()
    has_texts = bool(options.data or options.text)
    opening = open_teacher if has_texts else open_model
    model = opening(options.model, with_exits=True, with_cuts=True)
    _check_model(model, options.centroids, has_texts=has_texts)
    body = dataclasses.replace(model.weights, exits=())
    bare = dataclasses.replace(model, weights=body)

    def progress(message: str) -> None:
        report(StageStatus(message))

    clustered = cluster_encoder(body, options.centroids, options.entropy, progress)
    run = TrainingRun(
        format_version=FORMAT_VERSION,
        name=options.name,
        kind="clustering",
        settings=settings,
        losses=LossWeights(),
        data=(),
        ancestors=(describe_ancestor(model.checkpoint, "start"),),
        curve=None,
        machine=describe_machine(backend),
        seconds=0.0,
    )
    weights = clustered.weights
    if has_texts:
        weights, run = tune_model(options, bare, clustered, run, report)
    progress("building and packing both files")
    clustering = _describe_clustering(options, body, clustered, weights)
    fitted = refit_exits(options, options.data, options.text, model, weights, backend, report)
    run = msgspec.structs.replace(
        run,
        machine=describe_machine(backend),
        seconds=time.monotonic() - started,
        clustering=clustering,
    )
    if fitted is None:
        return write_trained_model(options.folder, weights, model.checkpoint, run)
    run = msgspec.structs.replace(run, exits=fitted.early)
    return write_trained_model(
        options.folder, fitted.weights, model.checkpoint, run, exits=fitted.rule
    )


def check_clustering(options: ClusterOptions) -> None:
    """Raise InputError for options that cannot be, before a model is read."""
    if not LEAST <= options.centroids <= MOST:
        raise InputError(
            f"--centroids {options.centroids}: give {LEAST} to {MOST}; the int8 grid has {MOST}."
        )
    if not 0 <= options.entropy < 1:
        raise InputError(
            f"--entropy {options.entropy:g}: give a share of the weights' mean square from 0 to "
            "less than 1, such as 0.003."
        )
    if options.freeze != "embeddings":
        raise InputError(f"--freeze {options.freeze}: the tables stay on their grid; leave it out.")


def _check_model(model: StartModel, centroids: int, *, has_texts: bool) -> None:
    """Raise ModelError for weights that clustering would leave as they are, or cluster twice."""
    if model.checkpoint.exits is not None and not has_texts:
        raise ModelError(
            f"{model.checkpoint.name} has exits, whose heads are fitted anew to the clustered "
            "rows; give the texts that they learned on, --data or --text."
        )
    folder = model.checkpoint.folder
    earlier = read_training_run(folder)
    if earlier is not None and earlier.clustering is not None:
        raise ModelError(
            f"{model.checkpoint.name} is clustered already, to {earlier.clustering.centroids} "
            f"integers; cluster the model that it comes from, {earlier.ancestors[0].name}."
        )
    present = count_integers(model.weights)
    if present <= centroids:
        raise ModelError(
            f"{model.checkpoint.name} has at most {present} different integers in a matrix, so "
            f"--centroids {centroids} changes nothing; give less."
        )


def _describe_clustering(
    options: ClusterOptions,
    body: EncoderWeights,
    clustered: ClusteredEncoder,
    weights: EncoderWeights,
) -> Clustering:
    unclustered, shipped = measure_update(body, weights)
    return Clustering(
        centroids=options.centroids,
        entropy=options.entropy,
        error=clustered.error,
        bits=clustered.bits,
        bits_before=clustered.bits_before,
        unclustered=unclustered,
        clustered=shipped,
    )
