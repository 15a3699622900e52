"""What was measured and explained of a bundle, beside it and in its report."""
