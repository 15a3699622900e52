"""What the sentences show: per-channel peaks, histograms and ranges of every activation."""
