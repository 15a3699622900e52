"""Recipes as ONNX files: float32, float16, and int8 matrix products between QuantizeLinear and
DequantizeLinear, with free batch and length."""
