"""Plots as inline SVG, drawn when the report is made: the page needs no script and no network."""
