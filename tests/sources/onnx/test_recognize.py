"""What the graph alone does not say, and what is refused rather than guessed."""

from __future__ import annotations

import dataclasses

import pytest

from edge_bert.formats.onnx.read import read_onnx
from edge_bert.sources.onnx import recognize as recognising
from edge_bert.sources.onnx.parts import NotRecognized
from edge_bert.sources.onnx.recognize import recognize_encoder
from edge_bert.sources.onnx.to_checkpoint import RecognizedEncoder, name_weights
from tests.recordings.onnx.make import HEADS, HERE
from tests.recordings.onnx.running import BERT, NEEDED

pytest.importorskip("onnx", reason=NEEDED.format("onnx"))


@pytest.fixture(scope="module")
def found() -> RecognizedEncoder:
    """A recorded BERT in parts."""
    return recognize_encoder(read_onnx(HERE / f"{BERT[0]}.onnx"), {})


def _without_heads(found: RecognizedEncoder) -> list[object]:
    return [
        dataclasses.replace(layer, attention=dataclasses.replace(layer.attention, heads=None))
        for layer in found.layers
    ]


def test_heads_come_from_config_where_the_graph_is_silent(found: RecognizedEncoder) -> None:
    """Under both spellings of transformers."""
    assert found.heads == HEADS
    for key in ("num_attention_heads", "n_heads"):
        assert recognising._heads(_without_heads(found), {key: 4}) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [{}, {"num_attention_heads": 5}, {"num_attention_heads": True}])
def test_heads_that_nobody_knows_are_asked_for(
    found: RecognizedEncoder, config: dict[str, int]
) -> None:
    """Never guessed from the width."""
    with pytest.raises(NotRecognized, match="put the model's config"):
        recognising._heads(_without_heads(found), config)  # type: ignore[arg-type]


def test_the_scale_of_scores_goes_to_the_queries(found: RecognizedEncoder) -> None:
    """A graph that scales by something else than 1 / sqrt(width of a head) keeps its scores."""
    layer = found.layers[0]
    doubled = dataclasses.replace(
        layer,
        attention=dataclasses.replace(layer.attention, scale=2 * (layer.attention.scale or 1)),
    )
    other = dataclasses.replace(found, layers=(doubled, *found.layers[1:]))
    name = "encoder.layer.0.attention.self.query.weight"
    before, after = name_weights(found, None).weights[name], name_weights(other, None).weights[name]
    assert after == pytest.approx(2 * before, rel=1e-5)


def test_norms_of_several_epsilons_are_refused(found: RecognizedEncoder) -> None:
    """Our encoder has one."""
    norm = dataclasses.replace(found.embeddings.norm, epsilon=1e-3)
    mixed = dataclasses.replace(found, embeddings=dataclasses.replace(found.embeddings, norm=norm))
    with pytest.raises(NotRecognized, match="several epsilons"):
        name_weights(mixed, None)


@pytest.mark.parametrize("place", ["embeddings", "scores"])
def test_a_graph_that_adds_to_itself_for_ever_is_refused(place: str) -> None:
    """Sixty doublings: as a tree that would be 2^60 branches."""
    onnx = pytest.importorskip("onnx")
    model = read_onnx(HERE / "bert-tokens-dynamo18-sdpa-dynamic.onnx")
    user = next(
        node
        for node in model.graph.node
        if node.op_type == ("LayerNormalization" if place == "embeddings" else "Softmax")
    )
    at, value = list(model.graph.node).index(user), user.input[0]
    if place == "scores":
        shape = onnx.helper.make_node("Tanh", [value], ["bent"])
        model.graph.node.insert(at, shape)
        at, value = at + 1, "bent"
    for step in range(60):
        doubled = onnx.helper.make_node("Add", [value, value], [f"doubled_{step}"])
        model.graph.node.insert(at + step, doubled)
        value = f"doubled_{step}"
    user.input[0] = value
    with pytest.raises(NotRecognized):
        recognize_encoder(model, {})
