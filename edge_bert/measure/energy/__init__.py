"""Energy of one inference, from windows of load and idle."""
