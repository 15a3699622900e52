"""Outputs of every signature of a `.tflite` file for sentences, run once and then cached."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import VerificationError
from edge_bert.evaluate.outputs import finish_texts, stack_rows
from edge_bert.formats.tflite.inspect import ModelFile, inspect_bytes
from edge_bert.records.bundle import Signature
from edge_bert.records.checkpoint import FloatArray, Head
from edge_bert.records.profile import Runtime
from edge_bert.runtimes import tflite
from edge_bert.store.cached import cached, cached_record
from edge_bert.store.content_store import key_of
from edge_bert.store.digest import sha256_hex

MIN_ROWS = 4  # every signature runs at least this many sentences, however short they are


@dataclass(frozen=True)
class ModelUnderTest:
    """A `.tflite` file on disk with its digest and contents, and the head that reads its output."""

    path: Path
    head: Head
    sha256: str
    contents: ModelFile

    @classmethod
    def of(cls, path: Path, head: Head, data: bytes | None = None) -> ModelUnderTest:
        """The file at `path`, whose bytes are `data` where they have been read."""
        data = path.read_bytes() if data is None else data
        sha256 = sha256_hex(data)
        return cls(path, head, sha256, inspect_model(data, sha256, path.name))

    @property
    def signatures(self) -> dict[str, Signature]:
        """The signatures by their names."""
        return self.contents.signatures

    @property
    def rounds_activations(self) -> bool:
        """Whether activations are integers, so that runtimes may differ by rounding."""
        return self.contents.rounds_activations


def inspect_model(data: bytes, sha256: str, name: str) -> ModelFile:
    """The contents of a file's bytes with this digest, parsed once.

    Raises ModelError where they are damaged; `name` is for the message.
    """
    return cached_record(
        ModelFile, "contents", [sha256], lambda: inspect_bytes(data, name), inspect_bytes
    )


@dataclass(frozen=True)
class SignatureOutputs:
    """Raw outputs [rows, width] of every signature that ran.

    `sentences` says which sentence each row is: first those whose smallest bucket the signature
    is (`own` of them), then some that would fit a smaller one, so that no signature stays untried.
    Where the model gives tokens, a row has the `channels` of each, those of padding as zeros.
    """

    sentences: dict[str, list[int]]
    own: dict[str, int]
    values: dict[str, FloatArray]
    channels: int

    def by_sentence(self) -> FloatArray:
        """The output of every sentence in its own bucket [sentences, width], in order."""
        rows: dict[int, FloatArray] = {}
        for name, values in self.values.items():
            rows |= zip(self.sentences[name][: self.own[name]], values, strict=False)
        return stack_rows([rows[index] for index in range(len(rows))])

    def finish(self, counts: Sequence[int], head: Head) -> FloatArray:
        """As `by_sentence`, finished; `counts` are the sentences' numbers of tokens."""
        return finish_texts(self.list_rows(counts, head), head)

    def list_rows(self, counts: Sequence[int], head: Head) -> list[FloatArray]:
        """The raw output of every sentence, [width], or [tokens, channels] without padding."""
        outputs = list(self.by_sentence())
        if not head.gives_tokens:
            return outputs
        return [
            row.reshape(-1, self.channels)[:count]
            for row, count in zip(outputs, counts, strict=True)
        ]


def finished_outputs(
    subject: ModelUnderTest, sentences: Sequence[Encoding], pad_id: int, runtime: Runtime
) -> FloatArray:
    """Finished outputs [n, width] of every sentence, each in the smallest bucket that fits."""
    outputs = run_signatures(subject, sentences, pad_id, runtime)
    return outputs.finish(list(map(len, sentences)), subject.head)


def run_texts(
    subject: ModelUnderTest,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    runtime: Runtime,
    pairs: Sequence[str] | None = None,
) -> FloatArray:
    """Finished outputs [n, width] of texts, each with its second one where there are pairs."""
    encodings = tokenizer.encode_batch(texts, pairs)
    return finished_outputs(subject, encodings, tokenizer.pad_id, runtime)


