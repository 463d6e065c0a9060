"""The verbs of the command line, one module each; `sspvs.cli` is the table of them."""
