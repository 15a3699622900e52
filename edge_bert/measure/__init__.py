"""Runner output, gauges and instruction counts in; measurements out, each with its origin."""
