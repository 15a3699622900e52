"""`invoke explain` on tiny models, through the real runtime."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from edge_bert.bundle import manifest as manifests
from edge_bert.errors import InputError, ModelError, VerificationError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.pipeline.explain.explain import BuildInputs, explain_artifact
from edge_bert.quantize.integer.analyze import select_int16
from edge_bert.records.explanation import Explanation, TensorError
from edge_bert.records.profile import Runtime
from edge_bert.records.recipe import WI4C_AI8_AFP32
from edge_bert.report.terminal.explanation import print_explanation
from edge_bert.runtimes import tflite
from edge_bert.runtimes.tflite_tensors import read_tensors
from edge_bert.store.digest import sha256_hex
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.integer_bundle import IntegerBundle, integer_bundle
from tests.tiny import models


@pytest.fixture(scope="module", autouse=True)
def _few_sentences() -> Iterator[None]:
    """The search for wide groups over four sentences instead of 24."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select_int16, "SENTENCES", 4)
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> IntegerBundle:
    """A tiny BERT in eight bits."""
    return integer_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def found(bundle: IntegerBundle) -> Explanation:
    """What six sentences show."""
    return explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(str(bundle.model)), sentences=6)


def tensor(found: Explanation, name: str) -> TensorError:
    """The output called `name`."""
    return next(each for each in found.tensors if each.name == name)


def test_every_operator_is_there_and_close(found: Explanation) -> None:
    """Every layer in order, both ends included, each output near its float value."""
    layers = list(dict.fromkeys(each.layer for each in found.tensors))
    assert layers == ["embeddings", "layer.0", "layer.1", "output"]
    assert {"GATHER", "FULLY_CONNECTED", "BATCH_MATMUL", "SOFTMAX", "GELU", "RSQRT"} <= {
        each.operator for each in found.tensors
    }
    assert found.cosine_mean > 0.98
    assert found.sentences == 6
    for name in ("embeddings.typed", "layer.0.query", "layer.1.ffn.0.inner", "output"):
        assert (tensor(found, name).sqnr_db or 0) > 14
        assert tensor(found, name).bits == 8


def test_a_tensor_is_never_better_than_its_own_integers(found: Explanation) -> None:
    """Storing the right value costs less than computing it, and gathered rows are only stored."""
    rows = tensor(found, "embeddings.rows")
    assert rows.sqnr_db == pytest.approx(rows.own_sqnr_db, abs=0.2)
    for name in ("layer.0.query", "layer.1.context", "layer.1.ffn_norm.unit"):
        error = tensor(found, name)
        assert error.sqnr_db is not None
        assert error.own_sqnr_db is not None
        assert error.sqnr_db < error.own_sqnr_db + 0.5


def test_ranges_are_those_of_the_file(found: Explanation) -> None:
    """Softmax holds 0 to 255/256; an output's ends are 255 steps apart."""
    shares = tensor(found, "layer.0.shares")
    assert (shares.low, shares.high) == (0.0, 255 / 256)
    query = tensor(found, "layer.0.query")
    assert query.high - query.low == pytest.approx(255 * query.scale)
    assert query.low < 0 < query.high
    beyond = (
        query.observed_low < query.low - query.scale
        or query.observed_high > query.high + query.scale
    )
    assert beyond == (query.clipped > 0)


def test_channels_are_those_of_the_last_axis(found: Explanation) -> None:
    """Rows have channels; scores, whose last axis are tokens, and single columns have none."""
    assert tensor(found, "layer.0.query").worst_channels
    assert tensor(found, "layer.0.scores").worst_channels == ()
    assert tensor(found, "layer.0.attention_norm.inverse.0").worst_channels == ()
    for error in found.tensors:
        assert all(0 <= each.error_share <= 1 for each in error.worst_channels)


