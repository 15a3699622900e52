"""Passes over an ONNX graph; each says what it requires and what it ensures."""
