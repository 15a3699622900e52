"""What a build chooses where its user does not: bits, lengths, groups in 16 bits."""