def run_signatures(
    subject: ModelUnderTest, sentences: Sequence[Encoding], pad_id: int, runtime: Runtime
) -> SignatureOutputs:
    """Run every signature of `subject` on `runtime`, once per file, tokens and runtime.

    Raises VerificationError when the file does not run, or gives something that is not a number.
    """
    rows, own = _assign_rows(sentences, subject.signatures)

    def make() -> bytes:
        values = _run_rows(subject, sentences, rows, pad_id, runtime)
        return b"".join(values[name].tobytes() for name in rows)

    tokens = key_of(*(dataclasses.astuple(encoding) for encoding in sentences))
    inputs = [subject.sha256, tokens, pad_id, runtime]
    data = cached("outputs", inputs, make, code=run_signatures)
    return _split_outputs(np.frombuffer(data, np.float32), subject, rows, own)


def _split_outputs(
    values: FloatArray,
    subject: ModelUnderTest,
    rows: dict[str, list[int]],
    own: dict[str, int],
) -> SignatureOutputs:
    """The outputs of all signatures after each other, by signature and row."""
    shapes = {name: subject.signatures[name].outputs[0].shape for name in rows}
    sizes = [len(rows[name]) * math.prod(shape) for name, shape in shapes.items()]
    parts = np.split(values, np.cumsum(sizes)[:-1])
    by_row = [part.reshape(len(rows[name]), -1) for name, part in zip(rows, parts, strict=True)]
    channels = max((shape[-1] for shape in shapes.values()), default=0)
    return SignatureOutputs(rows, own, dict(zip(rows, by_row, strict=True)), channels)


def _assign_rows(
    sentences: Sequence[Encoding], signatures: dict[str, Signature]
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """The indices of the sentences that each signature runs, and how many of them are its own."""
    by_length = {signature.length: name for name, signature in signatures.items()}
    rows: dict[str, list[int]] = {name: [] for name in signatures}
    for index, encoding in enumerate(sentences):
        rows[by_length[choose_bucket(len(encoding), by_length)]].append(index)
    own = {name: len(indices) for name, indices in rows.items()}
    for name, indices in rows.items():
        shorter = [
            index
            for index, encoding in enumerate(sentences)
            if len(encoding) <= signatures[name].length and index not in indices
        ]
        indices.extend(shorter[:MIN_ROWS])
    return {name: indices for name, indices in rows.items() if indices}, own


def _run_rows(
    subject: ModelUnderTest,
    sentences: Sequence[Encoding],
    rows: dict[str, list[int]],
    pad_id: int,
    runtime: Runtime,
) -> dict[str, FloatArray]:
    inputs = {
        name: stack_inputs(
            subject.signatures[name], [sentences[index] for index in indices], pad_id
        )
        for name, indices in rows.items()
    }
    result = tflite.run_tflite_model(subject.path, inputs, runtime)
    values = {}
    for name, indices in rows.items():
        output = subject.signatures[name].outputs[0].name
        real = result.real(name, output).reshape(len(indices), -1)
        if subject.head.gives_tokens:
            real = _clear_padding(real, [len(sentences[index]) for index in indices], name, subject)
        values[name] = real
        if not np.isfinite(values[name]).all():
            raise VerificationError(
                f"{subject.path.name}: {name} gives values that are not numbers."
            )
    return values


def _clear_padding(
    values: FloatArray, counts: Sequence[int], name: str, subject: ModelUnderTest
) -> FloatArray:
    """Rows [n, length * channels] with zeros where the tokens are padding."""
    length = subject.signatures[name].length
    real = np.arange(length) < np.asarray(counts)[:, None]
    tokens = values.reshape(len(values), length, -1)
    return np.asarray(np.where(real[..., None], tokens, 0), np.float32).reshape(len(values), -1)


def stack_inputs(
    signature: Signature, encodings: Sequence[Encoding], pad_id: int
) -> dict[str, npt.NDArray[np.int32]]:
    """The inputs [rows, length] of a signature, padded to its length."""
    names = [spec.name for spec in signature.inputs]
    padded = [pad_encoding(encoding, signature.length, pad_id, names) for encoding in encodings]
    return {name: np.concatenate([row[name] for row in padded]) for name in names}
