"""The tasks, one module for each kind: parse options, call the pipeline, print."""
