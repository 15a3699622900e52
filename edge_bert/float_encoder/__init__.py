"""The encoder in float32 numpy: what sizing and calibration look into, without TensorFlow."""
