"""An encoder read from an ONNX file: recognized by how its data flows, not by names."""
