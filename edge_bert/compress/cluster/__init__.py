"""Clustering: few distinct integers in the weights, which a compressor then packs tighter."""
