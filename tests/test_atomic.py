"""Whole files or none: what a full disk, an error or a kill leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sspvs import temporaries
from sspvs.atomic import (
    _OutputStream,
    atomic_file,
    atomic_folder,
    atomic_h5,
    atomic_stream,
    made_folder,
    temporary_folder,
    together,
    write_bytes,
    write_text,
    writing,
)
from sspvs.errors import OutputError
from sspvs.temporaries import sweep, take_lock

posix = pytest.mark.skipif(os.name != "posix", reason="locks of this kind, and kill -9, are POSIX")
ROOT = Path(__file__).resolve().parents[1]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_a_process(code: str) -> subprocess.Popen[str]:
    places = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    head = "import os, sys, time\nfrom pathlib import Path\nfrom sspvs.atomic import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code],
        env={**os.environ, "PYTHONPATH": places},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_while_holding(folder: Path) -> None:
    """A process that has a temporary file and a temporary folder, and is killed."""
    code = (
        f"folder = Path({str(folder)!r})\n"
        "with atomic_file(folder / 'file') as file, atomic_folder(folder / 'folder') as new:\n"
        "    file.write_text('half')\n    (new / 'deep').mkdir()\n    (new / 'deep' / 'half').write_text('half')\n"
        "    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    with in_a_process(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        held = names(folder)
        assert len(held) == 2
        time.sleep(0.05)
        sweep(folder)  # of another process, which lives
        assert names(folder) == held
        process.send_signal(signal.SIGKILL)
    temporaries._due.clear()  # the next sweep need not wait


@posix
def test_the_next_writer_sweeps_what_a_killed_one_held(tmp_path: Path) -> None:
    killed_while_holding(tmp_path)
    assert len(names(tmp_path)) == 2
    write_text(tmp_path / "other", "x")
    assert names(tmp_path) == ["other"]


@posix
def test_a_sweep_leaves_what_is_not_abandoned(tmp_path: Path) -> None:
    """Files of others, caches of ours, links, and what this process holds; not the number of a process, which may be
    that of another one by now."""
    mine = f".sspvs-{os.getpid()}-0123abcd.tmp"
    (tmp_path / mine).write_text("of a process that had the number before")
    kept = [".sspvs-records.npz", ".sspvs-survey.json", "sspvs-1-a.tmp", ".other-1-a.tmp", ".sspvs-x-a.tmp"]
    for name in kept:
        (tmp_path / name).write_text("kept")
    (tmp_path / ".sspvs-1-0.tmp").symlink_to(tmp_path / kept[0])
    with atomic_file(tmp_path / "a") as file, temporary_folder(tmp_path) as folder:
        held = {file.name, folder.parent.name}
        time.sleep(0.05)
        sweep(tmp_path)
        assert set(names(tmp_path)) == {*kept, *held, ".sspvs-1-0.tmp"}
    assert set(names(tmp_path)) == {*kept, "a", ".sspvs-1-0.tmp"}


@posix
def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path: Path) -> None:
    """Between the two renames the old folder has no name: the sweep gives it back."""
    code = (
        f"folder = Path({str(tmp_path)!r})\n(folder / 'out').mkdir()\n(folder / 'out' / 'old').write_text('old')\n"
        "rename = Path.replace\n"
        "def replace(self, target):\n    rename(self, target)\n    os.kill(os.getpid(), 9)\nPath.replace = replace\n"
        "with atomic_folder(folder / 'out') as new:\n    (new / 'new').write_text('new')\n"
    )
    with in_a_process(code) as process:
        process.wait()
    assert not (tmp_path / "out").exists()
    sweep(tmp_path)
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "old").read_text() == "old"


@posix
@pytest.mark.parametrize("file_limit", [0, 1, 700, 2048, 9_000, 60_000, 300_000])
def test_an_h5_file_that_does_not_fit(tmp_path: Path, file_limit: int) -> None:
    """h5py alone prints tracebacks as the process ends here, or ends with a signal."""
    (tmp_path / "d.h5").write_text("old")
    code = (
        f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({file_limit}, resource.RLIM_INFINITY))\n"
        "made = 0\ntry:\n"
        f"    with atomic_h5(Path({str(tmp_path / 'd.h5')!r})) as file:\n"
        "        for number in range(1000):\n"
        "            group = file.create_group(f'video_{number}')\n"
        "            made += 1\n"
        "            group['features'] = bytes([number % 250 + 1]) * 977\n"
        "            group.attrs['title'] = 'word ' * number\n"
        "except Exception as error:\n    print(type(error).__name__, error, '|', made)\n"
    )
    with in_a_process(code) as process:
        out, err = process.communicate()
    assert process.returncode == 0
    assert err == ""
    message, _, made = out.partition("|")
    assert message.startswith(f"OutputError cannot write {tmp_path / 'd.h5'}: File too large; ")
    assert int(made) < 400  # the rest is not computed for nothing: 977 bytes a group and more
    assert names(tmp_path) == ["d.h5"]
    assert (tmp_path / "d.h5").read_text() == "old"


@posix
def test_libraries_of_all_kinds_on_a_full_disk(tmp_path: Path) -> None:
    """Each ends in our error, whatever its own is."""
    code = (
        "import io, resource, sys\nimport numpy as np, torch, PIL.Image\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))\n"
        "noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)\n"
        "kinds = {\n"
        "    'torch': lambda file: torch.save({'a': torch.zeros(5000)}, file),\n"
        "    'png': lambda file: PIL.Image.fromarray(noise).save(file, 'PNG'),\n"
        "    'jpeg': lambda file: PIL.Image.fromarray(noise).save(file, 'JPEG', quality=100),\n"
        "    'npy': lambda file: np.save(file, noise),\n"
        "    'npz': lambda file: np.savez(file, noise=noise),\n"
        "}\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "for name, save in kinds.items():\n"
        "    try:\n        with atomic_stream(folder / name) as stream:\n            save(stream)\n"
        "    except Exception as error:\n        print(name, type(error).__name__, error)\n"
    )
    with in_a_process(code) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    for name, line in zip(("torch", "png", "jpeg", "npy", "npz"), out.splitlines(), strict=True):
        assert line.startswith(f"{name} OutputError cannot write {tmp_path / name}: File too large; ")
    assert names(tmp_path) == []


def test_a_stream_reads_back_what_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a plain bytearray: any order of writes, half of them after the disk is full."""
    import numpy as np

    draw, whole = np.random.default_rng(0), bytearray()
    (tmp_path / "f").touch()
    stream = _OutputStream(tmp_path / "f", read_back=True)
    for number in range(200):
        if number == 100:
            stream.error = OSError(28, "No space left on device")
        start, content = int(draw.integers(0, 3000)), draw.bytes(int(draw.integers(0, 200)))
        whole.extend(bytes(max(0, start + len(content) - len(whole))) if content else b"")
        whole[start : start + len(content)] = content
        stream.seek(start)
        assert stream.write(content) == len(content)
        at = int(draw.integers(0, 3000))
        stream.seek(at)
        assert stream.read(300) == bytes(whole[at : at + 300])
    with pytest.raises(OSError, match="No space left"):
        stream.check()
    stream.close()


