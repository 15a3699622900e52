"""Clustering as a job."""
