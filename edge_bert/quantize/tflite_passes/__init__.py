"""Passes over a float32 TFLite file that store its constants in fewer bits."""
