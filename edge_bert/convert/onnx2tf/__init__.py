"""The way in for ONNX files whose encoder is not recognized: simplified, then onnx2tf."""
