"""A super-network as a job: where it starts, its training, and the folder that it leaves."""
