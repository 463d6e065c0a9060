"""The whole command on long videos, against real time.

Makes videos of the wanted lengths by repeating a clip (packets are copied, nothing is encoded again), runs
`sspvs summarize` on each as a user would, and prints seconds, how many times faster than real time, and the peak
memory of the command and its decoder together. The longest should need no more memory than the shortest.

    python tools/bench/summarize.py                              # a drawn clip, 1 and 10 minutes
    python tools/bench/summarize.py --video a.mp4 --minutes 1 10 120
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import repeat_video, run_measured

from sspvs.world.film import draw_video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="clip to repeat; a drawn one (640x360, 25 fps) when not given")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--backbone", default="efficientnet-lite0")
    args = parser.parse_args()
    print(f"{'video':>10}{'seconds':>10}{'x real time':>13}{'peak MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        clip = args.video or draw_video(Path(folder) / "clip.mp4", width=640, height=360)
        for minutes in args.minutes:
            video = repeat_video(clip, minutes * 60, Path(folder) / f"{minutes:g}.mp4")
            command = [sys.executable, "-m", "sspvs", "summarize", str(video), "--out", f"{folder}/out-{minutes:g}"]
            done = run_measured([*command, "--backbone", args.backbone])
            print(f"{minutes:>6g} min{done.seconds:>10.1f}{minutes * 60 / done.seconds:>13.1f}{done.peak_mb:>9.0f}")


if __name__ == "__main__":
    main()