def test_sensitivity_is_in_order(found: Explanation) -> None:
    """Everything together first, then groups by output error; alone, none is worse than all."""
    for errors in (found.by_role, found.by_layer):
        first, *others = errors
        assert first.group == "everything"
        assert [each.output_error for each in others] == sorted(
            (e.output_error for e in others), reverse=True
        )
        assert 0 < first.output_error < 0.05
    assert {
        "weights",
        "tables",
        "norm.normalized",
        "query",
        "probs",
        "ffn.intermediate",
        "output",
    } <= {each.group for each in found.by_role}
    assert {each.group for each in found.by_layer} == {
        "everything", "embeddings", "layer.0", "layer.1", "output",
    }  # fmt: skip


def test_the_simulation_agrees_with_the_file(found: Explanation) -> None:
    """Simulated integers lose about as much as the runtime's."""
    assert found.by_role[0].output_error == pytest.approx(1 - found.cosine_mean, rel=1.0, abs=1e-3)


def test_a_spoiled_tensor_shows(tmp_path: Path) -> None:
    """A file whose second layer has values of a wrong scale: the error is seen where it starts."""
    bundle = integer_bundle(tmp_path)
    _spoil_values(bundle.folder, "wi8_ai8.tflite")
    found = explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(str(bundle.model)), sentences=4)
    assert (tensor(found, "layer.1.key").sqnr_db or 0) > 14
    assert (tensor(found, "layer.1.value").sqnr_db or 0) < 10


def _spoil_values(folder: Path, file: str) -> None:
    """Make the scale of the second layer's value matrix half as large again."""
    model = flatbuffer.read_model((folder / file).read_bytes())
    for subgraph in model.subgraphs:
        for each in subgraph.tensors:
            if each.name == b"layer.1.value.kernel":
                each.quantization.scale = np.asarray(each.quantization.scale) * np.float32(1.5)
    _replace(folder, flatbuffer.write_model(model))


def _replace(folder: Path, data: bytes) -> None:
    """Put other bytes in the place of the artifact, and their digest into the manifest."""
    manifest = manifests.read_manifest(folder)
    first, *rest = manifest.artifacts
    (folder / first.file).write_bytes(data)
    changed = msgspec.structs.replace(first, sha256=sha256_hex(data), size_bytes=len(data))
    manifest = msgspec.structs.replace(manifest, artifacts=(changed, *rest))
    (folder / manifests.FILE).write_bytes(manifests.encode_manifest(manifest))


def test_outliers_come_with_their_tokens(tmp_path: Path) -> None:
    """A channel that is loud for one word only: it leads the report, at that word."""
    bundle = integer_bundle(tmp_path, loud=("the", 5))
    found = explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(str(bundle.model)), sentences=1)
    first = found.outliers[0]
    assert (first.tensor, first.channel, first.token) == ("embeddings.norm", 5, "the")
    assert first.peak > 8 * first.typical
    assert first.position > 0
    assert "Outlier channels of the residual stream: 5 (" in _rendered(found)


def test_without_outliers_it_says_so(found: Explanation) -> None:
    """Seeded weights have no channel that stands out."""
    assert found.outliers == ()
    assert "No channel of the residual stream stands far out" in _rendered(found)


def test_mixed_recipes_are_explained(tmp_path: Path) -> None:
    """The wide tensors of wi8_ai16 show 16 bits and less error."""
    with pytest.MonkeyPatch.context() as patch:  # 8 bits would be good enough for a tiny model
        patch.setattr(select_int16, "TARGET_ERROR", 0.0)
        patch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
        bundle = integer_bundle(tmp_path, bits=16)
        found = explain_artifact(
            bundle.folder, "wi8_ai16", BuildInputs(str(bundle.model)), sentences=2
        )
    widths = {each.bits for each in found.tensors}
    assert widths == {8, 16}
    assert found.cosine_mean > 0.99
    assert found.int16_selection is not None
    wide = set(found.int16_selection.chosen.groups)
    computed = [each for each in found.tensors if each.operator != "QUANTIZE"]
    assert {each.role for each in computed if each.bits == 16} <= wide
    assert wide


