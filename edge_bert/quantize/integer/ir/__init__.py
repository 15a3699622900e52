"""The graph of TFLite operators: its nodes and tensors, run in numpy, written as bytes."""
