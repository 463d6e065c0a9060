"""Anybody's scores, in any of the field's files, matched to the videos of a dataset (reading.py, matching.py)."""
