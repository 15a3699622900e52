"""Fewer tokens: which ones a corpus needs, and tokenizer and table without the others."""
