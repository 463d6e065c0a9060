"""Pretrained weights: where they are on this machine, and whether they are the expected ones."""
