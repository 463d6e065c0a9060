"""What Lightning trains: one module a task, its optimiser, and checkpoints in and out."""
