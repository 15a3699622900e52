"""The command line: one module for each task, thin: parse, call the pipeline, print."""

import sys
from pathlib import Path

if {"invoke", "inv", "edge-bert"} & {Path(sys.argv[0]).stem, Path(sys.argv[0]).parent.name}:
    # Ctrl-C while the modules of the commands are imported: no traceback.
    from edge_bert.stop_signals import end_quietly

    end_quietly()
