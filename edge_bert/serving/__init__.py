"""Files for servers: model repositories for Triton, builders of TensorRT engines."""
