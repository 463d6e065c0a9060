"""Take a picture for the README and the docs: a report in a headless Chromium.

python tools/readme/picture.py VIDEO docs/assets/report.png     # of a film, with the default settings
python tools/readme/picture.py DEMO docs/assets/demo.png        # of what is there, such as the folder of `sspvs demo`
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=8000",
    "--window-size=1280,1050",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a video, or a folder with a report.html")
    parser.add_argument("out", type=Path, help="the PNG")
    args = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("error: needs chromium on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        made = args.source.resolve()
        if not made.is_dir():
            made = Path(folder) / "summary"
            command = [sys.executable, "-m", "sspvs", "summarize", str(args.source.resolve()), "--out", str(made)]
            subprocess.run(command, check=True)
        shot = Path(folder) / "shot.png"
        page = (made / "report.html").as_uri()
        command = [browser, *FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={shot}", page]
        subprocess.run(command, check=True, capture_output=True)
        picture = Image.open(shot).convert("RGB")
        picture.quantize(palette=picture.quantize(256), dither=Image.Dither.FLOYDSTEINBERG).save(
            args.out, optimize=True
        )
    print(f"{args.out}: {args.out.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
