"""Clustering as a job: a model in, its folder with few distinct integers out, and its sizes."""

from __future__ import annotations

import time

from edge_bert.compress.cluster.cluster_encoder import (
    ClusteredEncoder,
    cluster_encoder,
    count_integers,
)
from edge_bert.compress.cluster.cluster_matrix import LEAST, MOST
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.loop import Report, StageStatus, no_report
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.train.folder.run_record import (
    describe_ancestor,
    describe_machine,
    read_record,
)
from edge_bert.pipeline.train.options import ClusterOptions
from edge_bert.pipeline.train.shipped_size import measure_update
from edge_bert.pipeline.train.start_model import StartModel, open_model
from edge_bert.pipeline.train.trained_model import (
    TrainedModel,
    check_name,
    check_target,
    write_trained_model,
)
from edge_bert.records.training import FORMAT_VERSION, Clustering, LossWeights, TrainingRun


def cluster_model(options: ClusterOptions, report: Report = no_report) -> TrainedModel:
    """Cluster a model's weights on the int8 grid, and write its folder.

    The files of both are built and packed for the record. Raises InputError, ModelError for
    options and models that are not usable, and what building raises.
    """
    check_clustering(options)
    check_name(options.name)
    check_target(options.folder)
    backend = start_backend(options.settings.threads)
    started = time.monotonic()
    model = open_model(options.model)
    _check_model(model, options.centroids)

    def progress(message: str) -> None:
        report(StageStatus(message))

    clustered = cluster_encoder(model.weights, options.centroids, options.entropy, progress)
    progress("building and packing both files")
    clustering = _describe_clustering(options, model, clustered)
    run = TrainingRun(
        format_version=FORMAT_VERSION,
        name=options.name,
        kind="clustering",
        settings=options.settings,
        losses=LossWeights(),
        data=(),
        ancestors=(describe_ancestor(model.checkpoint, "start"),),
        curve=None,
        machine=describe_machine(backend),
        seconds=time.monotonic() - started,
        clustering=clustering,
    )
    return write_trained_model(options.folder, clustered.weights, model.checkpoint, run)


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


def _check_model(model: StartModel, centroids: int) -> None:
    """Raise ModelError for weights that clustering would leave as they are, or cluster twice."""
    folder = model.checkpoint.folder
    earlier = read_record(folder) if folder else None
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
    options: ClusterOptions, model: StartModel, clustered: ClusteredEncoder
) -> Clustering:
    unclustered, shipped = measure_update(model.weights, clustered.weights)
    return Clustering(
        centroids=options.centroids,
        entropy=options.entropy,
        error=clustered.error,
        bits=clustered.bits,
        bits_before=clustered.bits_before,
        unclustered=unclustered,
        clustered=shipped,
    )
