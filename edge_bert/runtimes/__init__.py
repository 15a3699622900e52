"""The runtimes of this host, each artifact in a process of its own, whose crash is contained."""
