"""From a float32 TFLite file to the other number formats: recipes, ranges, rewrites, bytes."""
