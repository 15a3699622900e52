"""From a float encoder to a float32 TFLite file, through Keras or through onnx2tf."""
