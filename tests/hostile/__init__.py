"""Hostile input, kills at any moment, and faults of the machine: success or one line.

`benchmarks/hostile` runs the same for as long as one likes.
"""
