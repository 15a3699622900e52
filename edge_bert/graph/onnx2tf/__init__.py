"""The other way in for ONNX: encoders that we do not know, converted by onnx2tf."""
