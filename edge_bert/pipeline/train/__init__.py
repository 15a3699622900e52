"""Training as a job: options and data in, a model folder with its record out."""
