"""Files as transformers and sentence-transformers write and read them."""
