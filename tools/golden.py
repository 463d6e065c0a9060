"""What the package puts out, in one JSON file: written before a change, compared after it.

    python tools/golden.py make before.json
    python tools/golden.py make after.json && python tools/golden.py compare before.json after.json
    python tools/golden.py errors before-errors.json        # every error that the tests expect: runs the whole suite

`make` runs the commands below in a temporary folder: a drawn film is summarised in several ways, its features are
extracted and scored, a world is drawn, converted, evaluated, learned from by every task, and what was learned is
exported. Numbers of h5 and safetensors files stand as digests, texts and JSON as they are. Two runs of one version on
one machine give the same file; another machine may differ in the last digits.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for _threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"

Found = dict[str, Any]

CONFIGS = Path(__file__).parents[1] / "configs"
SHARED = Path(__file__).parents[2] / "shared"
FORMATS = {
    "community": ".h5", "sspvs": "", "mrhisum": ".h5", "youtube8m": "", "videoxum": ".json", "dsnet": "",
    "custom": ".json",
}  # fmt: skip
"""Kind -> what the name of its file ends with; folders have no ending."""
TASKS = {"pretrain": "pretrain", "finetune": "summarize", "refine": "refine"}
"""Folder of configs -> the run's name."""
VOLATILE = re.compile(r"^(crossval\.folds\[\d+\]\.)?seconds$|mtime_ns$|source[._]place$")
"""Entries of JSON and attributes that no two runs have in common."""
MOST_TEXT = 20_000
"""Texts up to this length stand whole."""


def commands() -> Iterator[list[str]]:
    """What is run, one after the other, in a folder of its own."""
    yield ["demo", "--quick", "--out", "demo"]
    film = "demo/demo.mp4"
    yield ["summarize", film, "--out", "summary"]
    yield ["summarize", film, "--out", "summary-uniform", "--segmenter", "uniform", "--duration", "4"]
    yield ["summarize", film, "--out", "summary-title", "--title", "a lighthouse by the sea", "--max-shots", "3"]
    yield ["extract", film, "--out", "features.h5"]
    yield ["score", "features.h5", "--scorer", "contrastive", "--out", "scores.h5"]
    sizes = ["--pretrain", "24", "--val", "8", "--annotated", "10", "--set", "drawn.feature_dim=32"]
    yield ["data", "world", "--out", "world", *sizes]
    dataset = "world/summarization.h5"
    yield ["score", dataset, "--scorer", "contrastive", "--out", "world-scores.h5"]
    for kind, ending in FORMATS.items():
        converted = f"as-{kind}{ending}"
        yield ["data", "convert", dataset, "--to", kind, "--out", converted]
        yield ["data", "inspect", converted, "--json"]
    yield ["data", "inspect", dataset]
    yield ["data", "inspect", "world/pretrain/train.jsonl"]
    yield ["data", "shard", "world/pretrain/train.jsonl", "--out", "shards"]
    yield ["data", "splits", "--dataset", dataset, "--out", "folds.json"]
    yield ["data", "splits", "--read", "folds.json", "--dataset", dataset]
    evaluate = ["evaluate", "--dataset", dataset, "--protocol", "all"]
    yield [*evaluate, "--scores", "world-scores.h5", "--contrastive", "--out", "result.json", "--report", "result.html"]
    yield [*evaluate, "--baseline", "human", "--published"]
    for folder, name in TASKS.items():
        config = str(CONFIGS / folder / "smoke.yaml")
        run = ["--run.root", "runs", "--run.name", name]
        yield ["fit", "--config", config, *run, "--trainer.max_epochs", "-1", "--trainer.max_steps", "20"]
        checkpoint = f"runs/{name}/version_0/pretrained/last"
        yield ["predict", "--config", config, *run, "--ckpt_path", checkpoint, "--out", f"predicted-{name}.h5"]
        if folder != "pretrain":
            yield ["export", checkpoint, "--onnx", f"{name}.onnx", "--card", f"{name}.md"]
            yield ["crossval", "--config", config, "--seeds", "1", "--out", f"crossval-{name}"]
    if SHARED.is_dir():
        yield from _real()


