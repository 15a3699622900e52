"""Exits: heads after some layers, taught on kept rows of a body, and then together with it."""
