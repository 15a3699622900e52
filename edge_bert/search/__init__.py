"""Finding the candidate that scores best within a budget, with few evaluations."""
