"""Every verb that writes, on tiny material, in processes that start at once: what limits and kills are tried on.

    python tests/fuzz/every_verb.py full [VERB ...]     ten limits on the size of a file, for each verb
    python tests/fuzz/every_verb.py disk [VERB ...]     ten sizes of a disk (tmpfs; needs root)
    python tests/fuzz/every_verb.py kill [VERB ...]     twenty kills of each verb

`SEED` and `TIMES` in the environment say which and how many.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
ROOT = TESTS.parent
LIMIT_SECONDS = 300.0

VERBS = (
    "score", "extract", "summarize", "data build", "data convert", "data convert json",
    "data convert folder", "data splits", "data shard", "data world", "evaluate", "crossval", "fit pretrain",
    "fit summarize", "fit refine", "predict", "predict scores", "export", "import", "demo",
)  # fmt: skip
_TOOK = re.compile(rb'"seconds": [\d.]+')
WARM = ("matplotlib.figure", "sspvs.scorers", "sspvs.training.command_line", "sspvs.video.clips")
CACHES = (".sspvs-records.npz", ".sspvs-survey.json")
"""What earlier runs found out about files, kept beside them."""
RESUMED = {"crossval", "data shard", "extract", "data build"}
"""Verbs that keep what they finished before an error, to go on from there."""
VERSIONED = {"fit pretrain", "fit summarize", "fit refine"}
"""Verbs that go on in another folder after a kill: the others end with the same bytes in the same files."""


def make_material(root: Path) -> None:
    """What the verbs read."""
    import torch

    from helpers.drawn_videos import regular, write_video
    from helpers.official_checkpoint import official, plain_model
    from helpers.tiny_summarizers import saved_summarizer
    from sspvs.cli import main
    from sspvs.table import read_features

    world = ["--pretrain", "6", "--val", "3", "--annotated", "6", "--set", "drawn.feature_dim=32"]
    world += ["--set", "drawn.clips_per_concept=12", "--set", "composition.segments=[3,4]"]
    (root / "world.json").write_text(json.dumps(world))
    assert main(["data", "world", "--out", str(root / "world"), *world]) == 0
    (root / "videos").mkdir()
    for name in "ab":
        write_video(root / "videos" / f"{name}.mp4", regular(60))
    saved_summarizer(
        root / "summarizer", feature_dim=32, fingerprint=read_features(root / "world" / "summarization.h5").fingerprint
    )
    assert main(["score", str(root / "world" / "summarization.h5"), "--out", str(root / "scores.h5")]) == 0
    torch.save(official(plain_model()), root / "official.ckpt")
    people = [f"{video},{user},{user},{user + 1}" for video in "ab" for user in range(2)]
    (root / "people.csv").write_text("video,annotator,start,end\n" + "\n".join(people) + "\n")
    assert main(["fit", *_fit("pretrain", root), "--trainer.max_epochs", "1"]) == 0
    assert main(["fit", *_fit("refine", root), "--trainer.max_epochs", "1"]) == 0


def _fit(task: str, out: Path) -> list[str]:
    folder = {"summarize": "finetune"}.get(task, task)
    words = ["--config", str(ROOT / "configs" / folder / "smoke.yaml"), "--run.root", str(out / "runs")]
    return [*words, "--data.world.folder", str(out / "worlds")]


def command(verb: str, root: Path, out: Path) -> list[str]:
    """The arguments of a verb that writes into `out`."""
    dataset, videos = str(root / "world" / "summarization.h5"), str(root / "videos")
    cheap = ["--backbone", "efficientnet-lite0", "--rate", "4"]
    splits, texts = str(root / "world" / "splits.json"), str(root / "world" / "summarization.jsonl")
    crossval = [
        "--config",
        str(ROOT / "configs" / "finetune" / "smoke.yaml"),
        "--seeds",
        "1",
        "--data.world",
        "null",
        "--data.batch_size",
        "2",
    ]
    crossval += ["--data.dataset", dataset, "--data.splits", splits, "--data.texts", texts]
    crossval += ["--trainer.max_epochs", "1", "--report", str(out / "page.html")]
    runs = root / "runs"
    words: dict[str, list[str]] = {
        "score": ["score", dataset, "--out", str(out / "s.h5")],
        "extract": ["extract", videos, "--out", str(out / "f.h5"), *cheap],
        "summarize": ["summarize", str(root / "videos" / "a.mp4"), "--out", str(out / "summary"), *cheap],
        "data build": ["data", "build", "custom", "--annotations", str(root / "people.csv"), "--videos", videos,
                       "--out", str(out / "d.h5"), *cheap],
        "data convert": ["data", "convert", dataset, "--force", "--to", "community", "--out", str(out / "c.h5")],
        "data convert json": ["data", "convert", dataset, "--force", "--to", "custom", "--out", str(out / "c.json")],
        "data convert folder": ["data", "convert", dataset, "--force", "--to", "sspvs", "--resample", "mean",
                                "--out", str(out / "release")],
        "data splits": ["data", "splits", "--dataset", dataset, "--out", str(out / "s.json")],
        "data shard": ["data", "shard", str(root / "world" / "pretrain" / "train.jsonl"), "--out", str(out / "shards"),
                       "--shard-size", "2"],
        "data world": ["data", "world", "--out", str(out / "world"), *json.loads((root / "world.json").read_text())],
        "evaluate": ["evaluate", "--dataset", dataset, "--scores", str(root / "scores.h5"), "--out",
                     str(out / "r.json"), "--report", str(out / "r.html"), "--picture", str(out / "r.png")],
        "crossval": ["crossval", *crossval, "--out", str(out / "crossval")],
        "predict": ["predict", *_fit("pretrain", root), "--ckpt_path", str(runs / "smoke/version_0/pretrained/last"),
                    "--out", str(out / "e.h5")],
        "predict scores": ["predict", *_fit("refine", root), "--ckpt_path",
                           str(runs / "refine_smoke/version_0/pretrained/last"), "--out", str(out / "p.h5")],
        "export": ["export", str(root / "summarizer"), "--onnx", str(out / "m.onnx"), "--card", str(out / "m.md")],
        "import": ["import", str(root / "official.ckpt"), "--out", str(out / "imported"), "--num-heads", "4",
                   "--text-num-heads", "2"],
        "demo": ["demo", "--quick", "--out", str(out / "demo")],
    }  # fmt: skip
    for task in ("pretrain", "summarize", "refine"):
        words[f"fit {task}"] = ["fit", *_fit(task, out), "--trainer.max_epochs", "1"]
    return words[verb]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status (negative: a signal), what it said, and how long it took."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def last(self) -> str:
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


class Starter:
    """Starts commands in processes of a parent that has imported everything.

    Args:
        warm: Import it before the first command; otherwise each command imports what it needs.
    """

    def __init__(self, *, warm: bool = True) -> None:
        places = os.pathsep.join([str(ROOT), str(TESTS), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "serve", *(["warm"] if warm else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def __call__(self, arguments: list[str], *, limit: int | None = None, kill_after: float | None = None) -> Ended:
        """Run a command.

        Args:
            arguments: What follows `sspvs`; `!material ROOT` makes the material.
            limit: On the size of each file that it writes, in bytes.
            kill_after: Seconds until it is killed.
        """
        request = {"arguments": arguments, "limit": limit, "kill_after": kill_after}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve() -> None:
    """Answer requests until there are none; a command runs in a child, which ends as any Python process does."""
    for name in WARM if "warm" in sys.argv else ():
        import_module(name)
    answers = os.fdopen(os.dup(1), "wb")
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        out, err = os.pipe(), os.pipe()
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            os.setsid()
            for number, (reading, writing) in ((1, out), (2, err)):
                os.close(reading)
                os.dup2(writing, number)
                os.close(writing)
            answers.close()
            os.close(0)
            os.open(os.devnull, os.O_RDONLY)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", 1)  # those of the parent may be files
            if request["limit"] is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"], resource.RLIM_INFINITY))
            if request["arguments"][0] == "!material":
                make_material(Path(request["arguments"][1]))
                sys.exit(0)
            from sspvs.cli import main

            sys.exit(main(request["arguments"]))
        os.close(out[1])
        os.close(err[1])
        ended = _watch(child, out[0], err[0], request["kill_after"], started)
        answers.write(json.dumps(ended.__dict__).encode() + b"\n")
        answers.flush()


def _watch(child: int, out: int, err: int, kill_after: float | None, started: float) -> Ended:
    texts: dict[int, bytes] = {out: b"", err: b""}
    selector = selectors.DefaultSelector()
    for descriptor in (out, err):
        selector.register(descriptor, selectors.EVENT_READ)
    end = started + (LIMIT_SECONDS if kill_after is None else kill_after)
    killed = False
    while selector.get_map():
        for key, _ in selector.select(max(0.0, end - time.monotonic()) if not killed else 5.0):
            if content := os.read(key.fd, 1 << 16):
                texts[key.fd] += content
            else:
                selector.unregister(key.fd)
                os.close(key.fd)
        if not killed and time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
            killed = True
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - started
    return Ended(os.waitstatus_to_exitcode(status), texts[out].decode(), texts[err].decode(), seconds)


def tree(folder: Path) -> dict[str, str]:
    """Path -> digest of every file below a folder, without how long something took, and every empty folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = hashlib.sha256(_TOOK.sub(b"", path.read_bytes())).hexdigest()
        elif not any(path.iterdir()):
            found[str(path.relative_to(folder)) + "/"] = ""
    return found


