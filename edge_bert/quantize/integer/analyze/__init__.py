"""Where an integer file loses accuracy, and which groups of tensors should have 16 bits."""