def test_files_written_together_appear_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with together():
        write_text(tmp_path / "a", "new")
        with together():  # a part of the others
            write_text(tmp_path / "b", "new")
        assert (tmp_path / "a").read_text() == "old"
        assert not (tmp_path / "b").exists()
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["new", "new"]


@pytest.mark.parametrize("what", ["an error", "no folder", "a folder in the place"])
def test_or_none_of_them_does(tmp_path: Path, what: str) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "taken").mkdir()

    def write() -> None:
        with together(seal=tmp_path / "a"):
            write_text(tmp_path / "b", "new")
            write_text(tmp_path / "a", "new")
            if what == "an error":
                raise RuntimeError
            write_text(tmp_path / ("missing/c" if what == "no folder" else "taken"), "new")

    with pytest.raises((OutputError, RuntimeError)):
        write()
    assert names(tmp_path) == ["a", "taken"]
    assert (tmp_path / "a").read_text() == "old"


@posix
def test_a_seal_is_never_beside_files_of_two_kinds(tmp_path: Path) -> None:
    """Killed after the first of two renames: the file that says that the others are whole is not there."""
    for name in ("weights", "config"):
        (tmp_path / name).write_text("old")
    code = (
        "rename = Path.replace\n"
        "def replace(self, target):\n    rename(self, target)\n    os.kill(os.getpid(), 9)\nPath.replace = replace\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "with together(seal=folder / 'config'):\n"
        "    write_text(folder / 'weights', 'new')\n    write_text(folder / 'config', 'new')\n"
    )
    with in_a_process(code) as process:
        process.wait()
    sweep(tmp_path)
    assert names(tmp_path) == ["weights"]
    assert (tmp_path / "weights").read_text() == "new"


