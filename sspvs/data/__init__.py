"""Annotations, splits and the file formats that users have, made into one dataset file."""
