"""Every key of a model's JSON files: what obeys it, or why it changes nothing, or its refusal."""
