"""Pure renderers of a Report: HTML and terminal. Nothing here reads or writes a file."""
