"""Training of what clustering leaves free: the integers that the codebooks have."""
