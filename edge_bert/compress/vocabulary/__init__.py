"""Vocabulary trimming: the tokens that a corpus needs, and tokenizer and table with only them."""
