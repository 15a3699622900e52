"""Quantization-aware training as a job: the recipe's numbers, the stages, the run."""
