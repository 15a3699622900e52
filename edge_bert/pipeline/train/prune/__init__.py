"""Pruning as a job: the goal, the run of its steps, blocks of zeros and their size as shipped."""
