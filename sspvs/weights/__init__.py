"""Weights of others: where they are on this machine, and whether they are the ones they should be."""
