"""Quantization-aware training: an encoder learns with the numbers that its file will have."""
