"""Every profile with every model: cells that are builds, and the page that compares them."""
