"""Phones over adb: which are connected, what they are, and commands on them."""
