"""What `invoke prune` says at its end."""

from __future__ import annotations

import msgspec

from edge_bert.cli.pruning_lines import NO_SPARSE_KERNEL, describe_pruning
from edge_bert.records.training import (
    FORMAT_VERSION,
    BlockSparsity,
    LossWeights,
    Machine,
    PruningStep,
    ShippedSize,
    TrainingCurve,
    TrainingRun,
    TrainingSettings,
)

RUN = TrainingRun(
    format_version=FORMAT_VERSION,
    name="pruned",
    kind="pruning",
    settings=TrainingSettings(),
    losses=LossWeights(),
    data=(),
    ancestors=(),
    curve=TrainingCurve((), "accuracy", 0, 0.9, stopped_early=False),
    machine=Machine("any", 2, 1, "tensorflow", {}),
    seconds=60.0,
)


def test_each_step_is_a_line_and_a_latency_another() -> None:
    """What is left, and what the recovery gave."""
    step = PruningStep((0, 2), (8, 7), (512, 640), 0.8, 0.9, 120.0)
    run = msgspec.structs.replace(RUN, pruning=(step,), latency_ms=4.987)
    assert describe_pruning(run) == [
        "step 1: 2 layers, 15 heads, 1152 neurons; held-out 0.8000 when cut, 0.9000 recovered, "
        "2.0 minutes",
        "modelled latency: 4.99 ms",
    ]


def test_zeros_are_said_to_make_a_smaller_download_only() -> None:
    """Never a faster model."""
    sparsity = BlockSparsity(
        share=0.8,
        block=(1, 16),
        dense=(ShippedSize("wi8_afp32", 23_000_000, 18_000_000, 17_000_000),),
        sparse=(ShippedSize("wi8_afp32", 23_000_000, 12_340_000, 11_000_000),),
    )
    lines = describe_pruning(msgspec.structs.replace(RUN, sparsity=sparsity))
    assert lines[0] == "80.0% of the layers' 1x16 blocks are zeros"
    assert lines[1] == (
        "wi8_afp32: 23.00 MB; in a zip archive 12.34 MB, dense 18.00; by zstd 11.00 MB, dense 17.00"
    )
    assert lines[-1] == NO_SPARSE_KERNEL


def test_other_runs_have_no_such_lines() -> None:
    """Of fine-tuning and distillation."""
    assert describe_pruning(RUN) == []
