"""What is computed and not measured: file size, multiply-adds, latency and energy models."""
