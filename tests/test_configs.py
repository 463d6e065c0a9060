"""Every shipped config is understood and makes its objects; the published one says what was published."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import yaml
from helpers.drawn_dataset import drawn_video
from helpers.format_material import youtube8m_tfrecord
from helpers.pair_sets import features_of, write_set
from helpers.summarization_material import WIDTH, write_annotated
from helpers.tiny_pretraining import TEXT, VIDEO
from helpers.tiny_refined import tiny_refined

import sspvs
from sspvs.cli import main
from sspvs.importance.contrastive import contrastive_importance
from sspvs.models.csta import CNNS
from sspvs.models.refiner import Refiner
from sspvs.models.summarizer import SummarizerSettings
from sspvs.table import add_stream, read_dataset, write_dataset
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.summarize import SummarizeTask
from sspvs.training.command_line import ReadConfig, TrainingCLI
from sspvs.types import FrameFeatures

FOLDER = Path(__file__).parents[1] / "configs" / "pretrain"
FINETUNE = FOLDER.parent / "finetune"
REFINE = FOLDER.parent / "refine"
CONFIGS = sorted(path.name for path in FOLDER.glob("*.yaml"))
FINE_TUNED = sorted(path.name for path in FINETUNE.glob("*.yaml"))
REFINED = sorted(path.name for path in REFINE.glob("*.yaml"))
TINY_BERT = {
    "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 30522, "max_position_embeddings": 64,
}  # fmt: skip


class Made(TrainingCLI):
    """Everything but the run itself."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def made(name: str, folder: Path, *more: str) -> Made:
    words = ["--config", str(FOLDER / name), "--run.root", str(folder / "runs"), *more]
    if name.startswith("ytvt"):
        data = str(write_set(folder, [9, 12, 7]))
        # What a machine without GPUs and without BERT's weights lacks.
        words += ["--data.train", data, "--model.text.config", json.dumps(TINY_BERT)]
        words += ["--model.video.embed_dim", "16", "--model.video.feedforward_dim", "32"]
        words += ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.strategy", "auto"]
    else:
        words += ["--data.world.folder", str(folder / "worlds"), "--data.world.settings.pretrain_train", "4"]
        words += ["--data.world.settings.pretrain_val", "2"]
    return Made("fit", words)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_makes_its_objects(name: str, tmp_path: Path) -> None:
    cli = made(name, tmp_path)
    assert isinstance(cli.model, PretrainTask)
    assert cli.model.hparams["video"]["feature_dim"] == cli.datamodule.feature_dim
    assert cli.model.hparams["video"]["trained_length"] == cli.datamodule.max_frames
    assert cli.datamodule.encoder == cli.model.hparams["text"]["encoder"]
    assert cli.model.losses.contrastive == (cli.datamodule.negative_probability == 0)
    text = (FOLDER / name).read_text()
    assert f"sspvs fit --config configs/pretrain/{name}" in text
    assert os.environ.get("WANDB_MODE") is None
    assert not (tmp_path / "runs").exists()  # nothing is written before training


def test_the_published_settings(tmp_path: Path) -> None:
    """Section 1 of what the paper and its code say."""
    config: dict[str, Any] = yaml.safe_load((FOLDER / "ytvt_paper.yaml").read_text())
    assert config["trainer"]["devices"] == 2
    assert config["trainer"]["max_epochs"] == 200
    video = config["model"]["video"]
    assert (video["embed_dim"], video["num_heads"], video["num_layers"], video["feedforward_dim"]) == (1024, 8, 3, 4096)
    cli = made("ytvt_paper.yaml", tmp_path)
    hparams, data = cli.model.hparams, cli.datamodule
    assert hparams["text"]["encoder"] == "bert-base-uncased"
    assert hparams["text"]["attend_padding"]
    assert not hparams["text"]["frozen"]
    assert (data.text.category, data.text.query, data.text.title, data.text.description) == (2, 2, 5, 50)
    assert data.text.pad_fields
    assert (data.batch_size, data.repeats, data.max_frames, data.negative_probability) == (8, 8, 256, 0.5)
    assert data.masks.kind == "one"
    losses, optim = cli.model.losses, cli.model.optim
    assert (losses.coarse, losses.fine, losses.mask, losses.margin) == ("matching", "hausdorff", True, 1.414)
    assert (losses.coarse_weight, losses.mask_weight, losses.fine_weight) == (1, 5, 1)
    assert (optim.name, optim.lr, optim.schedule, optim.weight_decay) == ("adam", 1e-6, "constant", 0)
    assert (hparams["dropout"], video["dropout"], hparams["local_radius"]) == (0.1, 0.1, 4)
    assert (cli.run_settings.monitor, cli.run_settings.mode) == ("val/matching_accuracy", "max")
    assert (cli.settings.published, cli.settings.seed_everything) == ("sspvs", 12345)
    assert (data.padding_counts, data.keep_last, data.val_draws, data.text.padding_counts) == (True, True, 8, True)
    assert cli.settings.trainer.check_val_every_n_epoch == 2
    assert hparams["video"]["start"] == "released"


