"""What a device tells of itself while it runs: battery, power rails, heat, clocks."""
