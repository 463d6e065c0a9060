"""Video-text pairs as WebDataset shards: `writing.py` makes them, `index.py` knows what is in them."""
