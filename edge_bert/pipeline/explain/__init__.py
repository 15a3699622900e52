"""Where an integer artifact loses its accuracy, tensor by tensor."""