PUBLISHED = {  # stages, learning rate, batch, repeats, epochs, tokens of category, query and title
    "summe_canonical": (3, 1e-4, 2, 4, 40, None),
    "summe_canonical_text": (3, 1e-4, 4, 6, 40, (1, 3, 1)),
    "tvsum_canonical": (4, 5e-5, 4, 1, 40, None),
    "tvsum_canonical_text": (4, 1e-4, 4, 1, 40, (1, 3, 10)),
    "summe_augmented": (2, 1e-4, 2, 2, 40, None),
    "tvsum_augmented": (1, 1e-4, 4, 2, 40, None),
    "summe_transfer": (2, 5e-5, 4, 2, 10, None),
    "tvsum_transfer": (2, 2e-6, 16, 1, 10, None),
}
FROM_NOTHING = ("synthetic.yaml", "own.yaml", "tvsum_i3d.yaml", "summe_csta.yaml", "tvsum_csta.yaml")
FILES = {"canonical": "", "augmented": "_aug", "transfer": "_trans"}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn datasets, one of several streams, and a small pretraining checkpoint for their features."""
    folder = tmp_path_factory.mktemp("finetune")
    for name in ("summe", "tvsum", "ovp", "youtube", "mine", "tvsum_i3d"):
        write_annotated(folder / f"{name}.h5", 6, name=name, title="a dog", category="pets")
    with read_dataset(folder / "tvsum_i3d.h5") as store:
        lengths = {key: len(store[key].picks) for key in store}
    for name, width in (("captions", 384), ("flow", 8), ("audio", 4)):
        rows = {key: np.ones((length, width), np.float32) for key, length in lengths.items()}
        add_stream(folder / "tvsum_i3d.h5", name, rows)
    PretrainTask(VIDEO, TEXT).save_pretrained(folder / "pretrained")
    return folder


def fine_tuned(name: str, material: Path, folder: Path, *more: str, kind: type[TrainingCLI] = Made) -> TrainingCLI:
    """A fine-tuning config on what this machine has."""
    config: dict[str, Any] = yaml.safe_load((FINETUNE / name).read_text())
    words = ["--config", str(FINETUNE / name), "--run.root", str(folder / "runs"), "--trainer.accelerator", "cpu"]
    words += more
    if "world" in config["data"]:
        words += ["--data.world.folder", str(folder / "worlds"), "--data.world.settings.pretrain_train", "4"]
        words += ["--data.world.settings.pretrain_val", "2", "--data.world.settings.annotated", "10"]
        words += ["--model.pretrained", "null"]
        return kind("fit", words)
    words += ["--data.dataset", str(material / Path(config["data"]["dataset"]).name)]
    start = "null" if config["model"].get("pretrained") is None else str(material / "pretrained")
    words += ["--model.pretrained", start, "--data.splits", "null"]
    if "cnn_weights" in config["model"]:
        words += ["--model.cnn_weights", "null"]
    if "others" in config["data"]:
        others = [str(material / Path(other).name) for other in config["data"]["others"]]
        words += ["--data.others", json.dumps(others), "--data.setting", name.removesuffix(".yaml").split("_")[1]]
    return kind("fit", words)


@pytest.mark.parametrize("name", FINE_TUNED)
def test_fine_tuning_makes_its_objects(name: str, material: Path, tmp_path: Path) -> None:
    cli = fine_tuned(name, material, tmp_path)
    task, data = cli.model, cli.datamodule
    assert isinstance(task, SummarizeTask)
    assert task.hparams["video"]["feature_dim"] == data.feature_dim
    assert data.use_text == task.hparams["summarizer"]["text_guidance"]
    assert data.text == task.text_fields
    assert (task.model.text_encoder is None) == (data.use_text == "none")
    assert (cli.run_settings.monitor, cli.run_settings.mode) == ("val/kendall_tau", "max")
    assert data.validate_on == "held-out"
    videos = data.fold_videos
    assert min(len(videos.train), len(videos.val)) > 0
    assert bool(videos.test) == (data.fold is not None)
    text = (FINETUNE / name).read_text()
    assert f"sspvs crossval --config configs/finetune/{name}" in text
    if name != "smoke.yaml":
        assert "Needs:" in text
        assert "Should reach:" in text
        assert (task.initialised_from is None) == (name in FROM_NOTHING)
    assert not (tmp_path / "runs").exists()  # nothing is written before training


@pytest.mark.parametrize(("number", "name"), list(enumerate(FINE_TUNED)))
def test_another_head_is_one_word(number: int, name: str, material: Path, tmp_path: Path) -> None:
    """Whatever stages a config sets for the progressive head: on the command line and in a config on top."""
    head = ("linear", "attention", "csta-small")[number % 3]
    top = tmp_path / "top.yaml"
    top.write_text(f"model: {{summarizer: {{head: {head}}}}}")
    for more in (["--model.summarizer.head", head], ["--config", str(top)]):
        chosen = fine_tuned(name, material, tmp_path, *more, kind=ReadConfig).settings.model.summarizer
        assert (chosen.head, chosen.num_stages) == (head, 1)
        SummarizerSettings(**chosen.as_dict())


@pytest.mark.parametrize("row", PUBLISHED)
def test_the_published_rows(row: str, material: Path, tmp_path: Path) -> None:
    """The published settings table: Adam, constant, MSE, at most 512 frames."""
    stages, rate, batch, repeats, epochs, lengths = PUBLISHED[row]
    dataset, setting = row.split("_")[:2]
    config: dict[str, Any] = yaml.safe_load((FINETUNE / f"{row}.yaml").read_text())
    assert config["data"]["splits"] == f"data/splits/{dataset}{FILES[setting]}_splits.json"
    assert config["data"]["dataset"] == f"data/{dataset}.h5"
    others = {"summe", "tvsum", "ovp", "youtube"} - {dataset} if setting != "canonical" else set()
    assert {Path(path).stem for path in config["data"].get("others", [])} == others
    assert config["trainer"]["max_epochs"] == epochs
    cli = fine_tuned(f"{row}.yaml", material, tmp_path)
    hparams, data, task = cli.model.hparams, cli.datamodule, cli.model
    head = hparams["summarizer"]
    assert (head["head"], head["num_stages"], head["dropout"]) == ("progressive", stages, 0.1)
    assert head["text_guidance"] == ("none" if lengths is None else "added")
    assert (hparams["video"]["position_weight"], hparams["video"]["dropout"]) == (0.1, 0.1)
    assert hparams["train_text"] == "pooler"
    assert not hparams["freeze_encoder"]
    optim, losses = task.optim, task.losses
    assert (optim.name, optim.lr, optim.schedule, optim.weight_decay) == ("adam", rate, "constant", 0)
    assert (optim.encoder_lr, optim.text_lr, optim.layer_decay) == (None, None, 1)
    assert (losses.mse, losses.pairwise, losses.correlation) == (1, 0, 0)
    assert (data.batch_size, data.repeats, data.max_frames) == (batch, repeats, 512)
    if lengths is not None:
        assert (data.text.category, data.text.query, data.text.title, data.text.description) == (*lengths, None)
        assert (data.text.pad_fields, data.text.padding_counts, data.text.cut, data.text.whole) == (
            *(True, True), *("first", True),
        )  # fmt: skip
        assert data.title_as_query == (dataset == "tvsum")
    assert cli.settings.published == "sspvs"
    assert (data.padding_counts, data.targets, data.keep_last, data.val_batch_size) == (True, "window", True, 1)
    assert (hparams["text_dropout"], hparams["video"]["trained_length"]) == (True, 5000)
    assert cli.settings.seed_everything == (0 if row == "tvsum_canonical_text" else 12345)
    # What chooses the epoch on the tested videos (methods, section 6; evaluation, section 4).
    by_rank = dataset == "summe" and lengths is None
    reduced = "f_score_max" if dataset == "summe" else "f_score_avg"
    assert cli.run_settings.best_test == "sspvs"
    assert cli.run_settings.best_by == ((reduced, "kendall_tau") if by_rank else (reduced,))
    assert (data.protocol, data.rule) == ("per-user-frames", "sspvs")


@pytest.mark.parametrize("dataset", ["summe", "tvsum"])
def test_the_published_settings_of_csta(dataset: str, material: Path, tmp_path: Path) -> None:
    """Section 5 of what the paper and its code say."""
    cli = fine_tuned(f"{dataset}_csta.yaml", material, tmp_path)
    run = cli.run_settings
    assert (cli.trainer.max_epochs, run.best_test, run.best_by) == (100, "csta", ("kendall_tau", "spearman_rho"))
    task, data, head = cli.model, cli.datamodule, cli.model.model.head
    assert (head.cnn_name, head.softmax, head.positions.kind) == ("googlenet", "both", "sinusoidal")
    assert (head.map_dropout.p, head.hidden_dropout.p, head.dropout.p) == (0.6, 0.5, 0)
    assert round(sum(one.numel() for one in head.parameters()) / 1e6, 2) == 9.78
    optim, losses = task.optim, task.losses
    assert (optim.name, optim.lr, optim.schedule, optim.warmup_steps) == ("adam", 1e-3, "constant", 0)
    assert (optim.weight_decay, optim.decay_all) == (1e-7, True)
    assert (losses.mse, losses.pairwise, losses.correlation) == (1, 0, 0)
    assert (data.batch_size, data.repeats, data.max_frames, data.targets) == (1, 1, None, "raw")
    assert (data.protocol, data.rule) == ({"summe": "summary-vs-mean", "tvsum": "per-user"}[dataset], "csta")


@pytest.mark.slow
def test_csta_runs_end_to_end(material: Path, tmp_path: Path) -> None:
    """From ImageNet's weights and a split of CSTA's kind to a table, with fewer columns than published."""
    torch.manual_seed(0)
    torch.save(CNNS["googlenet"].make().state_dict(), tmp_path / "googlenet.pth")
    keys = [f"video_{number}" for number in range(1, 7)]
    folds = [{"train_keys": keys[:4], "test_keys": keys[4:]}, {"train_keys": keys[2:], "test_keys": keys[:2]}]
    (tmp_path / "TVSum_splits.txt").write_text("\n".join(map(str, folds)))
    words = ["crossval", "--config", str(FINETUNE / "tvsum_csta.yaml"), "--out", str(tmp_path / "out"), "--seeds", "1"]
    words += ["--data.dataset", str(material / "tvsum.h5"), "--data.splits", str(tmp_path / "TVSum_splits.txt")]
    words += ["--model.cnn_weights", str(tmp_path / "googlenet.pth"), "--trainer.max_epochs", "1"]
    words += ["--trainer.accelerator", "cpu", "--model.video.embed_dim", "64", "--checkpoint-rule", "best-test"]
    assert main(words) == 0
    task = SummarizeTask.from_pretrained(tmp_path / "out" / "seed_0" / "fold_0" / "pretrained")
    assert task.hparams["cnn_weights"] is None  # it needs the file no more
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["crossval"]["config"]["data"]["targets"] == "raw"
    assert "kendall_tau and spearman_rho all rose" in result["crossval"]["folds"][0]["chosen"]["why"]


# Refinement ----------------------------------------------------------------------------------------------------------

TINY_WORLD = {"pretrain_train": 6, "pretrain_val": 2, "annotated": 10, "drawn.clips_per_concept": 16}
SETTINGS = {  # batch, heads, weight decay, what follows the product
    "summe": (8, 1, 1e-4, "summe"),
    "tvsum": (32, 1, 1e-4, "tvsum"),
    "youtube8m": (128, 8, 5e-4, "summe"),
}


def refined(name: str, material: Path, folder: Path) -> list[str]:
    """A refinement config on what this machine has, as words of the command line."""
    data: dict[str, Any] = yaml.safe_load((REFINE / name).read_text())["data"]
    words = ["--config", str(REFINE / name), "--run.root", str(folder / "runs"), "--trainer.accelerator", "cpu"]
    if "world" in data:
        words += ["--data.world.folder", str(folder / "worlds")]
        return words + [f"--data.world.settings.{setting}={value}" for setting, value in TINY_WORLD.items()]
    if "dataset" in data:
        return [*words, "--data.dataset", str(material / Path(data["dataset"]).name), "--data.splits", "null"]
    assert data["features"] == [{"archive.yaml": "features", "youtube8m.yaml": "data/yt8m"}[name]]
    files = folder / "features"
    files.mkdir()
    if name == "youtube8m.yaml":
        youtube8m_tfrecord(files / "train0026.tfrecord")
    else:
        for number in range(4):
            np.save(files / f"{number}.npy", features_of(number, 20 + number))
    return [*words, "--data.features", json.dumps([str(files)])]


@pytest.mark.parametrize("name", REFINED)
def test_refinement_makes_its_objects(name: str, material: Path, tmp_path: Path) -> None:
    cli = Made("fit", refined(name, material, tmp_path))
    task, data = cli.model, cli.datamodule
    assert isinstance(task, RefineTask)
    assert task.hparams["refiner"]["feature_dim"] == data.feature_dim
    assert (cli.run_settings.monitor, cli.run_settings.mode) == ("val/loss", "min")
    assert (data.validate_on == "nothing") == (name != "smoke.yaml")  # the last epoch is taken
    data.setup()
    trained, unlabelled = data.clips("train"), name in ("archive.yaml", "youtube8m.yaml")
    assert len(trained) >= 2
    assert data.clip_frames % task.losses.segments == 0
    if not unlabelled:
        videos = data.fold_videos
        assert len(videos.test) > 0
        assert not {*videos.test, *videos.val} & {trained[place].id for place in range(len(trained))}
    text = (REFINE / name).read_text()
    verb = "fit" if unlabelled else "crossval"
    assert f"sspvs {verb} --config configs/refine/{name}" in " ".join(text.split())
    if name != "smoke.yaml":
        assert "Needs:" in text
        assert "Should reach:" in text
    assert not (tmp_path / "runs").exists()  # nothing is written before training


@pytest.mark.parametrize("name", SETTINGS)
def test_the_published_settings_of_refinement(name: str, material: Path, tmp_path: Path) -> None:
    """Section 4 of what the paper and its code say."""
    batch, heads, decay, post = SETTINGS[name]
    cli = Made("fit", refined(f"{name}.yaml", material, tmp_path))
    task, data, net = cli.model, cli.datamodule, cli.model.hparams["refiner"]
    assert (net["embed_dim"], net["num_layers"], net["num_heads"], net["head_dim"]) == (256, 4, heads, 64)
    assert (net["feedforward_dim"], net["uniqueness"], net["uniqueness_dim"]) == (512, True, 256)
    assert (net["dropout"], net["attention_dropout"]) == (0, 0.1)
    layers = [*task.model.layers, task.model.uniqueness_head.layer]
    assert {(layer.attention.dropout, layer.dropout.p) for layer in layers} == {(0.1, 0)}
    (group,) = cli.model.optimizer_groups()  # every parameter is decayed
    assert len(group["params"]) == len(list(task.parameters()))
    assert group["weight_decay"] == decay
    losses, optim = task.losses, task.optim
    assert (losses.alignment, losses.uniformity, losses.commonness, losses.uniqueness) == (1, 0.5, 0.1, 0.1)
    assert (losses.neighbour_fraction, losses.segments, losses.segment_means) == (0.1, 20, "raw")
    assert (optim.name, optim.lr, optim.weight_decay) == ("adam", 1e-4, decay)
    assert (optim.schedule, optim.warmup_steps) == ("constant", 0)
    assert (data.clip_frames, data.short, data.repeats, data.batch_size) == (200, "stretch", 1, batch)
    assert (cli.trainer.max_epochs, cli.trainer.gradient_clip_val, data.validate_on) == (40, None, "nothing")
    assert (task.scoring.combine, task.scoring.post) == ("agh", post)


STEPS = {  # of a training of 40 epochs
    ("summe", "canonical"): 40 * 3, ("summe", "augmented"): 40 * 20, ("summe", "transfer"): 40 * 18,
    ("tvsum", "canonical"): 80, ("tvsum", "augmented"): 200, ("tvsum", "transfer"): 160,
}  # fmt: skip


@pytest.fixture(scope="module")
def whole_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn datasets with as many videos, and the same keys, as the real ones."""
    folder = tmp_path_factory.mktemp("whole")
    for seed, (name, count) in enumerate({"summe": 25, "tvsum": 50, "ovp": 50, "youtube": 39}.items()):
        numbers = range(1, count + 1)
        if name == "youtube":  # the keys that are left of its 50
            numbers = [n for n in range(11, 51) if n != 22]
        rows = []
        for n in numbers:
            video = replace(drawn_video(100 * seed + n), key=f"video_{n}", video_name=f"{name} {n}")
            drawn = np.random.default_rng([seed, n]).standard_normal((len(video.picks), WIDTH), np.float32)
            rows.append((video, FrameFeatures(video.video_name, drawn, video.picks, video.n_frames)))
        write_dataset(folder / f"{name}.h5", rows, name=name, made_by={"source": "drawn"})
    return folder


