"""Files for MediaPipe: what is written, what MediaPipe makes of it, what is refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edge_bert.errors import ModelError
from edge_bert.formats.mediapipe.mediapipe_model import write_mediapipe_model
from edge_bert.formats.tflite import flatbuffer
from edge_bert.records.checkpoint import TOKEN_TASKS, Head, Task
from tests.formats.mediapipe.mediapipe_models import (
    INPUTS,
    SPECIAL,
    echo_model,
    logit_model,
    mediapipe_module,
    mediapipe_text,
    vocabulary,
)

EMBEDDING = Head(task=Task.EMBEDDING)
WORDS = ("the", "cat", "##s", "sat", "猫", ".")
LABELS = ("negative", "neutral", "très positif")


def classifier(activation: str) -> Head:
    return Head(task=Task.CLASSIFICATION, labels=LABELS, activation=activation)


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    return vocabulary(tmp_path / "vocab.txt", WORDS)


def without_signatures(tflite: bytes) -> bytes:
    model = flatbuffer.read_model(tflite)
    model.signatureDefs = None
    return flatbuffer.pack_model(model)


def embed(model: bytes, folder: Path, *texts: str) -> list[np.ndarray]:
    """Embeddings from MediaPipe's own TextEmbedder."""
    text = mediapipe_text()
    path = folder / "model.tflite"
    path.write_bytes(model)
    with text.TextEmbedder.create_from_model_path(str(path)) as embedder:
        return [np.asarray(embedder.embed(t).embeddings[0].embedding) for t in texts]


def classify(model: bytes, folder: Path, text_: str) -> dict[str, float]:
    """Scores by label from MediaPipe's own TextClassifier."""
    text = mediapipe_text()
    path = folder / "model.tflite"
    path.write_bytes(model)
    with text.TextClassifier.create_from_model_path(str(path)) as tool:
        categories = tool.classify(text_).classifications[0].categories
    return {category.category_name: category.score for category in categories}


def test_mediapipe_fills_ids_mask_and_segments(vocab: Path, tmp_path: Path) -> None:
    """Each input gets what its name says, whatever the order of the model's tensors."""
    model = write_mediapipe_model(echo_model(8), vocabulary=vocab, head=EMBEDDING, name="echo")
    ids, mask, segments = np.split(embed(model, tmp_path, "The cats")[0], 3)
    assert ids.tolist() == [2, 5, 6, 7, 3, 0, 0, 0]
    assert mask.tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert segments.tolist() == [0] * 8


def test_a_model_without_token_types_gets_an_unused_input(vocab: Path, tmp_path: Path) -> None:
    """MediaPipe opens models with ids and mask only, as DistilBERT's are."""
    echo = echo_model(6, inputs=("input_ids", "attention_mask"))
    model = write_mediapipe_model(echo, vocabulary=vocab, head=EMBEDDING, name="echo")
    assert embed(model, tmp_path, "cat")[0].tolist() == [2, 6, 3, 0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_one_signature_of_several_is_kept(vocab: Path, tmp_path: Path) -> None:
    """MediaPipe opens one length bucket of a file with several."""
    echo = echo_model(6, signatures=("length_6", "again"))
    model = write_mediapipe_model(
        echo, vocabulary=vocab, head=EMBEDDING, name="echo", signature="again"
    )
    assert embed(model, tmp_path, "cat .")[0][:6].tolist() == [2, 6, 10, 3, 0, 0]


def test_the_signature_still_runs_by_its_name(vocab: Path) -> None:
    """The packaged file is a TFLite file like any other, the added input and output included."""
    weights = np.eye(3, 5)
    model = write_mediapipe_model(
        logit_model(5, weights), vocabulary=vocab, head=classifier("sigmoid"), name="c"
    )
    echo = schema.ModelT.InitFromObj(schema.Model.GetRootAs(echo_model(4)))
    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAs(logit_model(5, weights)))
    second = write_mediapipe_model(
        _merged(whole, echo), vocabulary=vocab, head=EMBEDDING, name="e", signature="echo"
    )
    zeros = {name: np.zeros((1, 5), np.int32) for name in INPUTS}
    scores = Interpreter(model_content=model).get_signature_runner("only")(**zeros)
    assert scores["probabilities"].tolist() == [[0.5, 0.5, 0.5]]
    ones = {name: np.ones((1, 4), np.int32) for name in INPUTS}
    embedding = Interpreter(model_content=second).get_signature_runner("echo")(**ones)["embedding"]
    assert embedding.tolist() == [[1.0] * 12]