def leftovers(folder: Path) -> list[str]:
    """What nothing that is finished has: hidden files and folders."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name not in CACHES)


def wrong_with_full(ended: Ended, verb: str, out: Path) -> list[str]:
    """What is not as it should be after a run that could not write everything; empty where all is well."""
    wrong = []
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    if ended.status != 2:
        wrong.append(f"status {ended.status}")
    if "Traceback" in ended.err or "Exception ignored" in ended.err or "HDF5" in ended.err:
        wrong.append(f"more than a line: {ended.err[-3000:]}")
    if len(errors) != 1 or ended.last != errors[0] or not ("cannot write" in errors[0] or "cannot make" in errors[0]):
        wrong.append("not one line that says what could not be written")
    if ".sspvs-" in ended.err:
        wrong.append("names a temporary")
    if left := leftovers(out):
        wrong.append(f"left {left}")
    if verb not in {*VERSIONED, *RESUMED, "demo"} and tree(out):
        wrong.append(f"left {sorted(tree(out))}")
    return wrong


def tried_full(start: Starter, verb: str, root: Path, *, times: int) -> Iterator[tuple[str, list[str]]]:
    """Run a verb under limits on the size of a file, spread over what its largest file needs.

    Yields:
        What was tried, and what was wrong with it.
    """
    out, _, _ = _whole(start, verb, root)
    largest = max(path.stat().st_size for path in out.rglob("*") if path.is_file())
    for number in range(times):
        limit = largest * number // times
        ended = start(command(verb, root, _emptied(out)), limit=limit)
        yield f"{limit} bytes a file: {ended.last}", wrong_with_full(ended, verb, out)


def tried_disk(start: Starter, verb: str, root: Path, *, times: int) -> Iterator[tuple[str, list[str]]]:
    """The same on a small tmpfs, of sizes spread over what all files need; needs root."""
    out, expected, _ = _whole(start, verb, root)
    needed = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    for number in range(times):
        size = max(4096, needed * number // times)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(_emptied(out))]
        subprocess.run(mount, check=True)
        try:
            ended = start(command(verb, root, out))
            done = ended.status == 0 and (verb in VERSIONED or tree(out) == expected)
            yield f"{size} bytes in all: {ended.last}", [] if done else wrong_with_full(ended, verb, out)
        finally:
            subprocess.run(["umount", str(out)], check=True)


def tried_kills(
    start: Starter, verb: str, root: Path, draw: random.Random, *, times: int
) -> Iterator[tuple[str, list[str]]]:
    """Kill a verb at random moments, run it again, and compare with a run that was left alone."""
    out, expected, _ = _whole(start, verb, root)
    _, _, seconds = _whole(start, verb, root)  # the first one takes longer than all others
    for _ in range(times):
        after = draw.uniform(0, seconds)
        killed = start(command(verb, root, _emptied(out)), kill_after=after)
        again = killed if killed.status == 0 else start(command(verb, root, out))
        wrong = [] if again.status == 0 else [f"status {again.status}: {again.err[-2000:]}"]
        wrong += [f"left {left}"] if (left := leftovers(out)) else []
        found = tree(out)
        if verb not in VERSIONED and found != expected:
            other = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            wrong.append(f"other bytes: {other}")
        yield f"killed after {after:.2f} of {seconds:.2f} s", wrong


def _whole(start: Starter, verb: str, root: Path) -> tuple[Path, dict[str, str], float]:
    """The folder with everything that a verb writes, its tree, and how long it took."""
    out = _emptied(root / "out")
    ended = start(command(verb, root, out))
    assert ended.status == 0, f"{verb} does not run: {ended.err[-2000:]}"
    return out, tree(out), ended.seconds


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _main(how: str, verbs: list[str]) -> int:
    times, seed = int(os.environ.get("TIMES", "20" if how == "kill" else "10")), int(os.environ.get("SEED", "0"))
    start, draw, bad = Starter(), random.Random(seed), 0
    root = Path(os.environ.get("MATERIAL") or tempfile.mkdtemp(prefix="every-verb-"))
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "people.csv").exists():
        made = start(["!material", str(root)])
        assert made.status == 0, made.err
    for verb in verbs or VERBS:
        tried = {
            "full": lambda verb=verb: tried_full(start, verb, root, times=times),
            "disk": lambda verb=verb: tried_disk(start, verb, root, times=times),
            "kill": lambda verb=verb: tried_kills(start, verb, root, draw, times=times),
        }[how]()
        for what, wrong in tried:
            bad += bool(wrong)
            sys.stdout.write(f"{verb}: {what}" + "".join(f"\n    WRONG {one}" for one in wrong) + "\n")
            sys.stdout.flush()
    start.close()
    sys.stdout.write(f"{bad} wrong\n")
    return int(bad > 0)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        sys.exit(_main(sys.argv[1], sys.argv[2:]))
