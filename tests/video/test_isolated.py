"""A decoder that hangs, crashes or is left alone does no harm and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_videos import regular, write_video

from sspvs.errors import DecodeTimeoutError, VideoError
from sspvs.video import Resize, open_video
from sspvs.video.isolated import DecodingChild, IsolatedReader

# A child that opens any file as every child does, and then does what a test wants.
ACTING = """
import sys; sys.path[:] = {path!r}; sys.argv[1:] = ["1000"]
import os, signal, time
from sspvs.video import worker
from sspvs.video.pyav_reader import PyAVReader
def act(self, *args, **kwargs):
    {act}
    yield
PyAVReader.sample = act
worker.main()
"""


def acting_child(act: str) -> list[str]:
    return [sys.executable, "-c", ACTING.format(path=sys.path, act=act)]


def gone(process_id: int) -> bool:
    """Whether a process has ended (a zombie of ours would still be found)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z" and os.getpid() != int(
            Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[1]
        ):
            return True  # of another parent
        time.sleep(0.02)
    return False


linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", regular(100))


def child_of(reader: object) -> int:
    assert isinstance(reader, IsolatedReader)
    return reader._ready_child().process_id


@linux_only
@pytest.mark.parametrize(
    "act", ["time.sleep(1000)", "[signal.pthread_sigmask(0, range(1, 32)), [0 for _ in iter(int, 1)]]"]
)
def test_a_hang_is_stopped(video: Path, act: str) -> None:
    reader = IsolatedReader(video, "pyav", 0.5, acting_child(act))
    child = child_of(reader)
    started = time.monotonic()
    with pytest.raises(DecodeTimeoutError, match=r"gave nothing for 0\.5 s") as caught:
        next(reader.sample())
    assert time.monotonic() - started < 5
    assert video.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert gone(child)


@linux_only
def test_a_hang_while_opening_is_stopped(video: Path) -> None:
    command = acting_child("pass")
    command[2] = (
        command[2]
        .replace("worker.main()", "worker.open_here = act_slowly; worker.main()")
        .replace("def act(", "def act_slowly(*args): time.sleep(1000)\ndef act(")
    )
    with pytest.raises(DecodeTimeoutError):
        IsolatedReader(video, "pyav", 0.5, command)


def test_slow_but_alive_is_left_alone(video: Path) -> None:
    """Beats keep a decoder alive that takes longer than the limit for a chunk."""
    act = "import itertools; [(time.sleep(0.1), self._beat()) for _ in range(25)]"
    reader = IsolatedReader(video, "pyav", 1.5, acting_child(act + "; self._timeline = 1 / 0"))
    with pytest.raises(VideoError, match="ZeroDivisionError"):  # it got to the end of its work
        next(reader.sample())


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os._exit(3)", "exit status 3"),
        ("os.abort()", "SIGABRT"),
    ],
)
@linux_only
def test_a_crash_is_an_error_of_the_video(video: Path, act: str, why: str) -> None:
    reader = IsolatedReader(video, "pyav", 20, acting_child(act))
    child = child_of(reader)
    with pytest.raises(VideoError, match=why) as caught:
        next(reader.sample())
    assert not isinstance(caught.value, DecodeTimeoutError)
    assert gone(child)


def test_a_child_that_cannot_start() -> None:
    with pytest.raises(VideoError, match="cannot start"):
        DecodingChild("v.mp4", 5, ["/nonexistent/program"])
    with pytest.raises(VideoError, match="no such module"):
        DecodingChild("v.mp4", 5, [sys.executable, "-c", "raise SystemExit('no such module')"])


def test_what_a_decoder_prints_breaks_nothing(video: Path) -> None:
    reader = IsolatedReader(
        video, "pyav", 20, acting_child("os.write(1, b'noise' * 1000); print('more'); raise KeyError('end')")
    )
    with pytest.raises(VideoError, match="KeyError"):
        next(reader.sample())


@linux_only
def test_leaving_early_ends_the_child_and_the_reader_goes_on(video: Path) -> None:
    with open_video(video) as reader:
        child = child_of(reader)
        for _ in reader.sample(None, chunk_frames=2):
            break
        assert gone(child)
        assert sum(len(chunk.picks) for chunk in reader.sample(None)) == 100
        child = child_of(reader)
        assert reader.frames_at([3]).shape == (1, 224, 224, 3)
        assert child_of(reader) == child  # a pass that ran to its end keeps its child
    assert gone(child)
    with pytest.raises(ValueError, match="closed"):
        next(reader.sample())


