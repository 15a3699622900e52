"""Training on real data: every row of docs/training.md's table, its record, and the table."""
