"""From weights and sentences to ranges, and from ranges to quantization parameters and a file."""