def test_long_text_is_cut_before_the_last_separator(vocab: Path, tmp_path: Path) -> None:
    """A text over the length keeps its start and its separator."""
    model = write_mediapipe_model(echo_model(5), vocabulary=vocab, head=EMBEDDING, name="echo")
    assert embed(model, tmp_path, "the cat sat . . .")[0][:5].tolist() == [2, 5, 6, 8, 3]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "identity"])
def test_classifier_shows_activated_scores_by_label(
    vocab: Path, tmp_path: Path, activation: str
) -> None:
    """Scores are the head's activation of the logits, under the head's labels."""
    weights = np.random.default_rng(1).normal(0, 0.1, (3, 5)).astype(np.float32)
    model = write_mediapipe_model(
        logit_model(5, weights), vocabulary=vocab, head=classifier(activation), name="c"
    )
    logits = weights @ np.array([2, 5, 6, 3, 0], np.float32)
    wanted = {
        "softmax": np.exp(logits) / np.exp(logits).sum(),
        "sigmoid": 1 / (1 + np.exp(-logits)),
        "identity": logits,
    }[activation]
    scores = classify(model, tmp_path, "the cat")
    assert [scores[label] for label in LABELS] == pytest.approx(wanted.tolist(), abs=1e-6)


@pytest.mark.parametrize("endings", [("LOGISTIC",), ("SOFTMAX", "DEQUANTIZE")])
def test_an_activation_is_not_applied_twice(vocab: Path, endings: tuple[str, ...]) -> None:
    """A graph that already ends in an activation keeps its operators."""
    before = logit_model(5, np.ones((3, 5)), endings)
    after = write_mediapipe_model(before, vocabulary=vocab, head=classifier("sigmoid"), name="c")
    operators = [schema.Model.GetRootAs(b).Subgraphs(0).OperatorsLength() for b in (before, after)]
    assert operators[0] == operators[1]


def test_a_graph_that_calls_another_is_refused(vocab: Path) -> None:
    """A file with one subgraph cannot hold control flow."""
    model = logit_model(5, np.ones((3, 5)), ("WHILE",))
    with pytest.raises(ModelError, match="operator WHILE needs a second one"):
        write_mediapipe_model(model, vocabulary=vocab, head=classifier("softmax"), name="c")


def test_metadata_reads_back_with_mediapipe_s_own_schema(vocab: Path) -> None:
    """MediaPipe's generated reader finds the names, the tokenizer and the files."""
    generated = mediapipe_module("mediapipe.tasks.metadata.metadata_schema_py_generated")
    model = write_mediapipe_model(
        logit_model(5, np.ones((3, 5))), vocabulary=vocab, head=classifier("softmax"), name="tiny",
        description="three classes",
    )  # fmt: skip
    metadata = _metadata(model)
    assert generated.ModelMetadata.ModelMetadataBufferHasIdentifier(metadata, 0)
    read = generated.ModelMetadataT.InitFromObj(generated.ModelMetadata.GetRootAs(metadata))
    assert (read.name, read.description) == (b"tiny", b"three classes")
    graph = read.subgraphMetadata[0]
    assert [t.name for t in graph.inputTensorMetadata] == [b"ids", b"mask", b"segment_ids"]
    assert graph.inputProcessUnits[0].options.vocabFile[0].name == b"vocab.txt"
    output = graph.outputTensorMetadata[0]
    assert (output.name, output.associatedFiles[0].name) == (b"probability", b"labels.txt")
    kinds = generated.AssociatedFileType
    assert output.associatedFiles[0].type == kinds.TENSOR_AXIS_LABELS
    assert graph.inputProcessUnits[0].options.vocabFile[0].type == kinds.VOCABULARY


def test_vocabulary_and_labels_lie_uncompressed_behind_the_model(vocab: Path) -> None:
    """The zip holds both files as MediaPipe reads them: in place, one entry a line."""
    model = write_mediapipe_model(
        logit_model(5, np.ones((3, 5))), vocabulary=vocab, head=classifier("softmax"), name="c"
    )
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        files = {info.filename: info for info in archive.infolist()}
        assert list(files) == ["vocab.txt", "labels.txt"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in files.values())
        assert archive.read("vocab.txt").decode().split() == [*SPECIAL, *WORDS]
        assert archive.read("labels.txt").decode().splitlines() == list(LABELS)


