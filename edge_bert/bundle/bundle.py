"""Using a built bundle from Python: text in, embeddings or class probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.members import require_proven
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import InputError, MissingToolError
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.bundle import Artifact, Manifest, TensorSpec
from edge_bert.records.checkpoint import FloatArray

TOKENIZER = "tokenizer.json"


class Bundle:
    """A folder that a build wrote, opened for use without TensorFlow.

    `manifest` says what is in it. Not safe for several threads at once; open one per thread.
    """

    def __init__(self, folder: Path, manifest: Manifest, tokenizer: Tokenizer) -> None:
        self.folder = folder
        self.manifest = manifest
        self._tokenizer = tokenizer
        self._interpreters: dict[str, Any] = {}

    @classmethod
    def open(cls, folder: str | Path) -> Bundle:
        """Open the bundle in `folder`. Raises InputError where there is none or it is damaged."""
        path = Path(folder)
        manifest = manifests.read_manifest(path)
        for member in manifest.files:
            if member.file == TOKENIZER:
                require_proven(path / TOKENIZER, member.sha256)
        tokenizer = Tokenizer.open(path / TOKENIZER, manifest.model.max_length)
        return cls(path, manifest, tokenizer)

    def encode(
        self,
        texts: Sequence[str],
        artifact: str | None = None,
        pairs: Sequence[str] | None = None,
    ) -> FloatArray:
        """Embeddings float32 [n, hidden], or class probabilities float32 [n, labels].

        Each text takes the smallest length bucket that fits and is cut where the tokenizer says.
        `artifact` is a recipe's name, by default the bundle's own choice; `pairs` holds a second
        text for each. Raises InputError for an unknown artifact or a damaged file.
        """
        if isinstance(texts, str):
            raise InputError("encode takes a list of texts; put the text in a list.")
        chosen = self._find_artifact(artifact or self.manifest.default.artifact)
        encodings = self._tokenizer.encode_batch(texts, pairs)
        width = next(iter(chosen.signatures.values())).outputs[0].shape[-1]
        rows = np.zeros((len(encodings), width), np.float32)
        for index, encoding in enumerate(encodings):
            rows[index] = self._run(chosen, encoding)
        return finish_outputs(rows, self.manifest.model.head)

    def _find_artifact(self, name: str) -> Artifact:
        for artifact in self.manifest.artifacts:
            if artifact.name == name:
                return artifact
        names = ", ".join(artifact.name for artifact in self.manifest.artifacts)
        raise InputError(f"{self.folder} holds no artifact {name!r}; it holds {names}.")

    def _run(self, artifact: Artifact, encoding: Encoding) -> FloatArray:
        by_length = {spec.length: name for name, spec in artifact.signatures.items()}
        name = by_length[choose_bucket(len(encoding), by_length)]
        signature = artifact.signatures[name]
        names = [spec.name for spec in signature.inputs]
        inputs = pad_encoding(encoding, signature.length, self._tokenizer.pad_id, names)
        output = signature.outputs[0]
        runner = self._open_interpreter(artifact).get_signature_runner(name)
        return _dequantize(runner(**inputs)[output.name].reshape(-1), output)

    def _open_interpreter(self, artifact: Artifact) -> Any:
        if artifact.name not in self._interpreters:
            path = require_proven(self.folder / artifact.file, artifact.sha256)
            self._interpreters[artifact.name] = _open(path)
        return self._interpreters[artifact.name]


def _dequantize(values: np.ndarray[Any, Any], spec: TensorSpec) -> FloatArray:
    """A float32 copy of an output, dequantized where it has a scale."""
    if spec.scale is None:
        return values.astype(np.float32)
    centered = values.astype(np.float32) - np.float32(spec.zero_point or 0)
    return np.asarray(centered * np.float32(spec.scale), np.float32)


def _open(path: Path) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingToolError(
            "The runtime is missing: pip install ai-edge-litert (edge-bert depends on it)."
        ) from error
    return Interpreter(str(path), num_threads=1)
