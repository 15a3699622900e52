"""Files that users receive: signatures, manifest, content addresses, whole-or-nothing writes."""
