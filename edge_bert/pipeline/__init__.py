"""The only place that knows every stage: it hands values from one to the next."""
