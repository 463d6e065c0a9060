"""From frames to feature vectors.

`backbones` are named frame encoders, each with its own preprocessing and weights; `text` compares frames with
a sentence; `transnet` finds hard cuts; `speech` and `hearing` listen to the sound; `extract` runs a backbone over
videos, `ray_engine` does so on a cluster, and `resumable` keeps what is finished. Import the part you need: nothing is
imported here.
"""
