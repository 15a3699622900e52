"""Measuring a bundle: on this host, on a phone, or counted on an emulated one."""
