"""One module for each architecture: how its config.json and its weights are read.

A module with BERT's layers has `read_config` and an `Architecture`; one whose layers are others has
`read_config`, `list_weights`, `head_activations`, `build_model` and a `CustomArchitecture`.
`registry` names them all.
"""
