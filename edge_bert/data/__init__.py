"""Tokenizing, length buckets, calibration sets and evaluation sets."""
