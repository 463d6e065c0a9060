"""The training objectives, each a plain function or module with keyword settings, each checked against a naive loop."""
