"""Importance of frames from their features: terms by name, and expressions over them."""
