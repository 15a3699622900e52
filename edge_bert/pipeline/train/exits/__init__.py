"""Exits as a job."""
