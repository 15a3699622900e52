"""Training of a super-network: one set of weights that serves whole and cut."""
