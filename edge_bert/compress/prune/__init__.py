"""Smaller encoders in closed form: fewer layers, heads and feed-forward neurons."""
