"""An ONNX file as a checked graph: read safely, looked at, small parts of it computed."""
