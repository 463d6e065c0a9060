"""Small undamaged files of every kind that commands read; each maker writes into a folder that is given."""

from __future__ import annotations

import json
import os
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import yaml
from safetensors.torch import save_file

from helpers import format_material as drawn
from helpers.drawn_videos import write_video
from helpers.official_checkpoint import official, plain_model
from helpers.pair_sets import write_set
from helpers.summarization_material import fingerprint_of, write_annotated
from helpers.tiny_pretraining import tiny_task
from helpers.tiny_refined import saved_refined, tiny_refined
from helpers.tiny_summarizers import saved_summarizer, tiny_summarizer
from sspvs.cli import main

Maker = Callable[[Path], Any]
WIDTH = 16
TOWER = {"embed_dim": 16, "num_heads": 2, "num_layers": 1, "feedforward_dim": 16}
WORDS = {"encoder": "small", "small": {"text_dim": 16, "num_heads": 2, "num_layers": 1, "feedforward_dim": 16}}
REFINER = {"embed_dim": 16, "num_layers": 1, "head_dim": 8, "feedforward_dim": 16, "uniqueness_dim": 8}
FIT = "fit --config run.yaml --quiet"
EYES = "--backbone efficientnet-lite0 --rate 2 --time-limit 20 --quiet"
SOUND = 0.2 * np.sin(np.arange(3 * 8000) / 9)[None].astype(np.float32)


def all_of(*makers: Maker) -> Maker:
    """What several makers write, in this order."""
    return lambda folder: [make(folder) for make in makers]


def named(name: str, make: Maker) -> Maker:
    """What a maker writes that is given the path of a file or folder."""
    return lambda folder: make(folder / name)


def text(name: str, content: Any) -> Maker:
    """A text, or anything as JSON."""
    return named(name, lambda path: path.write_text(content if isinstance(content, str) else json.dumps(content)))


def command(words: str) -> Maker:
    """What a command writes that runs in the folder."""

    def run(folder: Path) -> None:
        before = Path.cwd()
        os.chdir(folder)
        try:
            assert main(words.split()) == 0, words
        finally:
            os.chdir(before)

    return run


def config(task: str, data: dict[str, Any], **model: Any) -> Maker:
    """`run.yaml`: a run of one step."""
    content = {
        "task": task,
        "run": {"name": "tiny", "root": "out/runs", "samples": 0},
        "trainer": {  # short, whichever of these is damaged
            "max_steps": 1,
            "max_epochs": 1,
            "limit_train_batches": 1,
            "limit_val_batches": 1,
            "accelerator": "cpu",
            "enable_model_summary": False,
            "log_every_n_steps": 1,
        },
        "model": model,
        "data": {"batch_size": 2, **data},
    }
    return text("run.yaml", yaml.safe_dump(content))


def pretraining(train: str) -> Maker:
    """A config."""
    lengths = {"category": 2, "query": 2, "title": 4, "description": 4}
    data = {"train": train, "val_share": 0.25, "num_workers": 0, "max_frames": 8, "text": lengths}
    return config("pretrain", data, video=TOWER, text=WORDS)


def refining(features: str) -> Maker:
    """A config."""
    data = {"features": features, "clip_frames": 4, "validate_on": "nothing"}
    return config("refine", data, refiner=REFINER, losses={"segments": 4, "neighbour_fraction": 0.3})


def annotated(folder: Path) -> None:
    """`D.h5` with features."""
    write_annotated(folder / "D.h5", 6, fingerprint=fingerprint_of())


def for_checkpoints(folder: Path) -> None:
    """`D.h5` whose features have the width that the tiny checkpoints take."""
    write_annotated(folder / "D.h5", 3, width=24)


FOLDS = [{"train_keys": [f"video_{n}" for n in (1, 2, 3, 4)], "test_keys": ["video_5", "video_6"]}]
fine_tuning = all_of(
    annotated,
    text("S.json", FOLDS),
    config(
        "summarize",
        {"dataset": "D.h5", "splits": "S.json", "max_frames": 8, "val_share": 0.34},
        video=TOWER,
        summarizer={"num_stages": 2},
    ),
)
cross_validated = all_of(fine_tuning, command("crossval --config run.yaml --out X --seeds 1 --quiet"))


def pairs(folder: Path) -> None:
    """`pairs.jsonl` and `features.h5`."""
    write_set(folder, [12, 9, 11, 8], width=WIDTH, category=["a"] * 4)


def pairs_csv(folder: Path) -> None:
    """`pairs.csv` and `features.h5`."""
    pairs(folder)
    rows = [f"v0{n},features.h5#v0{n},title {n},words {n}" for n in range(4)]
    (folder / "pairs.csv").write_text("\n".join(["id,path,title,description", *rows]) + "\n")


def arrays(folder: Path) -> None:
    """`pairs.csv` and a .npy file a video."""
    for number in range(3):
        np.save(folder / f"v{number}.npy", np.random.default_rng(number).random((9 + number, WIDTH), np.float32))
    (folder / "pairs.csv").write_text("id,path,title\n" + "".join(f"v{n},v{n}.npy,title {n}\n" for n in range(3)))


shards = all_of(pairs, command("data shard pairs.jsonl --out shards --shard-size 2 --quiet"), pretraining("shards"))


