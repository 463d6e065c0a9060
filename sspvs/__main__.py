"""`python -m sspvs` is `sspvs`."""

import sys

from sspvs.cli import main

if __name__ == "__main__":
    sys.exit(main())
