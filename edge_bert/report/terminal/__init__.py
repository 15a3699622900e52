"""Renderers for a terminal: one module for each command that prints."""
