"""Training: encoder weights in, encoder weights out; a loop, its data, its losses, its passes."""
