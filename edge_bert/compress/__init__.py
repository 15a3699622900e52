"""Encoders made structurally smaller without training: layers, heads, neurons, vocabulary."""
