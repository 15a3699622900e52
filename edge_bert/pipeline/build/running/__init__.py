"""A built file at work: its signatures, stages and exits, run once and then cached."""
