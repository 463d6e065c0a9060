"""Importance of frames from their features: local dissimilarity, global consistency, uniqueness, and expressions over them."""