def clips(folder: Path) -> None:
    """`clips/`: an h5 file of 27 captioned clips, and an npz file of one more."""
    (folder / "clips").mkdir()
    with h5py.File(folder / "clips" / "many.h5", "w") as file:
        for number in range(28):
            rows = np.random.default_rng(number).random((20, WIDTH), np.float32)
            facts = {
                "concept": f"thing {number % 4}",
                "category": "things",
                "caption": f"take {number}",
                "rate_hz": 2.0,
            }
            if number:
                file[f"c{number:02d}/features"] = rows
                file[f"c{number:02d}"].attrs.update(facts)
            else:
                np.savez(folder / "clips" / "one.npz", features=rows, **facts)


def scores_of(write: Callable[[Path, dict[str, np.ndarray]], Any]) -> Maker:
    """`D.h5` and a file of scores of its videos."""

    def make(folder: Path) -> None:
        drawn.community(folder / "D.h5")
        counts = [len(range(0, n_frames, 15)) for n_frames in drawn.FRAMES]
        write(folder, {f"video_{n}": np.linspace(0, 1, count) for n, count in enumerate(counts, start=1)})

    return make


scores_json = scores_of(lambda folder, scores: text("s.json", {k: v.tolist() for k, v in scores.items()})(folder))
scores_npz = scores_of(lambda folder, scores: np.savez(folder / "s.npz", **scores))
scores_csv = scores_of(
    lambda folder, scores: text(
        "s.csv",
        "video,pick,score\n" + "".join(f"{k},{i},{v:.3f}\n" for k, row in scores.items() for i, v in enumerate(row)),
    )(folder)
)


def features_of_own(path: Path) -> None:
    """Of the two videos of the annotations of one's own."""
    with h5py.File(path, "w") as file:
        for name, n_frames in (("holiday", 250), ("wedding", 120)):
            picks = np.arange(0, n_frames, 15)
            file[f"{name}/features"] = np.random.default_rng(n_frames).random((len(picks), WIDTH), np.float32)
            file[f"{name}/picks"], file[f"{name}/n_frames"] = picks, n_frames


def summe(folder: Path) -> None:
    """The folder of an annotation file."""
    (folder / "GT").mkdir()
    drawn.summe_mat(folder / "GT" / "Jumps.mat")


def tvsum_mat(path: Path) -> None:
    """MATLAB v7.3: a table of references, texts as numbers."""
    columns: dict[str, list[Any]] = {
        "video": ["AwmHb44_ouw", "98MoyGZKHXc"],
        "category": ["VT", "VT"],
        "title": ["one", "two"],
        "length": ["6", "8"],
        "nframes": [np.array([[120.0]]), np.array([[150.0]])],
        "user_anno": [np.random.default_rng(n).integers(1, 6, (3, n)).astype(float) for n in (120, 150)],
        "gt_score": [np.ones((1, n)) for n in (120, 150)],
    }
    with h5py.File(path, "w") as file:
        for name, cells in columns.items():
            references = []
            for number, cell in enumerate(cells):
                array = np.array([[ord(letter)] for letter in cell], np.uint16) if isinstance(cell, str) else cell
                references.append([file.create_dataset(f"#refs#/{name}{number}", data=array).ref])
            file.create_dataset(f"tvsum50/{name}", data=np.array(references, dtype=h5py.ref_dtype))


def video(name: str, **how: Any) -> Maker:
    """Three seconds of 5 frames."""
    return named(name, lambda path: write_video(path, [k / 5 for k in range(15)], rate=5, **how))


def sound_alone(path: Path) -> None:
    """A WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((SOUND[0] * 30000).astype("<i2").tobytes())


extracted = all_of(video("a.mp4"), video("b.mp4"), command(f"extract a.mp4 b.mp4 --out F.h5 {EYES}"))


def checkpoint(folder: Path) -> None:
    """`C`: a summarizer's folder."""
    saved_summarizer(folder / "C")


def text_checkpoint(folder: Path) -> None:
    """`C`: that of a summarizer that reads text."""
    saved_summarizer(folder / "C", guidance="gate")


def refined(folder: Path) -> None:
    """`C`: that of refined features."""
    saved_refined(folder / "C")


def pretrained(folder: Path) -> None:
    """`P`: that of a pretraining model."""
    tiny_task().save_pretrained(folder / "P")


def lightning(make_task: Callable[[], Any]) -> Maker:
    """`m.ckpt`, as training leaves it."""

    def make(folder: Path) -> None:
        import pytorch_lightning as pl

        quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
        trainer = pl.Trainer(max_steps=0, accelerator="cpu", **dict.fromkeys(quiet, False))
        trainer.strategy.connect(make_task())
        trainer.save_checkpoint(folder / "m.ckpt")

    return make


summarizer_file, refined_file, pretraining_file = map(lightning, (tiny_summarizer, tiny_refined, tiny_task))


def resumable(folder: Path) -> None:
    """`last.ckpt` of a run of one step."""
    all_of(fine_tuning, command(FIT))(folder)
    (folder / "out/runs/tiny/version_0/checkpoints/last.ckpt").rename(folder / "last.ckpt")
    shutil.rmtree(folder / "out")


def official_file(path: Path) -> None:
    """As the official code saves it."""
    torch.save(official(plain_model(dim=16)), path)


def part_of_googlenet(path: Path) -> None:
    """One of its tensors: whole weights are too large."""
    torch.save({"conv1.conv.weight": torch.zeros(64, 3, 7, 7)}, path)


def part_of_clip(path: Path) -> None:
    """Two of its tensors."""
    save_file({"logit_scale": torch.zeros(()), "text_projection": torch.zeros(4, 4)}, path)
