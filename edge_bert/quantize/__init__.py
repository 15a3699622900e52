"""Quantization of a float32 TFLite file or an encoder: recipes, ranges, rewrites, passes."""
