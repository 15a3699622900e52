"""What servers want: model repositories for Triton, and what builds a TensorRT engine."""
