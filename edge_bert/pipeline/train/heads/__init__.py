"""The heads that training knows: how each reads its labels, starts, and is scored."""
