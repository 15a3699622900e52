"""The command line: one module for each task, thin: parse, call the pipeline, print."""
