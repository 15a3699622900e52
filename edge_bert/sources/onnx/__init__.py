"""An encoder read from an ONNX file: recognised by how its data flows, not by names."""
