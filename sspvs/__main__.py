"""The program: `python -m sspvs` and the script `sspvs`."""

import sys


def run() -> int:
    """`sspvs.cli.main`, with Ctrl-C already minded while that is imported."""
    try:
        from sspvs.cli import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(run())
