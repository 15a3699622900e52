"""Block-sparse pruning as a job: a model in, its folder with blocks of zeros out, and its sizes."""

from __future__ import annotations

import time

import msgspec

from edge_bert.compress.prune.block_sparsity import zero_share
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.compress.train.prune.sparsify import sparsify_encoder
from edge_bert.pipeline.train.options import PruneOptions
from edge_bert.pipeline.train.prune.pruning_goal import parse_block
from edge_bert.pipeline.train.prune.pruning_job import PruningJob
from edge_bert.pipeline.train.shipped_size import measure_shipped
from edge_bert.pipeline.train.trained_model import TrainedModel, write_trained_model
from edge_bert.records.training import BlockSparsity, TrainingSettings


def sparsify_model(job: PruningJob, report: Report = no_report) -> TrainedModel:
    """Make blocks of zeros in a model while it learns from its dense self, and write its folder.

    The files of both are built and packed for the record. Raises what `sparsify_encoder` raises.
    """
    options = job.options
    share, block = options.sparsity or 0.0, parse_block(options.block)
    settings = _whole_settings(options)
    folder = job.work_folder([f"{share}", block, settings])
    started = time.monotonic()
    weights, curve = sparsify_encoder(
        job.weights, share, block, job.trained, job.held_out, settings, job.losses, folder, report
    )
    run = job.describe_run("block-sparse pruning", weights, curve, time.monotonic() - started)
    sparsity = BlockSparsity(
        share=zero_share(weights, block),
        block=block,
        dense=measure_shipped(job.weights),
        sparse=measure_shipped(weights),
    )
    run = msgspec.structs.replace(run, settings=settings, sparsity=sparsity)
    return write_trained_model(options.folder, weights, job.checkpoint, run)


def _whole_settings(options: PruneOptions) -> TrainingSettings:
    """One run with as many epochs as the steps of structured pruning have together.

    Without a moving average, which still has a little of the blocks that went last.
    """
    epochs = (options.steps - 1) * options.epochs + options.final_epochs
    return msgspec.structs.replace(options.settings, epochs=epochs, average=0.0)