def test_integers_between_floats_are_explained(tmp_path: Path) -> None:
    """`wi8_ai8_afp32`: the integers on both sides of matrix products, and no float tensor."""
    bundle = integer_bundle(tmp_path, bits=32)
    found = explain_artifact(
        bundle.folder, "wi8_ai8_afp32", BuildInputs(str(bundle.model)), sentences=4
    )
    kinds = {each.role for each in found.tensors}
    assert {"query", "key", "value", "context", "attention_output", "ffn.in", "ffn.out"} <= kinds
    assert not {"norm.normalized", "norm.centered", "residual", "output", "masked"} & kinds
    assert {each.bits for each in found.tensors} == {8}
    assert {"QUANTIZE", "FULLY_CONNECTED", "BATCH_MATMUL", "GELU"} <= {
        each.operator for each in found.tensors
    }
    for name in ("layer.0.query", "layer.1.ffn.0.out", "layer.0.input/8"):
        assert (tensor(found, name).sqnr_db or 0) > 20
    assert tensor(found, "layer.0.query").worst_channels
    assert 0.995 < found.cosine_mean < 1
    assert found.int16_selection is None
    assert found.by_role[0].output_error == pytest.approx(1 - found.cosine_mean, rel=1.0, abs=1e-3)
    assert {"weights", "query", "ffn.intermediate"} <= {each.group for each in found.by_role}
    assert "norm.normalized" not in {each.group for each in found.by_role}
    assert "16 bits in wi8_ai16" not in _rendered(found)


def test_int4_matrices_are_explained(tmp_path: Path) -> None:
    """`wi4c_ai8_afp32`: calibrated again, the simulation has the file's own integers."""
    bundle = integer_bundle(tmp_path, bits=32, narrow=WI4C_AI8_AFP32)
    found = explain_artifact(
        bundle.folder, WI4C_AI8_AFP32.name, BuildInputs(str(bundle.model)), sentences=4
    )
    errors = {each.group: each.output_error for each in found.by_role}
    assert max(errors, key=lambda group: errors[group] * (group != "everything")) == "weights"
    assert errors["everything"] == pytest.approx(1 - found.cosine_mean, rel=0.5, abs=1e-3)


def test_a_wrong_scale_between_floats_shows(tmp_path: Path) -> None:
    """The error starts at the matrix whose scale is wrong, and at none before."""
    bundle = integer_bundle(tmp_path, bits=32)
    _spoil_values(bundle.folder, "wi8_ai8_afp32.tflite")
    found = explain_artifact(
        bundle.folder, "wi8_ai8_afp32", BuildInputs(str(bundle.model)), sentences=2
    )
    assert (tensor(found, "layer.1.key").sqnr_db or 0) > 20
    assert (tensor(found, "layer.1.value").sqnr_db or 0) < 10


@pytest.mark.parametrize("architecture", ["distilbert", "roberta"])
def test_other_architectures(architecture: str, tmp_path: Path) -> None:
    """No token types, an offset of positions: the tensors still stand side by side."""
    bundle = integer_bundle(tmp_path, architecture)
    found = explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(str(bundle.model)), sentences=3)
    assert found.cosine_mean > 0.97


def test_wrong_questions_get_one_line(bundle: IntegerBundle, tmp_path: Path) -> None:
    """An artifact that is not integer or not there, another model, other sentences, no count."""
    model = str(bundle.model)
    other = str(models.write(tmp_path / "other", "bert", seed=1))
    lines = tmp_path / "mine.txt"
    lines.write_text("\n".join(f"Sentence number {i} is here." for i in range(40)), "utf-8")
    with pytest.raises(InputError, match="no calibrated ranges to explain"):
        explain_artifact(bundle.folder, "float32", BuildInputs(model))
    with pytest.raises(InputError, match="holds no artifact 'wi2_ai2'; it holds wi8_ai8"):
        explain_artifact(bundle.folder, "wi2_ai2", BuildInputs(model))
    with pytest.raises(InputError, match="is another model"):
        explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(other))
    with pytest.raises(InputError, match="calibrated with other sentences"):
        explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(model, calibration=lines))
    with pytest.raises(InputError, match="give 1 or more"):
        explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(model), sentences=0)
    with pytest.raises(InputError, match=r"holds no bundle .* run `invoke build`"):
        explain_artifact(tmp_path, "wi8_ai8", BuildInputs(model))


