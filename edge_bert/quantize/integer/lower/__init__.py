"""From the equalized encoder to a graph of TFLite operators, with the widths of a recipe."""
