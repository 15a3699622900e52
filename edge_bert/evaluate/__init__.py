"""How good an artifact is: drift from the float reference, and agreement with labels."""
