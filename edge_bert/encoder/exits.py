"""Which exits an encoder may have, and the stages that they divide it into."""

from __future__ import annotations

from edge_bert.encoder.weights import CustomWeights, EncoderWeights
from edge_bert.errors import ModelError

Span = tuple[int, int]  # a stage: the layers before it, and those done at its end


def list_stages(weights: EncoderWeights | CustomWeights) -> tuple[Span, ...]:
    """The stages of an encoder in order, from the embeddings to the last layer; () without exits.

    Raises ModelError for exits that do not stand in rising order inside the encoder.
    """
    if isinstance(weights, CustomWeights) or not weights.exits:
        return ()
    ends = [exit_weights.after for exit_weights in weights.exits]
    layers = weights.config.layers
    for after in ends:
        if not 1 <= after < layers:
            raise ModelError(
                f"An exit after layer {after} of {layers} is not inside the model; exits stand "
                f"after layers 1 to {layers - 1}."
            )
    if ends != sorted(set(ends)):
        raise ModelError(
            f"Exits after layers {', '.join(map(str, ends))} do not stand in rising order; give "
            "each layer once."
        )
    if weights.head.gives_tokens:
        raise ModelError(
            "A model that answers for each token has no exits: tokens of one text would leave at "
            "different layers."
        )
    return tuple(zip([0, *ends], [*ends, layers], strict=True))