@linux_only
def test_a_forgotten_reader_ends_its_child(video: Path) -> None:
    reader = open_video(video)
    chunks = reader.sample(None, chunk_frames=2)
    next(chunks)
    child = child_of_running = reader._child.process_id  # type: ignore[attr-defined]
    del reader, chunks
    assert gone(child_of_running)
    assert child


def test_a_slow_reader_does_not_fill_memory(tmp_path: Path, video: Path) -> None:
    """The child waits with its next chunk until this one is taken."""
    log = tmp_path / "made"
    act = (
        "import numpy as np; from sspvs.video.reader import FrameChunk;"
        f"yield from ((open({str(log)!r}, 'a').write('x'),"
        " FrameChunk(np.zeros((1, 600, 600, 3), np.uint8), np.array([k]), np.zeros(1)))[1] for k in range(100))"
    )
    with IsolatedReader(video, "pyav", 20, acting_child(act)) as reader:
        chunks = reader.sample()
        for taken in range(1, 4):
            next(chunks)
            time.sleep(0.3)
            assert taken <= len(log.read_text()) <= taken + 1


def test_two_passes_at_once_do_not_mix(video: Path) -> None:
    with open_video(video) as reader:
        first = reader.sample(None, chunk_frames=10)
        next(first)
        picks = np.concatenate([chunk.picks for chunk in reader.sample(None, chunk_frames=10)])
        assert picks.tolist() == list(range(100))
        with pytest.raises(VideoError, match="interrupted"):
            list(first)
        assert reader.frames_at([7]).shape[0] == 1


def test_same_answers_as_in_this_process(video: Path) -> None:
    with open_video(video) as apart, open_video(video, isolated=False) as here:
        resize = Resize("long_side", 40, "bicubic")
        for one, two in zip(apart.sample(3.0, resize, 4), here.sample(3.0, resize, 4), strict=True):
            for a, b in zip(one[:3], two[:3], strict=True):
                np.testing.assert_array_equal(a, b)
                assert a.dtype == b.dtype
        assert apart.info == here.info
        assert apart.decode_report == here.decode_report
        assert apart.frame_change is not None
        assert here.frame_change is not None
        np.testing.assert_array_equal(apart.frame_change, here.frame_change)
        np.testing.assert_array_equal(apart.timeline.frame_seconds, here.timeline.frame_seconds)
        assert apart.timeline.end_seconds == here.timeline.end_seconds


SCRIPT = """
import sys, time
sys.path.insert(0, {root!r})
from sspvs.video import open_video
reader = open_video({video!r})
chunks = reader.sample(None, chunk_frames=2)
next(chunks)
print(reader._child.process_id, flush=True)
{then}
"""


def script(tmp_path: Path, video: Path, then: str) -> Path:
    path = tmp_path / "script.py"
    root = Path(__file__).resolve().parents[2]
    path.write_text(SCRIPT.format(root=str(root), video=str(video), then=then))
    return path


@linux_only
@pytest.mark.parametrize("then", ["time.sleep(1000)", "list(chunks); time.sleep(1000)"])
def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path, video: Path, then: str) -> None:
    """Blocked while it sends (first case) or waiting for a request (second case)."""
    with subprocess.Popen(
        [sys.executable, str(script(tmp_path, video, then))], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.5)
        assert Path(f"/proc/{child}").exists()
        parent.send_signal(signal.SIGKILL)
    assert gone(child)


@linux_only
def test_a_script_without_main_guard_beside_files_with_bad_names(tmp_path: Path, video: Path) -> None:
    """The current folder's `json.py` is not the child's."""
    (tmp_path / "json.py").write_text("raise SystemExit('wrong json')")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = script(elsewhere, video, "print(sum(len(chunk.picks) for chunk in chunks))")
    done = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    child, rest = done.stdout.split()
    assert rest == "98"
    assert gone(int(child))


@linux_only
def test_the_child_loads_no_heavy_modules(video: Path) -> None:
    code = (
        "import sys; from sspvs.video import worker; worker.open_here(worker.Path(sys.argv[1]), 'auto').scan();"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(video)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    loaded = set(done.stdout.split())
    assert {"av", "numpy"} <= loaded
    assert not {"torch", "matplotlib", "scipy", "decord", "PIL", "h5py", "onnxruntime"} & loaded
