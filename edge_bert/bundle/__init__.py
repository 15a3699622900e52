"""What users receive: a folder of files with a manifest, written whole and opened checked."""
