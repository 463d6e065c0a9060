"""Checkpoints of unknown origin: nothing they name is looked for, and whatever is wrong with them is one line."""

from __future__ import annotations

import copy
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from helpers.tiny_pretraining import VIDEO, tiny_task
from helpers.tiny_refining import tiny_refiner
from helpers.tiny_summarizing import tiny_summarizer
from safetensors.torch import load_file, save_file

from sspvs.cli import main
from sspvs.errors import CheckpointError
from sspvs.models.settings import TextEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.tasks.checkpoint import PRETRAIN, REFINE, SUMMARIZE, Checkpoint
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.saved_task import SavedTask
from sspvs.tasks.summarize import SummarizeTask
from sspvs.types import Fingerprint

KINDS = (PRETRAIN, SUMMARIZE, REFINE)
MADE = Fingerprint("efficientnet-lite0", "ab" * 32, "resize", "none", 2.0).as_dict()
BERT = {
    "model_type": "bert", "vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 20, "max_position_embeddings": 64,
}  # fmt: skip


def with_bert(**text: Any) -> SummarizeTask:
    """A summarizer guided by the words of a tower that has a hub name."""
    torch.manual_seed(2)
    tower = TextEncoderSettings("nobody/has-this", config=BERT, **text)
    return SummarizeTask(VIDEO, SummarizerSettings(text_guidance="gate"), tower, feature_fingerprint=MADE)


