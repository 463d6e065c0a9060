"""Training-free importance of frames: local dissimilarity, global consistency and their combination."""