def test_same_inputs_give_same_bytes(vocab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the clock nor the kind of machine gets into the file."""
    first = write_mediapipe_model(echo_model(8), vocabulary=vocab, head=EMBEDDING, name="echo")
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("sys.platform", "win32")
    again = write_mediapipe_model(echo_model(8), vocabulary=vocab, head=EMBEDDING, name="echo")
    assert first == again


def test_constants_stay_equal_and_aligned(vocab: Path) -> None:
    """Weights keep their bytes and begin at multiples of 16, as the schema asks."""
    weights = np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32)
    model = write_mediapipe_model(
        logit_model(5, weights), vocabulary=vocab, head=classifier("softmax"), name="c"
    )
    read = schema.Model.GetRootAs(model)
    buffers = [read.Buffers(i).DataAsNumpy() for i in range(read.BuffersLength())]
    filled = [buffer for buffer in buffers if isinstance(buffer, np.ndarray)]
    assert filled[0].tobytes() == weights.tobytes()
    start = np.frombuffer(model, np.uint8).ctypes.data
    assert [(buffer.ctypes.data - start) % 16 for buffer in filled] == [0] * len(filled)


def test_weights_behind_the_flatbuffer_are_brought_inside(vocab: Path) -> None:
    """A file with outlying weights computes the same; one that is cut short is refused."""
    weights = np.random.default_rng(4).normal(size=(3, 5)).astype(np.float32)
    outlying = _with_outlying_weights(logit_model(5, weights))
    inputs = {name: np.full((1, 5), 2, np.int32) for name in INPUTS}
    model = write_mediapipe_model(outlying, vocabulary=vocab, head=classifier("identity"), name="c")
    logits = Interpreter(model_content=model).get_signature_runner()(**inputs)["embedding"]
    assert logits[0] == pytest.approx(weights.sum(1) * 2, abs=1e-5)
    with pytest.raises(ModelError, match="cut short"):
        write_mediapipe_model(
            outlying[:-1], vocabulary=vocab, head=classifier("identity"), name="c"
        )


def test_constants_of_other_signatures_are_left_out(vocab: Path) -> None:
    """A weight that no kept tensor uses takes no room."""
    weights = np.ones((3, 4000), np.float32)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(logit_model(4000, weights)))
    echo = schema.ModelT.InitFromObj(schema.Model.GetRootAs(echo_model(4)))
    assert len(_merged(model, echo)) > 48_000
    kept = write_mediapipe_model(
        _merged(model, echo), vocabulary=vocab, head=EMBEDDING, name="e", signature="echo"
    )
    assert len(kept) < 8_000


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "not a TFLite file"),
        (b"PK\x03\x04TFL!" * 10, "not a TFLite file"),
        (echo_model(8)[:200], "damaged or cut short"),
        (echo_model(8, inputs=("input_ids",)), "the model takes input_ids"),
        (echo_model(8, inputs=("a", "b", "input_ids")), "the model takes a, b, input_ids"),
        (echo_model(8, output="INT64"), "float output"),
        (echo_model(8, shape=[2, 8]), "fixed shape"),
        (echo_model(2), "length > 2"),
        (echo_model(8, signatures=("length_8", "length_9")), "length_8, length_9"),
        (without_signatures(echo_model(8)), "the file has: none"),
        (echo_model(8, signatures=()), "damaged or cut short"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(vocab: Path, model: bytes, message: str) -> None:
    """Each misfit is named in one line."""
    with pytest.raises(ModelError, match=message) as caught:
        write_mediapipe_model(model, vocabulary=vocab, head=EMBEDDING, name="bad")
    assert "\n" not in str(caught.value)


def test_metadata_is_not_written_twice(vocab: Path) -> None:
    """A file that is already packaged is refused."""
    once = write_mediapipe_model(echo_model(8), vocabulary=vocab, head=EMBEDDING, name="echo")
    with pytest.raises(ModelError, match="already has metadata"):
        write_mediapipe_model(once, vocabulary=vocab, head=EMBEDDING, name="echo")


def test_a_model_without_wordpiece_is_refused() -> None:
    """A BPE model is told that MediaPipe has no tokenizer for it."""
    with pytest.raises(ModelError, match="BPE"):
        write_mediapipe_model(echo_model(8), vocabulary=None, head=EMBEDDING, name="roberta")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n\n[SEP]\n", "line 4 is empty"),
        (b"", "line 1 is empty"),
        (b"<s>\n</s>\n<unk>\n", r"needs \[CLS\], \[SEP\], \[UNK\]"),
        (b"\xff\xfe[CLS]\n", "UTF-8"),
    ],
)
def test_a_vocabulary_that_mediapipe_would_misread_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """Empty lines, missing special tokens and other encodings are named."""
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        write_mediapipe_model(echo_model(8), vocabulary=path, head=EMBEDDING, name="bad")


def test_a_missing_vocabulary_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere is an error of ours, not a traceback."""
    with pytest.raises(ModelError, match="cannot be read"):
        write_mediapipe_model(
            echo_model(8), vocabulary=tmp_path / "none", head=EMBEDDING, name="bad"
        )


@pytest.mark.parametrize(
    ("labels", "message"),
    [(("a", "b"), "3 classes but 2 labels"), (("a", "b\nc", "d"), "one line"), (("a", " ", "b"),
     "one line")],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(
    vocab: Path, labels: tuple[str, ...], message: str
) -> None:
    """One label for each class, each on its own line."""
    head = Head(task=Task.CLASSIFICATION, labels=labels, activation="softmax")
    with pytest.raises(ModelError, match=message):
        write_mediapipe_model(
            logit_model(5, np.ones((3, 5))), vocabulary=vocab, head=head, name="bad"
        )


def test_a_vocabulary_s_odd_line_separators_are_tokens(tmp_path: Path) -> None:
    """Only a newline ends a line; U+2028 and U+0085 in a vocabulary do not shift its ids."""
    path = vocabulary(tmp_path / "vocab.txt", ("\u2028", "\u0085", "cat"))
    model = write_mediapipe_model(echo_model(4), vocabulary=path, head=EMBEDDING, name="echo")
    assert embed(model, tmp_path, "cat")[0][:3].tolist() == [2, 7, 3]


def test_damaged_files_end_in_an_error_of_ours_or_a_file(vocab: Path) -> None:
    """Whatever byte is wrong, there is a result or a ModelError, never another exception."""
    sound = echo_model(8)
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        broken = bytearray(sound)
        broken[int(rng.integers(8, len(sound)))] = int(rng.integers(0, 256))
        try:
            write_mediapipe_model(bytes(broken), vocabulary=vocab, head=EMBEDDING, name="x")
        except ModelError:
            refused += 1
    assert refused > 30


def _metadata(model: bytes) -> bytes:
    read = schema.Model.GetRootAs(model)
    entries = [read.Metadata(i) for i in range(read.MetadataLength())]
    (entry,) = [entry for entry in entries if entry.Name() == b"TFLITE_METADATA"]
    return bytes(read.Buffers(entry.Buffer()).DataAsNumpy().tobytes())


def _with_outlying_weights(tflite: bytes) -> bytes:
    """The model with its one constant behind the flatbuffer, as ai-edge-quantizer writes it."""
    import flatbuffers

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite))
    data = bytes(model.buffers[1].data)
    model.buffers[1] = schema.BufferT(offset=2, size=len(data))
    for _ in range(2):  # once to learn the length, once with the right offset
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        model.buffers[1].offset = len(builder.Output())
    return bytes(builder.Output()) + data