MAKERS: dict[str, Callable[[], SavedTask]] = {
    "pretrain": lambda: tiny_task(),
    "summarize": lambda: tiny_summarizer(0, "gate", feature_fingerprint=MADE),
    "summarize with BERT": with_bert,
    "refine": lambda: tiny_refiner(feature_fingerprint=MADE),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind; beside each the same as a Lightning file."""
    root = tmp_path_factory.mktemp("good")
    for name, make in MAKERS.items():
        task = make()
        task.save_pretrained(root / name)
        torch.save({"hyper_parameters": dict(task.hparams), "state_dict": task.state_dict()}, root / f"{name}.ckpt")
    return {name: root / name for name in MAKERS}


def video_of(width: int, path: Path) -> Path:
    """Features of one video."""
    with h5py.File(path, "w") as file:
        group = file.create_group("video_1")
        group["features"] = np.random.default_rng(0).random((20, width), np.float32)
        group["picks"], group["n_frames"] = np.arange(20) * 15, 300
    return path


def changed(folder: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy whose config is another."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    config = json.loads((target / "config.json").read_text())
    change(config)
    (target / "config.json").write_text(json.dumps(config))
    return target


# What a checkpoint names is not looked for


def _received(folder: Path, target: Path, trap: Path) -> tuple[Path, Path]:
    """The same, as somebody might send it: settings that would fetch, and open a folder of one's own."""
    told = {"source": str(trap), "kind": PRETRAIN, "sha256": "0", "loaded": 1, "missing": [], "unexpected": []}

    def change(settings: dict[str, Any]) -> None:
        settings.update(pretrained=str(trap), initialised_from=told)
        settings["text"].update(download=True, encoder=str(trap))

    changed(folder, target, lambda config: change(config["settings"]))
    file = torch.load(folder.with_suffix(".ckpt"), weights_only=True)
    change(file["hyper_parameters"])
    torch.save(file, target.with_suffix(".ckpt"))
    return target, target.with_suffix(".ckpt")


def test_a_received_checkpoint_fetches_and_opens_nothing(
    good: dict[str, Path], tmp_path: Path, opened: list[str]
) -> None:
    trap = tmp_path / "trap"
    shutil.copytree(good["pretrain"], trap)
    wide = video_of(16, tmp_path / "wide.h5")
    for number, source in enumerate(_received(good["summarize with BERT"], tmp_path / "sent", trap)):
        out = tmp_path / str(number)
        out.mkdir()
        opened.clear()
        assert main(["score", str(wide), "--scorer", str(source), "--out", str(out / "s.h5")]) == 0
        assert (
            main(["export", str(source), "--card", str(out / "c.md"), "--onnx", str(out / "m.onnx"), "--no-check"]) == 0
        )
        task = SummarizeTask.from_pretrained(source)
        assert Checkpoint.open(source, KINDS).checked().settings["text"]["download"] is False
        assert str(source if source.is_file() else source / "config.json") in opened  # the watch sees what is opened
        assert not [name for name in opened if name.startswith(str(trap))]
        assert (task.hparams["pretrained"], task.hparams["text"]["download"]) == (None, False)


def test_looking_into_the_hub_s_cache_resolves_no_name() -> None:
    """In a process of its own: the library asks once a process."""
    code = """
import socket
asked = []
socket.getaddrinfo = lambda *words, **_: asked.append(words)
from sspvs.models.tokenizers import load_tokenizer
from sspvs.errors import WeightsNotFoundError
from sspvs.models.settings import TextEncoderSettings
from sspvs.models.text_towers import build_text_encoder
from sspvs.tasks.pretrain import PretrainTask
for look in (load_tokenizer, PretrainTask.from_pretrained, lambda n: build_text_encoder(TextEncoderSettings(n))):
    try:
        look("nobody/has-this")
    except WeightsNotFoundError:
        continue
    raise SystemExit(1)
assert not asked, asked
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_what_is_saved_does_not_say_download(tmp_path: Path) -> None:
    for task in (with_bert(download=True), PretrainTask(VIDEO, TextEncoderSettings("x", config=BERT, download=True))):
        task.save_pretrained(tmp_path)
        settings = json.loads((tmp_path / "config.json").read_text())["settings"]
        assert settings["text"]["download"] is False
        assert settings.get("pretrained") is None


@pytest.mark.usefixtures("opened")
def test_a_hub_tower_without_sizes_needs_the_caller_s_leave(good: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(
        good["summarize with BERT"],
        tmp_path / "sent",
        lambda config: config["settings"]["text"].update(config=None, download=True),
    )
    with pytest.raises(CheckpointError, match=r"'nobody/has-this' without its sizes.*allow the download"):
        SummarizeTask.from_pretrained(folder)
    with pytest.raises(AssertionError, match="looked for"):
        SummarizeTask.from_pretrained(folder, download=True)
    # Where no text is read no tower is needed.
    mute = changed(
        tiny_summarizer(0).save_pretrained(tmp_path / "mine"), tmp_path / "mute",
        lambda config: config["settings"]["text"].update(config=None, encoder="nobody/has-this"),
    )  # fmt: skip
    assert SummarizeTask.from_pretrained(mute).model.text_encoder is None


# Whatever is wrong is one line


def _put(config: dict[str, Any], name: str, value: Any) -> None:
    *groups, last = name.split(".")
    for group in groups:
        config = config[group]
    config[last] = value


def _drop(config: dict[str, Any], name: str) -> None:
    *groups, last = name.split(".")
    for group in groups:
        config = config[group]
    del config[last]


WRONG: list[tuple[str, str, Any, str]] = [
    ("summarize", "settings.video.dropout", float("nan"), "video.dropout must be a finite number, got nan"),
    ("summarize", "settings.video.num_heads", [4], "video.num_heads must be a whole number, got [4]"),
    ("summarize", "settings.video.num_heads", True, "video.num_heads must be a whole number, got True"),
    ("summarize", "settings.video.num_heads", 3, "embed_dim must be a multiple of num_heads, got 16 and 3"),
    ("summarize", "settings.video.embed_dim", 2**20, "video.embed_dim must be at least 1 and at most 65536"),
    ("summarize", "settings.video.embed_dim", 32, "does not fit the model"),
    ("summarize", "settings.video.embed_dim", 2**16, "misshapen"),
    ("summarize", "settings.video.num_layers", 10**7, "video.num_layers must be at least 0 and at most 1024"),
    ("summarize", "settings.video.feedforward_dim", 10**300, "video.feedforward_dim must be at least 1"),
    ("summarize", "settings.summarizer.max_frames", 2**62, "summarizer.max_frames must be at least 1"),
    ("summarize", "settings.summarizer.overlap", 16000, "overlap must be at least 0 and at most half of max_frames"),
    ("summarize", "settings.summarizer", "gate", "summarizer must be a mapping, got 'gate'"),
    ("summarize", "settings.text.small.vocab_size", 2**21, "text_encoder.embedding.weight (40, 12) for (2097152, 12)"),
    ("summarize", "settings.text.small.text_dim", "12", "small.text_dim must be a whole number, got '12'"),
    ("summarize", "settings.text_fields.title", -1, "text_fields.title must be at least 0"),
    ("summarize", "settings.colour", 1, "title_as_query, train_text, video. Was this written by another version?"),
    ("summarize", "settings.optim.betas", [0.9], "optim.betas must be a list of 2, got [0.9]"),
    ("summarize", "settings.optim.lr", 0, "optim.lr must be above 0, got 0"),
    ("summarize", "settings.video.position_weight", 1e308, "video.position_weight must be at least 0"),
    ("summarize", "settings.feature_fingerprint", {"backbone": 1}, "feature_fingerprint.weights_digest is missing"),
    ("summarize", "feature_fingerprint", "none", "feature_fingerprint must be a mapping, got 'none'"),
    ("summarize", "settings.initialised_from", {"source": 3}, "initialised_from.source must be a text, got 3"),
    ("summarize", "tied", ["a"], "tied must be a mapping, got ['a']"),
    ("summarize", "tied", {"a": 1}, "tied.a must be a text, got 1"),
    ("summarize", "version", True, "version must be a whole number, got True"),
    ("summarize with BERT", "settings.text.config.hidden_size", 2**20, "misshapen"),
    ("summarize with BERT", "settings.text.config.num_hidden_layers", 10**7, "num_hidden_layers must be at most 1024"),
    ("summarize with BERT", "settings.text.config.vocab_size", 2**40, "config.vocab_size must be at most 1048576"),
    ("summarize with BERT", "settings.text.config.num_attention_heads", 0, "nothing can be built of its settings"),
    ("summarize with BERT", "settings.text.config.layer_norm_eps", float("inf"), "must be a finite number, got inf"),
    ("summarize with BERT", "settings.text.config.auto_map", {"AutoModel": "a/b"}, "says more than sizes: auto_map"),
    ("summarize with BERT", "settings.text.config.model_type", "timm_wrapper", "is no plain text encoder"),
    ("refine", "settings.refiner.num_heads", 2**62, "refiner.num_heads must be at least 1 and at most 1024"),
    ("refine", "settings.combine", "agx", "combine must be terms joined by"),
    ("refine", "settings.refiner.feedforward_dim", None, "refiner.feedforward_dim must be a whole number, got None"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "value", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_setting_is_named(
    kind: str, name: str, value: Any, said: str, good: dict[str, Path], tmp_path: Path
) -> None:
    folder = changed(good[kind], tmp_path / "wrong", lambda config: _put(config, name, value))
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(folder, KINDS).checked()
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(folder))
    if name.startswith("settings."):
        file = torch.load(good[kind].with_suffix(".ckpt"), weights_only=True)
        _put(file["hyper_parameters"], name.removeprefix("settings."), value)
        torch.save(file, tmp_path / "wrong.ckpt")
        with pytest.raises(CheckpointError) as caught:
            Checkpoint.open(tmp_path / "wrong.ckpt", KINDS).checked()
        assert said in str(caught.value)


@pytest.mark.parametrize("name", ["text_fields", "summarizer.max_frames", "video.num_heads", "optim", "losses.mse"])
def test_a_missing_setting_is_named(name: str, good: dict[str, Path], tmp_path: Path) -> None:
    """A default in its place could be another model of the same shapes, such as one of other heads."""
    folder = changed(good["summarize"], tmp_path / "less", lambda config: _drop(config["settings"], name))
    with pytest.raises(CheckpointError, match=f"its settings are damaged: {name} is missing$"):
        Checkpoint.open(folder, KINDS).checked()


CAME_LATER = {
    "summarize": (
        "title_as_query", "pretrained", "initialised_from", "summarizer.fit_frames", "video.stream_widths",
        "video.normalise", "video.stream_dropout", "ridge", "optim.projection_lr", "optim.decay_all", "video.start",
        "text_dropout", "text_fields.padding_counts", "text_fields.cut", "text_fields.whole",
    ),
    "refine": (
        "unit_length", "scored_as_given", "refiner.attention_dropout", "losses.segment_means", "optim.decay_all"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CAME_LATER)
def test_settings_that_older_checkpoints_lack_are_as_by_default(
    kind: str, good: dict[str, Path], tmp_path: Path
) -> None:
    def older(config: dict[str, Any]) -> None:
        for name in CAME_LATER[kind]:
            _drop(config["settings"], name)

    settings = Checkpoint.open(changed(good[kind], tmp_path / "older", older), KINDS).checked().settings
    assert settings == Checkpoint.open(good[kind], KINDS).checked().settings


TENSORS: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    "text": (lambda t: "weights", "is no tensor, but of type str"),
    "numbers": (lambda t: t.tolist(), "is no tensor, but of type list"),
    "nothing": (lambda t: None, "is no tensor, but of type NoneType"),
    "NaN": (lambda t: t * torch.nan, "has NaN or infinite numbers"),
    "infinite": (lambda t: torch.full_like(t, -torch.inf), "has NaN or infinite numbers"),
    "sparse": (lambda t: t.to_sparse(), "is no dense tensor"),
    "on no device": (lambda t: t.to("meta"), "is no dense tensor"),
    "one number, repeated": (lambda t: torch.zeros(1).expand(10**12), "claims a shape that it has no numbers for"),
    "complex": (lambda t: t.to(torch.complex64), "is of torch.complex64, which no weights are of"),
    "whole numbers": (lambda t: torch.zeros(t.shape, dtype=torch.int64), "torch.int64 for torch.float32"),
    "of another shape": (lambda t: torch.zeros(3), "misshapen"),
}


@pytest.mark.parametrize("what", TENSORS)
def test_what_is_no_weight_is_named(what: str, good: dict[str, Path], tmp_path: Path) -> None:
    spoil, said = TENSORS[what]
    name = "model.video_encoder.pooler.weight"
    file = torch.load(good["summarize"].with_suffix(".ckpt"), weights_only=True)
    file["state_dict"][name] = spoil(file["state_dict"][name])
    torch.save(file, tmp_path / "spoilt.ckpt")
    with pytest.raises(CheckpointError) as caught:
        SummarizeTask.from_pretrained(tmp_path / "spoilt.ckpt")
    assert str(caught.value).startswith(str(tmp_path / "spoilt.ckpt"))
    assert name in str(caught.value)
    assert said in str(caught.value)
    if what in ("NaN", "infinite", "complex", "whole numbers", "of another shape"):
        folder = shutil.copytree(good["summarize"], tmp_path / "spoilt")
        state = load_file(folder / "model.safetensors")
        save_file({**state, name: spoil(state[name])}, folder / "model.safetensors")
        with pytest.raises(CheckpointError, match=r"model\.video_encoder\.pooler\.weight"):
            SummarizeTask.from_pretrained(folder)


VALUES = (
    float("nan"), 1e308, -1, 0, 1.5, "", "x", [], {}, None, True, 2**20, 10**7, 2**62, [1, 2, 3], {"a": 1}, [[[]]], "7",
)  # fmt: skip


def mutants(config: dict[str, Any], generator: random.Random, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configs with one key that is wrong, missing or of another name; and what was done."""

    def names(group: dict[str, Any], before: str = "") -> Iterator[str]:
        for name, value in group.items():
            yield before + name
            if isinstance(value, dict):
                yield from names(value, f"{before}{name}.")

    everything = [(name, value) for name in names(config) for value in (*VALUES, "missing", "of another name")]
    for name, value in generator.sample(everything, count):
        mutant = copy.deepcopy(config)
        if value in ("missing", "of another name"):
            _drop(mutant, name)
        if value == "of another name":
            _put(mutant, f"{name}_", 1)
        if value != "missing":
            _put(mutant, name, value)
        yield f"{name}: {value!r}", mutant


@pytest.mark.parametrize("kind", MAKERS)
def test_mutants_load_or_end_in_one_line(kind: str, good: dict[str, Path], tmp_path: Path) -> None:
    config = json.loads((good[kind] / "config.json").read_text())
    folder = shutil.copytree(good[kind], tmp_path / "mutant")
    ends = set()
    for what, mutant in mutants(config, random.Random(kind), 60):
        (folder / "config.json").write_text(json.dumps(mutant))
        try:
            Checkpoint.open(folder, KINDS).checked()
            ends.add("loaded")
        except CheckpointError as error:
            said = str(error)
            ends.add("refused" if said.startswith(str(folder)) and len(said) < 1000 else f"{what}: {said}")
    assert ends == {"loaded", "refused"}


def test_every_verb_says_so_in_one_line(
    good: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    features = video_of(12, tmp_path / "f.h5")
    state = load_file(good["refine"] / "model.safetensors")
    state["model.input_norm.weight"][3] = torch.nan
    folder = shutil.copytree(good["refine"], tmp_path / "damaged")
    save_file(state, folder / "model.safetensors")
    for verb in (
        ["score", str(features), "--out", str(tmp_path / "s.h5"), "--scorer", str(folder)],
        ["export", str(folder), "--card", str(tmp_path / "c.md")],
        ["export", str(folder), "--onnx", str(tmp_path / "m.onnx")],
    ):
        assert main(verb) == 2
        assert capfd.readouterr().err == (
            f"error: {folder / 'model.safetensors'}: the checkpoint is damaged: its tensor model.input_norm.weight has "
            "NaN or infinite numbers\n"
        )


def test_a_card_of_less_than_a_model_is_refused(
    good: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(good["refine"], tmp_path / "less")
    state = load_file(folder / "model.safetensors")
    del state["model.input_norm.weight"]
    save_file(state, folder / "model.safetensors")
    assert main(["export", str(folder), "--card", str(tmp_path / "c.md")]) == 2
    assert "1 missing (model.input_norm.weight)" in capfd.readouterr().err
    assert not (tmp_path / "c.md").exists()


def test_nothing_random_is_drawn_while_sizes_are_compared(good: dict[str, Path]) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for folder in good.values():
        Checkpoint.open(folder, KINDS).checked()
    assert torch.equal(torch.get_rng_state(), before)
