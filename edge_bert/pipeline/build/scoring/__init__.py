"""What a built file scores on labelled data."""
