"""From frames to feature vectors, and the files that hold them.

`backbones` are named frame encoders, each with its own preprocessing and weights; `text` compares frames with
a sentence; `transnet` finds hard cuts; `extract` runs a backbone over videos; `store` reads and writes
feature files. Import the part you need: nothing is imported here.
"""
