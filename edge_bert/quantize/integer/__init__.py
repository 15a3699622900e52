"""Full-integer encoders: statistics, rewrites that change no float result, ranges, bytes."""
