"""A compression plan as a job: steps and data in, a smaller model and what each step cost out."""
