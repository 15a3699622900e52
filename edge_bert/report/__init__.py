"""Pure renderers of a Report: HTML, terminal, JSON. Nothing here reads or writes a file."""