def test_files_that_are_not_what_was_proven(tmp_path: Path) -> None:
    """A changed file is refused, and so is one that is no model, before anything loads it."""
    bundle = integer_bundle(tmp_path)
    path = bundle.folder / "wi8_ai8.tflite"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match="is not the file that was proven"):
        explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(str(bundle.model)))
    _replace(bundle.folder, whole[:2000])
    with pytest.raises(ModelError, match=r"wi8_ai8\.tflite"):
        explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(str(bundle.model)), sentences=1)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    """Tensors that our form does not know: the advice is to build again."""
    bundle = integer_bundle(tmp_path)
    model = flatbuffer.read_model((bundle.folder / "wi8_ai8.tflite").read_bytes())
    for subgraph in model.subgraphs:
        for each in subgraph.tensors:
            each.name = each.name.replace(b"layer.1.query", b"layer.1.question")
    _replace(bundle.folder, flatbuffer.write_model(model))
    with pytest.raises(InputError, match=r"no tensor layer\.1\.query.*build it again"):
        explain_artifact(bundle.folder, "wi8_ai8", BuildInputs(str(bundle.model)), sentences=1)


def test_terminal_and_json(found: Explanation) -> None:
    """The log has a line per tensor, or the worst few of each layer; JSON comes back whole."""
    whole, few = _rendered(found), _rendered(found, limit=2)
    assert "wi8_ai8 of" in whole
    assert sum("\tFULLY_CONNECTED\t" in line for line in whole.splitlines()) == sum(
        each.operator == "FULLY_CONNECTED" for each in found.tensors
    )
    assert "layer.0 (the worst 2 of" in few
    assert found.int16_selection is not None
    lines = whole.splitlines()
    for each in found.int16_selection.groups:
        bits = 16 if each.chosen else 8
        assert any(line.startswith(f"{each.group}\t{bits}\t{each.alone:+.6f}\t") for line in lines)
    assert len(few.splitlines()) < len(whole.splitlines())
    assert msgspec.json.decode(msgspec.json.encode(found), type=Explanation) == found


def _rendered(found: Explanation, limit: int | None = None) -> str:
    stream = io.StringIO()
    print_explanation(found, Console(file=stream, width=200), limit)
    return stream.getvalue()


def test_watching_changes_nothing(bundle: IntegerBundle) -> None:
    """With all tensors kept, the runtime gives the output of a plain run, integer for integer."""
    random = np.random.RandomState(3)
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = {name: np.ones((3, 16), np.int32) for name in names}
    inputs["input_ids"] = random.randint(5, 100, (3, 16)).astype(np.int32)
    inputs["attention_mask"][:, 11:] = 0
    path = bundle.folder / "wi8_ai8.tflite"
    plain = tflite.run_tflite_model(path, {"length_16": inputs}, Runtime("ai-edge-litert", "2.3.0"))
    kept = read_tensors(path, "length_16", inputs, ["output", "no such tensor"])
    assert [list(row) for row in kept] == [["output"]] * 3
    (found,) = plain.outputs["length_16"].values()
    np.testing.assert_array_equal(np.concatenate([row["output"].values for row in kept]), found)


def test_inputs_of_another_length_are_refused(bundle: IntegerBundle) -> None:
    """The runtime would resize the graph without a word."""
    inputs = {name: np.ones((1, 8), np.int32) for name in bundle.calibrated.weights.input_names}
    with pytest.raises(VerificationError, match=r"has shape \(1, 16\), not \(1, 8\)"):
        read_tensors(bundle.folder / "wi8_ai8.tflite", "length_16", inputs, ["output"])


def test_heads_of_tokens_are_explained(tmp_path: Path) -> None:
    """Answers of pairs, and vectors of tokens in place of the model's own head."""
    for head, options in (("question_answering", {}), ("mean", {"token_vectors": True})):
        model = tiny.model("bert", head)
        built = tiny.build_in(
            tmp_path / head, source=model, recipes=("wi8_ai8",), calibration_count=24, **options
        )
        found = explain_artifact(built.folder, "wi8_ai8", BuildInputs(str(model)), sentences=3)
        assert found.cosine_mean > 0.98
        assert found.tensors[-1].name == ("head.0" if not options else "output")
