"""What transformers calls the weights of the encoders that ONNX files are read as."""

from __future__ import annotations

BERT = {
    "layer": "encoder.layer",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "ffn_in": "intermediate.dense",
    "ffn_out": "output.dense",
    "ffn_norm": "output.LayerNorm",
}
DISTILBERT = {
    "layer": "transformer.layer",
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention_output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "ffn_in": "ffn.lin1",
    "ffn_out": "ffn.lin2",
    "ffn_norm": "output_layer_norm",
}
ALBERT = {
    "layer": "encoder.albert_layer_groups",
    "query": "albert_layers.0.attention.query",
    "key": "albert_layers.0.attention.key",
    "value": "albert_layers.0.attention.value",
    "attention_output": "albert_layers.0.attention.dense",
    "attention_norm": "albert_layers.0.attention.LayerNorm",
    "ffn_in": "albert_layers.0.ffn",
    "ffn_out": "albert_layers.0.ffn_output",
    "ffn_norm": "albert_layers.0.full_layer_layer_norm",
}
MPNET = BERT | {
    "query": "attention.attn.q",
    "key": "attention.attn.k",
    "value": "attention.attn.v",
    "attention_output": "attention.attn.o",
    "attention_norm": "attention.LayerNorm",
}
LAYER_NAMES = {"distilbert": DISTILBERT, "albert": ALBERT, "mpnet": MPNET}
PROJECTIONS = {"albert": "encoder.embedding_hidden_mapping_in", "electra": "embeddings_project"}