@pytest.mark.parametrize(("name", "setting"), STEPS)
def test_who_trains_and_in_how_many_steps(
    name: str, setting: str, whole_sets: Path, shared_data: Path, tmp_path: Path
) -> None:
    """The command in the config's head, with the published split files, which are read here independently."""
    text = (REFINE / f"{name}.yaml").read_text().replace(" \\\n#", "")
    end = "" if setting == "canonical" else f"_{setting}"
    lines = [shlex.split(line[1:]) for line in text.splitlines() if line.startswith("#   sspvs")]
    (command,) = [words for words in lines if words[5] == f"runs/refine_{name}{end}"]  # sspvs crossval --config C --out
    places = {"data/splits/": f"{shared_data}/splits/", "data/": f"{whole_sets}/"}
    given = [f"--data.dataset=data/{name}.h5", f"--data.splits=data/splits/{name}_splits.json", *command[6:]]
    given = [re.sub(r"\bdata/(splits/)?", lambda match: places[match[0]], word) for word in given]
    cli = Made("fit", ["--config", str(REFINE / f"{name}.yaml"), *given, "--trainer.accelerator=cpu", "--data.fold=0"])
    data = cli.datamodule
    data.setup()

    published = json.loads((shared_data / "splits" / f"{name}_splits.json").read_text())[0]
    others = {"summe", "tvsum", "ovp", "youtube"} - {name}
    sizes = {"summe": 25, "tvsum": 50, "ovp": 50, "youtube": 39}
    trained = [tuple(video.split("/")) for video in data.fold_videos.train]
    own = {key for dataset, key in trained if dataset == name}
    foreign = [dataset for dataset, _ in trained if dataset != name]
    assert len(set(trained)) == len(trained)
    assert own == (set() if setting == "transfer" else set(published["train_keys"]))
    assert {dataset: foreign.count(dataset) for dataset in foreign} == (
        {} if setting == "canonical" else {dataset: sizes[dataset] for dataset in others}
    )
    tested = {video.split("/")[1] for video in data.fold_videos.test}
    every = {f"video_{number}" for number in range(1, sizes[name] + 1)}
    assert tested == (every if setting == "transfer" else set(published["test_keys"]))
    loader = data.train_dataloader()
    assert len(loader) * cli.trainer.max_epochs == STEPS[name, setting]
    batches = list(loader.sampler)
    assert sum(map(len, batches)) == len(trained)
    assert len(batches) == len(loader)
    assert data.split.setting == setting


