"""What scores frames, one file a kind of head; `base` has their interface."""
