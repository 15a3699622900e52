"""Parity of a model that came as ONNX: our float32 file against onnxruntime on the original."""

from __future__ import annotations

import numpy as np

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import VerificationError
from edge_bert.pipeline.build.artifacts import build_float_model
from edge_bert.pipeline.build.check_reading import (
    apply_file_activation,
    choose_sentences,
    expected_outputs,
    relative_difference,
    tolerance_of,
)
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, run_signatures
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress
from edge_bert.records.profile import Runtime
from edge_bert.store.scratch import scratch_folder


def check_parity(session: BuildSession, host: Runtime, progress: Progress) -> None:
    """Compare the float32 file with onnxruntime on a few held-out sentences.

    Of a smaller model that of the model that it was made from, which is compared with it later.
    Raises VerificationError where outputs differ by more than the tolerance, which is relative to
    the largest output, or absolute where that is below 1.
    """
    session = session.unpruned or session
    checkpoint, file = session.checkpoint, session.checkpoint.onnx
    if file is None:
        return
    longest = min(max(session.lengths), file.fixed_length or max(session.lengths))
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, longest)
    encodings = choose_sentences(file, tokenizer, session.calibration.held_out)
    lengths = [file.fixed_length] if file.fixed_length else session.lengths
    with scratch_folder() as folder:
        path = folder / "float32.tflite"
        path.write_bytes(build_float_model(session, progress))
        subject = ModelUnderTest.of(path, checkpoint.head)
        ran = run_signatures(subject, encodings, tokenizer.pad_id, host)
    rows = ran.list_rows(list(map(len, encodings)), checkpoint.head)
    outputs = np.concatenate(rows) if checkpoint.head.gives_tokens else np.stack(rows)
    expected = expected_outputs(checkpoint, encodings, lengths, tokenizer.pad_id)
    difference = relative_difference(apply_file_activation(file, outputs), expected)
    if not difference <= tolerance_of(file):
        remedy = "try --via onnx2tf, and report" if checkpoint.weights else "report"
        raise VerificationError(
            f"The float32 file differs from {file.path.name} on onnxruntime by {difference:.1e} of "
            f"the largest output: it was read or converted wrongly; {remedy} the model."
        )
    progress(f"float32: within {difference:.0e} of onnxruntime on {len(encodings)} sentences")