@pytest.mark.parametrize("name", ["smoke.yaml", "synthetic.yaml"])
def test_refinement_runs(name: str, material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*refined(name, material, tmp_path), "--trainer.max_epochs", "1", "--data.batch_size", "4"]
    assert main(["fit", *words]) == 0
    assert " steps, run folder " in capsys.readouterr().out
    (run,) = (tmp_path / "runs").glob("*/version_0")
    kept = {path.name for path in (run / "pretrained").iterdir()}
    assert kept == ({"best", "last"} if name == "smoke.yaml" else {"last"})
    assert RefineTask.from_pretrained(run / "pretrained" / "last").hparams["combine"] == "agh"


def inception_file(path: Path) -> Path:
    """Two videos in the field's layout, as CTVSUM's release has them: ratings at the picks, features of any length."""
    with h5py.File(path, "w") as file:
        for number in (1, 2):
            video = drawn_video(number, ratings=True)
            group = file.create_group(video.key)
            drawn = np.random.default_rng(number).standard_normal((len(video.picks), WIDTH))
            group["features"] = 3 * drawn.astype(np.float32)
            group["user_scores"], group["gtscore"] = video.user_scores_at_picks, video.gtscore
            group["user_summary"] = video.user_summaries.astype(np.float32)
            group["picks"], group["n_frames"], group["n_steps"] = video.picks, video.n_frames, len(video.picks)
    return path


