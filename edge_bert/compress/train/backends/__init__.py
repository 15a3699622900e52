"""One compiled training step and one compiled forward pass for each backend of Keras."""
