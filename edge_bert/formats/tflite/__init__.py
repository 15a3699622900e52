"""TFLite files: read with every index checked, inspected, edited and written."""
