"""Invoke tasks by subject; `tasks.py` gathers them."""
