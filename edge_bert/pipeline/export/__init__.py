"""ONNX out: files for onnxruntime, model repositories and engines for servers."""
