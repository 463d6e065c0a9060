"""Damaged files and stopped commands: what makes them, runs them and checks what is left."""
