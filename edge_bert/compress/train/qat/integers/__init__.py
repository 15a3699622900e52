"""Training on the graph of an integer file: its operators in keras.ops, each output rounded."""
