"""The networks: layers, the two towers, heads, and the models made of them. Losses live in `sspvs.losses`."""
