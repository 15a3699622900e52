"""Hostile input and kills for as long as one likes, with a record of what was tried."""
