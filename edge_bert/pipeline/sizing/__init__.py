"""A model cut to a device's budget: the space of candidates, what each costs, and the build."""
