"""Full-integer encoders, in six rooms; each may import those below it.

`analyze` tells where a file loses accuracy, and which groups of tensors should have 16 bits.
`calibrate` runs the rooms below over sentences: peaks, rewrites, graph, ranges, parameters, bytes.
`lower` turns the equalized encoder into a graph of TFLite operators with the widths of a recipe.
`equalize` rewrites weights by the peaks so that one scale per tensor suffices; float stays equal.
`statistics` collects per-channel peaks of the encoder, and ranges of the graph's activations.
`ir` is the graph: tensors with role and layer, run in numpy, serialized with quant parameters.
"""
