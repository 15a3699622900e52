"""Distillation as a job: teachers opened, the student's start, the losses, the run."""
