"""Take the picture of the README and the docs: the report of `sspvs demo` in a headless Chromium.

python tools/readme/picture.py        # writes docs/assets/report.png
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

OUT = Path(__file__).parents[2] / "docs" / "assets" / "report.png"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=8000",
    "--window-size=1280,1050",
)  # fmt: skip


def main() -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("error: needs chromium on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "sspvs", "demo", "--out", "demo"], cwd=folder, check=True)
        page = (Path(folder) / "demo" / "report.html").as_uri()
        shot = Path(folder) / "shot.png"
        command = [browser, *FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={shot}", page]
        subprocess.run(command, check=True, capture_output=True)
        Image.open(shot).convert("RGB").quantize(192).save(OUT, optimize=True)
    print(f"{OUT}: {OUT.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
