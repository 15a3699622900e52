"""The C runner: built for a device, bundled with its library, started there."""
