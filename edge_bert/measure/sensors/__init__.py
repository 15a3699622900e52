"""Sensors of a running device: battery, power rails, heat, clocks."""
