"""The model: its configuration, its weights under one set of names, and its forward passes."""
