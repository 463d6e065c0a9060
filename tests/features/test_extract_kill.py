"""kill -9 at any moment of an extraction: nothing is lost, nothing is done twice, no file is broken."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.extraction_material import MeanColour, draw_folder

from sspvs.features.extract import Sampling, extract_to_file
from sspvs.table import read_features

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
    "OMP_NUM_THREADS": "1",
}

# Extracts with the mean colour, slowly enough to be killed; writes each video's name to a log when it is opened.
# MOMENT names a step at which it kills itself.
SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import sspvs.features.extract as extract
import sspvs.features.resumable as parts
from helpers.extraction_material import MeanColour

out, log, moment, *videos = sys.argv[1:]
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)

class Slow(MeanColour):
    def encode(self, frames):
        time.sleep(0.02)
        return super().encode(frames)

real_open = extract.open_video
def open_logged(path, **settings):
    with open(log, "a") as file:
        file.write(Path(path).name + "\\n")
    return real_open(path, **settings)
extract.open_video = open_logged

real_replace, real_unlink, real_merge = Path.replace, Path.unlink, parts.merge_files
def replace(self, target):
    merged = Path(target) == Path(out)
    if moment == ("before merged" if merged else "before part"):
        die()
    real_replace(self, target)
    if moment == ("after merged" if merged else "after part"):
        die()
Path.replace = replace
def merge(target, members, fingerprint):
    real_merge(target, members, fingerprint)
    if moment == "half merged":
        os.truncate(target, os.path.getsize(target) // 2)
        die()
parts.merge_files = merge
removed = 0
def unlink(self, missing_ok=False):
    global removed
    real_unlink(self, missing_ok=missing_ok)
    removed += self.suffix == ".h5" and ".parts" in str(self)
    if moment == "half removed" and removed == 2:
        die()
Path.unlink = unlink
extract.extract_to_file([Path(v) for v in videos], Path(out), Slow(), extract.Sampling(rate_hz=5.0, batch_size=1))
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_folder(tmp_path_factory.mktemp("videos"), 5)


@pytest.fixture(scope="module")
def uninterrupted(videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("whole") / "f.h5"
    extract_to_file(videos, out, MeanColour(), Sampling(rate_hz=5.0, batch_size=1))
    return out.read_bytes()


def start(out: Path, log: Path, videos: list[Path], moment: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(out), str(log), moment, *map(str, videos)]
    return subprocess.Popen(command, env=ENVIRONMENT)


def parts_of(out: Path) -> dict[str, int]:
    """Finished parts and when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in Path(f"{out}.parts").glob("*.h5")}


def wait_for_part(out: Path, process: subprocess.Popen[bytes], more_than: int) -> None:
    end = time.monotonic() + 60
    while len(parts_of(out)) <= more_than and process.poll() is None:
        assert time.monotonic() < end, "no part appeared in a minute"
        time.sleep(0.005)


def test_killed_again_and_again(videos: list[Path], uninterrupted: bytes, tmp_path: Path) -> None:
    out, log = tmp_path / "f.h5", tmp_path / "log"
    draw = random.Random(5)
    finished: dict[str, int] = {}
    kills = 0
    for _ in range(3):
        process = start(out, log, videos)
        wait_for_part(out, process, more_than=len(finished))
        time.sleep(draw.uniform(0, 0.3))
        process.kill()
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
        now = parts_of(out)
        assert {name: now[name] for name in finished} == finished  # none lost, none written again
        finished = now
        for path in Path(f"{out}.parts").glob("*.h5"):
            with read_features(path) as store:  # each of them whole
                assert len(list(store.values())) == 1
    assert kills >= 1
    done_before = len(finished)
    begun_before = len(log.read_text().splitlines())
    assert start(out, log, videos).wait() == 0
    assert out.read_bytes() == uninterrupted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h5", "log"]
    begun = log.read_text().splitlines()
    assert len(begun) - begun_before == len(videos) - done_before  # the last run did only what was missing
    assert len(begun) <= len(videos) + kills  # at most the one under way at each kill was begun again


@pytest.mark.parametrize(
    ("moment", "begun_again"),
    [
        ("before part", 5),
        ("after part", 4),
        ("half merged", 0),
        ("before merged", 0),
        ("after merged", 0),
        ("half removed", 0),
    ],
)
def test_killed_at_each_step(
    videos: list[Path], uninterrupted: bytes, tmp_path: Path, moment: str, begun_again: int
) -> None:
    out, log = tmp_path / "f.h5", tmp_path / "log"
    assert start(out, log, videos, moment).wait() == -signal.SIGKILL
    assert not out.exists() or out.read_bytes() == uninterrupted
    log.write_text("")
    assert start(out, log, videos).wait() == 0
    assert len(log.read_text().splitlines()) == begun_again
    assert out.read_bytes() == uninterrupted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h5", "log"]


def test_killed_while_adding_to_a_file(videos: list[Path], uninterrupted: bytes, tmp_path: Path) -> None:
    out, log = tmp_path / "f.h5", tmp_path / "log"
    extract_to_file(videos[:2], out, MeanColour(), Sampling(rate_hz=5.0, batch_size=1))
    before = out.read_bytes()
    assert start(out, log, videos, "half merged").wait() == -signal.SIGKILL
    assert out.read_bytes() == before
    assert start(out, log, videos).wait() == 0
    assert out.read_bytes() == uninterrupted


def test_command_line_killed_and_started_again(shared_data: Path, tmp_path: Path) -> None:
    names = ["pancake.mkv", "charades.mp4", "sample_demo_3.mp4"]
    sources = [str(shared_data / "videos" / name) for name in names]

    def command(out: Path) -> list[str]:
        options = ["--out", str(out), "--backbone", "efficientnet-lite0", "--device", "cpu"]
        options += ["--rate", "1", "--workers", "1"]
        return [sys.executable, "-m", "sspvs", "extract", *sources, *options]

    whole, out = tmp_path / "whole.h5", tmp_path / "f.h5"
    subprocess.run(command(whole), env=ENVIRONMENT, check=True, capture_output=True)
    process = subprocess.Popen(command(out), env=ENVIRONMENT, stdout=subprocess.PIPE)
    wait_for_part(out, process, more_than=0)
    process.kill()
    process.communicate()
    finished = len(parts_of(out))
    assert 1 <= finished < len(names)
    again = subprocess.run(command(out), env=ENVIRONMENT, check=True, capture_output=True, text=True)
    assert f"{len(names) - finished} extracted, {finished} already there" in again.stdout
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h5", "whole.h5"]