def _real() -> Iterator[list[str]]:
    """Of real annotations and videos, where they are."""
    for kind, file in (("tvsum", "ydata-tvsum50.mat"), ("summe", "summe_gt")):
        found = next(iter(sorted((SHARED / "data").rglob(file))), None)
        if found is not None:
            yield ["data", "build", kind, "--annotations", str(found), "--out", f"{kind}.h5"]
            yield ["evaluate", "--dataset", f"{kind}.h5", "--baseline", "human", "--protocol", "all"]
    for video in sorted((SHARED / "data").rglob("*.mp4"), key=lambda path: path.stat().st_size)[:3]:
        yield ["summarize", str(video), "--out", f"real-{video.stem}"]


def make(target: Path) -> None:
    """Run everything and write what came out."""
    from sspvs.cli import main

    found: Found = {}
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for number, command in enumerate(commands()):
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = main(command)
            said = {"status": status, "stdout": _plain(out.getvalue()), "errors": _plain(_errors(err.getvalue()))}
            found[f"{number:02d} {_plain(' '.join(command))}"] = said
            sys.stderr.write(f"{status} {' '.join(command)}\n")
        for path in sorted(Path().rglob("*")):
            if path.is_file() and path.name[0] != "." and (describe := _describer(path)) is not None:
                entries = describe(path).items()
                found[str(path)] = {key: _plain(one) if isinstance(one, str) else one for key, one in entries}
    target.write_text(json.dumps(found, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8")


def compare(before: Path, after: Path, most: int) -> int:
    """Print where two files of `make` or `errors` differ; returns how many entries do."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    count = 0
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        if not isinstance(one, dict) or not isinstance(other, dict):
            count += 1
            print(f"{name}: {_short(one)} -> {_short(other)}")
            continue
        keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
        count += len(keys)
        print(f"{name}: {len(keys)} of {len({*one, *other})} entries differ")
        for key in keys[:most]:
            print(f"    {key}: {_short(one.get(key))} -> {_short(other.get(key))}")
    print(f"{count} differences in {len({*old, *new})} files and commands")
    return count


def errors(target: Path, arguments: list[str]) -> int:
    """Run the tests and write every message of an error that they expect, with how often."""
    import pytest
    from _pytest.raises import RaisesExc

    import sspvs.cli

    found: Counter[str] = Counter()
    leave, one_line = RaisesExc.__exit__, sspvs.cli.one_line

    def leaving(self: Any, kind: Any, error: Any, trace: Any) -> bool:
        if isinstance(error, Exception):
            found[f"{type(error).__name__}: {_anywhere(str(error))}"] += 1
        return bool(leave(self, kind, error, trace))

    def saying(error: BaseException) -> str:
        line = one_line(error)
        found[f"error: {_anywhere(line)}"] += 1
        return line

    RaisesExc.__exit__ = leaving  # type: ignore[method-assign]
    sspvs.cli.one_line = saying
    status = int(pytest.main(["-q", "-p", "no:randomly", *arguments]))
    target.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return status


def _describer(path: Path) -> Callable[[Path], Found] | None:
    """How a file is described; None for one that is passed over."""
    kinds: dict[str, Callable[[Path], Found] | None] = {
        ".h5": _h5, ".json": _json, ".safetensors": _tensors, ".onnx": _onnx, ".npy": _npy,
        ".ckpt": None, ".html": _text, ".tfevents": None,
    }  # fmt: skip
    texts = (".csv", ".jsonl", ".txt", ".yaml", ".edl", ".otio", ".md")
    return kinds.get(path.suffix, _text if path.suffix in texts else _bytes)


def _h5(path: Path) -> Found:
    import h5py

    found: Found = {}

    def visit(name: str, item: Any) -> None:
        found.update({f"{name}@{key}": str(value) for key, value in item.attrs.items() if not VOLATILE.search(key)})
        if isinstance(item, h5py.Dataset):
            values = item[()]
            content = repr(values).encode() if item.dtype.kind == "O" else values.tobytes()
            found[name] = f"{item.dtype} {item.shape} {_digest(content)}"

    with h5py.File(path, "r") as file:
        visit("", file)
        file.visititems(visit)
    return found


def _json(path: Path) -> Found:
    return dict(_flat("", json.loads(path.read_text(encoding="utf-8"))))


def _flat(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if VOLATILE.search(where):
        return
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{where}.{key}" if where else key, inner)
    elif isinstance(value, list) and any(isinstance(inner, (dict, list)) for inner in value):
        for index, inner in enumerate(value):
            yield from _flat(f"{where}[{index}]", inner)
    else:
        yield where, value


def _tensors(path: Path) -> Found:
    from safetensors.numpy import load_file

    return {name: f"{one.dtype} {one.shape} {_digest(one.tobytes())}" for name, one in sorted(load_file(path).items())}


def _onnx(path: Path) -> Found:
    """What the network computes of random input of a few lengths."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: Found = dict(session.get_modelmeta().custom_metadata_map)
    for length in (1, 7, 40):
        random = np.random.default_rng(length)
        values = {}
        for one in session.get_inputs():
            free = (1, *[length] * len(one.shape))  # the batch is one video
            shape = [size if isinstance(size, int) else free[axis] for axis, size in enumerate(one.shape)]
            is_float = one.type == "tensor(float)"
            kind = {"tensor(bool)": np.bool_, "tensor(int64)": np.int64}.get(one.type, np.float32)
            values[one.name] = random.standard_normal(shape).astype(kind) if is_float else np.ones(shape, kind)
        for output, value in zip(session.get_outputs(), session.run(None, values), strict=True):
            found[f"{output.name}[{length}]"] = f"{value.shape} {np.round(value, 5).ravel()[:8].tolist()}"
    return found


def _npy(path: Path) -> Found:
    return {"": _digest(path.read_bytes())}


def _text(path: Path) -> Found:
    text = _plain(path.read_text(encoding="utf-8"))
    if len(text) > MOST_TEXT:
        return {"": _digest(text.encode())}
    return {f"{number:03d}": line for number, line in enumerate(text.splitlines(), start=1)}


def _bytes(path: Path) -> Found:
    return {"": _digest(path.read_bytes())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _errors(stderr: str) -> str:
    return "\n".join(line for line in stderr.splitlines() if line.startswith(("error:", "warning:", "WARNING:")))


def _plain(text: str) -> str:
    """Without places of this machine, times taken, times of files and dates."""
    for place, name in ((Path.cwd(), "WORK"), (SHARED, "SHARED"), (CONFIGS, "CONFIGS")):
        text = text.replace(str(place), name)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+Z-]+|\b1[6-9]\d{17}\b", "DATE", text)
    text = re.sub(r'(?<="plan": ")\w+', "PLAN", text)  # of shards: a digest of names and times of files
    return re.sub(r"\b\d[\d,.]*( s\b| times faster| frames/s| frames a second)", "TIME", text)


def _anywhere(message: str) -> str:
    return re.sub(r"\S*/pytest-\d+/[^/\s:']*", "TMP", " ".join(message.split()))


def _short(value: Any, most: int = 90) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= most else text[: most - 4] + " ..."


def main() -> int:
    """Read the command line; 0, or 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("make", help="run everything").add_argument("target", type=Path)
    comparing = verbs.add_parser("compare", help="print where two files differ")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--most", type=int, default=10, help="entries shown of each file (default: 10)")
    testing = verbs.add_parser("errors", help="run the tests; options of pytest may follow")
    testing.add_argument("target", type=Path)
    arguments, rest = parser.parse_known_args()
    if arguments.verb == "make":
        make(arguments.target.resolve())
        return 0
    if arguments.verb == "errors":
        return errors(arguments.target.resolve(), rest)
    return int(compare(arguments.before, arguments.after, arguments.most) > 0)


if __name__ == "__main__":
    sys.exit(main())
