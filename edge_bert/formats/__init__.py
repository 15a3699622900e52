"""File formats, read as hostile input: TFLite, ONNX, and what MediaPipe asks for."""