def _merged(first: schema.ModelT, second: schema.ModelT) -> bytes:
    """Both models in one file, signatures `only` and `echo`."""
    import copy

    import flatbuffers

    whole, other = copy.deepcopy(first), copy.deepcopy(second)
    for operator in other.subgraphs[0].operators:
        operator.opcodeIndex += len(whole.operatorCodes)
    whole.operatorCodes += other.operatorCodes
    whole.subgraphs += other.subgraphs
    other.signatureDefs[0].signatureKey = "echo"
    other.signatureDefs[0].subgraphIndex = 1
    whole.signatureDefs += other.signatureDefs
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("task", TOKEN_TASKS)
def test_a_task_that_mediapipe_has_not_is_refused(vocab: Path, task: Task) -> None:
    """An output for each token has no text task; the reason names the model's."""
    head = Head(task=task, poolings=())
    with pytest.raises(ModelError, match=task.value.replace("_", " ")):
        write_mediapipe_model(echo_model(8), vocabulary=vocab, head=head, name="echo")


@pytest.mark.parametrize("logit", [-3.0, 0.0, 2.5])
def test_one_logit_shows_its_sigmoid(vocab: Path, tmp_path: Path, logit: float) -> None:
    """A softmax over one class would be 1 for every text."""
    weights = np.zeros((1, 4))
    weights[0, 0] = logit / 2  # the first id is [CLS], which is 2
    head = Head(task=Task.CLASSIFICATION, labels=("toxic",), activation="sigmoid")
    model = write_mediapipe_model(logit_model(4, weights), vocabulary=vocab, head=head, name="one")
    scores = classify(model, tmp_path, "cat")
    assert scores == {"toxic": pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)}
