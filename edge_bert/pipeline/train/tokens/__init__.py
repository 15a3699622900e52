"""Cuts of tokens as a job."""
