"""Where bytes are kept: the cache folder, content-addressed entries, whole-or-nothing writes."""
