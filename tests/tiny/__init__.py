"""Tiny models with seeded weights, whole as Hugging Face folders are, for every test."""
