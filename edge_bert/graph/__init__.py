"""The encoder, once, in `keras.ops`; per architecture a name map and embedding rules."""
