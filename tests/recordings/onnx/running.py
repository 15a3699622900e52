"""The recorded ONNX files, and what onnxruntime gives for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.recordings.onnx.make import HERE, WORDS
from tests.tiny.tokenizer_files import write_byte_level, write_mpnet, write_wordpiece

LENGTH = 16
Inputs = dict[str, np.ndarray]
NEEDED = "{} is not installed; install the extra: pip install 'edge-bert[onnx]'"
BERT = (
    "bert-tokens-script14-sdpa-dynamic",
    "bert-tokens-script14-eager-dynamic",
    "bert-tokens-script13-eager-static",
    "bert-tokens-dynamo18-sdpa-dynamic",
    "bert-fused",
    "distilbert-tokens-dynamo18-sdpa-static",
    "roberta-tokens-script17-sdpa-dynamic",
)
WITH_HEADS = (
    "bert-mean-script17-sdpa-dynamic",
    "bert-cls-script14-sdpa-dynamic",
    "bert-logits-dynamo18-eager-dynamic",
    "distilbert-logits-script17-eager-dynamic",
    "roberta-logits-dynamo18-sdpa-dynamic",
    "mpnet-logits-dynamo18-eager-dynamic",
)
WITH_NARROW_TABLES = (
    "albert-tokens-dynamo18-sdpa-dynamic",
    "electra-tokens-script13-eager-dynamic",
)
WITH_BIAS = (
    "mpnet-tokens-script17-eager-dynamic",
    "mpnet-tokens-dynamo18-eager-static",
)
OTHERS = (
    "albert-tokens-dynamo18-sdpa-dynamic",
    "electra-tokens-script13-eager-dynamic",
    "mobilebert-tokens-dynamo18-eager-dynamic",
)


def placed(folder: Path, name: str, file: str = "model.onnx") -> Path:
    """The recorded file `name` as `file` in `folder`, with a tokenizer that fits it."""
    folder.mkdir(parents=True, exist_ok=True)
    family = name.partition("-")[0]
    {"roberta": write_byte_level, "mpnet": write_mpnet}.get(family, write_wordpiece)(folder)
    shutil.copyfile(HERE / f"{name}.onnx", folder / file)
    return folder / file


def sentences(rows: int = 3) -> Inputs:
    """Token ids [rows, LENGTH] of several lengths, padded with 0, without RoBERTa's padding id."""
    random = np.random.default_rng(7)
    ids = random.integers(5, WORDS, (rows, LENGTH))
    lengths = LENGTH - 5 * (np.arange(rows) % 3)
    mask = (np.arange(LENGTH) < lengths[:, None]).astype(np.int64)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": random.integers(0, 2, ids.shape),
    }


def onnxruntime_outputs(path: Path | bytes, inputs: Inputs) -> np.ndarray:
    """The first output for each row, one row at a time, in the element types that it takes."""
    runtime = pytest.importorskip("onnxruntime", reason=NEEDED.format("onnxruntime"))
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(
        path if isinstance(path, bytes) else str(path), options, providers=["CPUExecutionProvider"]
    )
    rows = range(len(inputs["input_ids"]))
    return np.concatenate([session.run(None, _row(session, inputs, row))[0][:1] for row in rows])


def _row(session: Any, inputs: Inputs, row: int) -> Inputs:
    kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    return {
        each.name: inputs[each.name][row : row + 1].astype(kinds[each.type])
        for each in session.get_inputs()
    }


def mean_of(tokens: np.ndarray, inputs: Inputs) -> np.ndarray:
    """The mean of the real tokens' vectors, [rows, width]."""
    weights = inputs["attention_mask"][..., None]
    return (tokens * weights).sum(1) / weights.sum(1)
