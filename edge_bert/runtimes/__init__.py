"""The runtimes of this host, each artifact in a process of its own that may die without harm."""
