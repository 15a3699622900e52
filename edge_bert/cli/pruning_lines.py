"""What pruning did, in lines for people: each step, a modelled latency, sizes as shipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_bert.records.training import BlockSparsity, PruningStep, TrainingRun

NO_SPARSE_KERNEL = (
    "no runtime here has a kernel that skips zeros: the download is smaller, the model not faster"
)


def describe_pruning(run: TrainingRun) -> list[str]:
    """The lines of a run that pruned; none of another."""
    lines = [_describe_step(number, step) for number, step in enumerate(run.pruning, start=1)]
    if run.latency_ms is not None:
        scaled = f", scaled to {run.scaled_to}" if run.scaled_to else ""
        lines.append(f"modelled latency: {run.latency_ms:.2f} ms{scaled}")
    if run.sparsity is not None:
        lines += _describe_sparsity(run.sparsity)
    return lines


def _describe_step(number: int, step: PruningStep) -> str:
    cut = "" if step.score_before is None else f"{step.score_before:.4f} when cut, "
    return (
        f"step {number}: {len(step.layers)} layers, {sum(step.heads)} heads, {sum(step.ffn)} "
        f"neurons; held-out {cut}{step.score_after:.4f} recovered, {step.seconds / 60:.1f} minutes"
    )


def _describe_sparsity(sparsity: BlockSparsity) -> Iterator[str]:
    outputs, inputs = sparsity.block
    yield f"{sparsity.share:.1%} of the layers' {outputs}x{inputs} blocks are zeros"
    for dense, sparse in zip(sparsity.dense, sparsity.sparse, strict=True):
        yield (
            f"{sparse.recipe}: {sparse.file_bytes / 1e6:.2f} MB; in a zip archive "
            f"{sparse.zip_bytes / 1e6:.2f} MB, dense {dense.zip_bytes / 1e6:.2f}; by zstd "
            f"{sparse.zstd_bytes / 1e6:.2f} MB, dense {dense.zstd_bytes / 1e6:.2f}"
        )
    yield NO_SPARSE_KERNEL
