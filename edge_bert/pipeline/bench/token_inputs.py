"""Sentences as a signature takes them, so that a run reads the word table as real use does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_bert.data.buckets import pad_encoding
from edge_bert.data.calibration import default_sentences
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.records.bundle import Artifact

SETS = 20
SENTENCES_PER_SET = 40
DESCRIPTION = f"{SETS} sets of sentences"


def write_token_inputs(
    tokenizer_file: Path, artifact: Artifact, signature: str, file: Path
) -> bool:
    """Write sets of tokens that fill the signature, as the runner's `--inputs` takes them.

    `tokenizer_file` is a checked copy of the bundle's. False, and nothing written, where it has
    none. The tensors of a set are sorted by name, each in its own type.
    """
    if not tokenizer_file.is_file():
        return False
    spec = artifact.signatures[signature]
    tokenizer = Tokenizer.open_file(tokenizer_file, spec.length)
    tensors = sorted(spec.inputs, key=lambda tensor: tensor.name)
    sentences = default_sentences()
    content = b""
    for start in range(SETS):
        text = " ".join(sentences[start::SETS][:SENTENCES_PER_SET])
        names = [tensor.name for tensor in tensors]
        inputs = pad_encoding(tokenizer.encode(text), spec.length, tokenizer.pad_id, names)
        for tensor in tensors:
            content += inputs[tensor.name].astype(np.dtype(tensor.dtype)).tobytes()
    file.write_bytes(content)
    return True
