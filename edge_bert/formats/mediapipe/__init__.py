"""Models that MediaPipe Tasks opens as they are, with their metadata."""
