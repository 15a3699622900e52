"""One module for each architecture: how its configuration and weights become ours."""
