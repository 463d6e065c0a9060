"""What a summary is worth against what people chose, under protocols that are named (numpy and scipy only)."""
