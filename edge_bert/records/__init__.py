"""The nouns of edge-bert: frozen records that every stage takes and gives."""
