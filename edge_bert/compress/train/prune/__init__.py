"""Pruning with recovery: importance by gradients, steps, and zeros that stay zeros."""
