"""Importance of frames: terms of their features by name, expressions over them, and sound."""