def test_the_zero_shot_evaluations_that_the_header_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On users' scores beside Inception features, and on MR.HiSum, where one importance a frame is known."""
    only_mean = replace(drawn_video(1, ratings=True), user_scores=None, user_summaries=None)
    datasets = {
        "tvsum_inception.h5": inception_file(tmp_path / "tvsum_inception.h5"),
        "mr_hisum.h5": write_annotated(tmp_path / "mr_hisum.h5", [only_mean]),
    }
    task = tiny_refined(feature_dim=WIDTH, unit_length=True, scored_as_given=True)
    checkpoint = task.save_pretrained(tmp_path / "last")
    text = (REFINE / "youtube8m.yaml").read_text().replace("\\\n#", " ")
    commands = [line.split()[2:] for line in text.splitlines() if line.startswith("#   sspvs evaluate")]
    assert [command[2] for command in commands] == list(datasets)
    place = {"runs/refine_youtube8m/version_0/pretrained/last": checkpoint, **datasets}
    for command in commands:
        out = tmp_path / "result.json"
        assert main([*(str(place.get(word, word)) for word in command), "--out", str(out)]) == 0
        assert "refined A*G*H" in capsys.readouterr().out
        if "tvsum" in command[2]:
            rows = json.loads(out.read_text())["videos"].values()
            found = {row["key"]: row["kendall_tau"] for row in rows}
    with read_dataset(datasets["tvsum_inception.h5"]) as store:
        for key, tau in found.items():  # the network sees features as they are in the file
            frames = torch.from_numpy(store.features[key].features)
            with torch.no_grad():
                out_of_it = Refiner(task.model.settings).eval()
                out_of_it.load_state_dict(task.model.state_dict())
                refined, unique = out_of_it(frames[None], torch.ones(1, len(frames), dtype=torch.bool))
            scores = contrastive_importance(
                refined[0].numpy(),
                raw=frames.numpy(),
                uniqueness=unique[0].sigmoid().numpy(),
                combine="agh",
                post="tvsum",
            ).scores
            users = store[key].user_scores_at_picks
            assert tau == pytest.approx(np.mean([sspvs.kendall_tau(scores, user) for user in users]), abs=1e-9)


def test_the_drawn_world_is_the_one_of_pretraining() -> None:
    one, *others = (
        yaml.safe_load((folder / "synthetic.yaml").read_text())["data"] for folder in (FOLDER, FINETUNE, REFINE)
    )
    assert [other["world"] for other in others] == [one["world"], one["world"]]