def full(path: Path) -> None:
    raise OSError(28, "No space left on device")


def over_quota(path: Path) -> None:
    raise OSError(122, "Disk quota exceeded")


def in_another_process(path: Path) -> None:
    raise OSError(f"[Errno 28] No space left on device: '{path}'")  # as a worker's errors arrive


def in_vain(path: Path) -> None:
    raise OSError(5, "Input/output error", str(path))


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        (full, "No space left on device; free some space"),
        (over_quota, "Disk quota exceeded; free some space"),
        (in_another_process, "No space left on device; free some space"),
        (in_vain, "Input/output error; choose a folder that can be written to"),
    ],
)
def test_messages_name_the_target(tmp_path: Path, fails: Callable[[Path], None], message: str) -> None:
    with pytest.raises(OutputError) as one, atomic_file(tmp_path / "out") as temporary:
        fails(temporary)
    assert str(one.value).startswith(f"cannot write {tmp_path / 'out'}: {message}")
    with (
        pytest.raises(OutputError) as deep,
        atomic_folder(tmp_path / "out") as folder,
        atomic_file(folder / "in") as inner,
    ):
        fails(inner)
    assert str(deep.value).startswith(f"cannot write {tmp_path / 'out' / 'in'}: {message}")
    assert names(tmp_path) == []


def test_errors_about_other_files_are_not_about_the_target(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"video\.mp4"), atomic_file(tmp_path / "out"):
        (tmp_path / "elsewhere" / "video.mp4").read_bytes()
    with pytest.raises(ValueError, match="two videos"), atomic_stream(tmp_path / "out"):
        raise ValueError("two videos have the same name")
    with pytest.raises(KeyError), writing(tmp_path):
        raise KeyError
    assert names(tmp_path) == []


def test_a_folder_that_disappears(tmp_path: Path) -> None:
    import shutil

    (tmp_path / "gone").mkdir()
    expected = pytest.raises(OutputError, match=r"cannot write .*gone/out: No such file")
    with expected, atomic_file(tmp_path / "gone" / "out") as temporary:
        temporary.write_text("x")
        shutil.rmtree(tmp_path / "gone")
    assert names(tmp_path) == []


def test_folders_that_were_made_for_nothing_go(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), made_folder(tmp_path / "a" / "b"):
        raise RuntimeError
    with pytest.raises(RuntimeError), temporary_folder(tmp_path / "a" / "b"):
        raise RuntimeError
    assert names(tmp_path) == []
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError), made_folder(tmp_path / "a" / "b"):
        raise RuntimeError
    assert names(tmp_path) == ["a"]


def test_files_in_a_temporary_folder_are_written_in_their_places(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        write_bytes(folder / "a", b"long old content")
        write_bytes(folder / "a", b"new")
        with atomic_h5(folder / "d.h5") as file:
            file["x"] = 1
            assert names(folder) == ["a", "d.h5"]
        assert (folder / "a").read_bytes() == b"new"
    assert names(tmp_path) == []


@posix
def test_a_lock_is_of_one_process(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "new" / "lock")
    assert lock is not None
    assert take_lock(tmp_path / "new" / "lock") is None
    (tmp_path / "new" / "lock").unlink()
    other = take_lock(tmp_path / "new" / "lock")  # the first one is no longer there to be taken
    assert other is not None
    lock.close()
    other.close()
    again = take_lock(tmp_path / "new" / "lock")
    assert again is not None
    again.close()
