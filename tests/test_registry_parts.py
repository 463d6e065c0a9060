"""A head, a text guidance, an objective and an importance term from outside the package: a config names them, a run
trains them, checkpoints bring them back, and where they are not registered one line says so."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
import torch
from helpers.tiny_pretraining import terms_of, tiny_batch, tiny_task
from torch import Tensor, nn

from sspvs.cli import main
from sspvs.errors import CheckpointError
from sspvs.importance.contrastive import contrastive_importance
from sspvs.importance.terms import TERMS, Frames, evaluated, formula, normalised, term_names
from sspvs.models.settings import RefinerSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.models.summarizer_heads import HEADS, SingleStageHead
from sspvs.models.text_guidance import GUIDANCES, Guide, GuidingText, TextGuidance
from sspvs.registry import Registry
from sspvs.schema import Range
from sspvs.scorers import load_scorer
from sspvs.table import read_features, read_score_facts
from sspvs.table.text import TextFields
from sspvs.tasks.checkpoint import Checkpoint
from sspvs.tasks.objectives import OBJECTIVES, LossSettings, Objective, Pairs
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.summarize import SummarizeTask
from sspvs.types import FloatArray

CONFIGS = Path(__file__).parents[1] / "configs"
QUICK = ["--trainer.max_epochs", "-1", "--trainer.max_steps", "2", "--trainer.enable_progress_bar", "false"]


class WaveHead(SingleStageHead):
    """Scores the sine of what it is given."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, pitch: Annotated[float, Range(above=0)] = 1.0) -> None:
        super().__init__(embed_dim, dropout)
        self.pitch = pitch
        self.mix = nn.Linear(embed_dim, embed_dim)

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        return torch.sin(self.pitch * self.mix(frames))


class Louder(TextGuidance):
    """Scales the states by a learned function of the text."""

    reads_words = False

    def __init__(self, embed_dim: int, start: float = 0.0) -> None:
        super().__init__()
        self.gain = nn.Linear(embed_dim, 1)
        nn.init.constant_(self.gain.bias, start)

    def forward(self, text: GuidingText) -> Guide:
        guide = Guide()
        gain = torch.where(text.given[:, None, None], self.gain(text.vectors[:, :1]), 0.0)
        guide.states = lambda stage, states: states * (1 + gain)  # type: ignore[method-assign]
        return guide


class Smoothness(Objective):
    """Neighbouring states are alike."""

    slot: ClassVar[Any] = "more"

    def __init__(self, step: int = 1) -> None:
        super().__init__()
        self.step = step
        self.scale = nn.Parameter(torch.ones(()))

    def term(self, pairs: Pairs) -> Tensor:
        frames = pairs.out.video.frames.float()
        return self.scale.square() * (frames[:, self.step :] - frames[:, : -self.step]).square().mean()


class OneSided(Objective):
    """Texts that match have a larger cosine than 0."""

    slot: ClassVar[Any] = "coarse"
    compares: ClassVar[Any] = "projected"
    contrasts = True

    def __init__(self, temperature: float, margin_at: float = 0.5) -> None:
        super().__init__()
        self.temperature, self.margin_at = temperature, margin_at

    def term(self, pairs: Pairs) -> Tensor:
        video, text = pairs.projected
        return (self.margin_at - nn.functional.cosine_similarity(video, text)).clamp(min=0).mean() / self.temperature


def motion(frames: Frames) -> FloatArray:
    """How far each frame is from the one before it."""
    rows = np.asarray(frames.features, dtype=np.float64)
    return normalised(np.linalg.norm(np.diff(rows, axis=0, prepend=rows[:1]), axis=1))


Register = Callable[[Registry[Any], str, Any], None]


@pytest.fixture
def register() -> Iterator[Register]:
    done: list[tuple[Registry[Any], str]] = []

    def add(registry: Registry[Any], name: str, thing: Any) -> None:
        registry.register(name)(thing)
        done.append((registry, name))

    yield add
    for registry, name in done:
        registry._found.pop(name, None)


def fit(kind: str, root: Path, *words: str) -> Path:
    """Two steps of a smoke config; the run's folder."""
    run = ["--run.root", str(root), "--run.name", "run", "--run.samples", "0"]
    assert main(["fit", "--config", str(CONFIGS / kind / "smoke.yaml"), *QUICK, *run, *words]) == 0
    return root / "run" / "version_0"


def test_a_head_and_a_guidance(register: Register, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register(HEADS, "wave", WaveHead)
    register(GUIDANCES, "louder", Louder)
    flags = ["--model.summarizer.head", "wave(pitch=2.5)", "--model.summarizer.text_guidance", "louder(start=0.25)"]
    run = fit("finetune", tmp_path, *flags)
    for place in ("pretrained/last", "checkpoints/last.ckpt"):
        task = SummarizeTask.from_pretrained(run / place)
        assert isinstance(task.model.head, WaveHead)
        assert (task.model.head.pitch, task.model.head.dropout.p) == (2.5, 0.1)
        assert isinstance(task.model.guidance, Louder)
        assert task.hparams["summarizer"]["num_stages"] == 1
        assert load_scorer(run / place).settings["head"] == "wave(pitch=2.5)"
    weight = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]["model.head.mix.weight"]
    torch.testing.assert_close(weight, task.model.head.mix.weight, rtol=0, atol=0)
    for registry, name in ((GUIDANCES, "louder"), (HEADS, "wave")):
        registry._found.pop(name)
        for place in ("pretrained/last", "checkpoints/last.ckpt"):
            with pytest.raises(
                CheckpointError, match=f"there is no {registry.kind} '{name}'.*that registers it"
            ) as caught:
                SummarizeTask.from_pretrained(run / place)
            assert "\n" not in str(caught.value)
    capsys.readouterr()
    words = ["fit", "--config", str(CONFIGS / "finetune" / "smoke.yaml"), "--model.summarizer.head", "wave"]
    assert main(words) == 2
    known = "head must be one of progressive, linear, attention, csta-small, csta, got 'wave'"
    assert known in capsys.readouterr().err


def test_settings_of_a_head_are_checked(register: Register) -> None:
    register(HEADS, "wave", WaveHead)
    for head, message in (
        ("wave(pitch=0.0)", "head.pitch must be above 0, got 0.0"),
        ("wave(pitch='high')", "head.pitch must be a number, got 'high'"),
        ("wave(tone=1)", "head has no tone; it has pitch$"),
        ("csta-small(chanels=8)", "head has no chanels; it has channels, .*[a-z]$"),
        ("wave(embed_dim=3)", "head has no embed_dim"),
        ("csta-small(channels=[])", "head.channels must be a whole number"),
    ):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            SummarizeTask(summarizer=SummarizerSettings(head=head))
    for head in ("wave(", "wave(1)", "wave(pitch=print())", "(pitch=1)", "", "wave(**{})"):
        with pytest.raises(
            ValueError, match="head must be one of progressive, linear, attention, csta-small, csta, wave, got"
        ):
            SummarizerSettings(head=head)


def test_an_objective_beside_the_others(register: Register, tmp_path: Path) -> None:
    register(OBJECTIVES, "smoothness", Smoothness)
    run = fit("pretrain", tmp_path, "--model.losses.more", '{"smoothness(step=2)": 0.5}')
    for place in ("pretrained/last", "checkpoints/last.ckpt"):
        task = PretrainTask.from_pretrained(run / place)
        assert task.losses.more == {"smoothness(step=2)": 0.5}
        assert task.objectives.more["smoothness"].step == 2
        assert "objectives.more.smoothness.scale" in task.state_dict()
    header = (run / "metrics.csv").read_text().splitlines()[0]
    assert "train/smoothness_loss" in header
    OBJECTIVES._found.pop("smoothness")
    with pytest.raises(CheckpointError, match=r"losses\.more: there is no objective 'smoothness'"):
        PretrainTask.from_pretrained(run / "pretrained/last")


def test_its_term_is_weighed_and_added(register: Register) -> None:
    register(OBJECTIVES, "smoothness", Smoothness)
    task, plain = tiny_task(more={"smoothness": 0.25}), tiny_task()
    plain.load_state_dict(task.state_dict(), strict=False)
    terms, others = terms_of(task, tiny_batch()), terms_of(plain, tiny_batch())
    assert set(terms) == {*others, "smoothness_loss"}
    expected = float(plain.total(others)) + 0.25 * float(terms["smoothness_loss"])
    assert float(task.total(terms)) == pytest.approx(expected)


def test_an_objective_in_the_place_of_another(register: Register, tmp_path: Path) -> None:
    register(OBJECTIVES, "one-sided", OneSided)
    task = tiny_task(coarse="one-sided(margin_at=0.75)", temperature=0.5)
    assert (task.objectives.coarse.margin_at, task.objectives.coarse.temperature) == (0.75, 0.5)
    assert task.losses.contrastive
    assert task.losses.over_batch == ("one-sided", "hausdorff")
    assert float(task.total(terms_of(task, tiny_batch(matches=True)))) > 0
    folder = task.save_pretrained(tmp_path / "mine")
    assert PretrainTask.from_pretrained(folder).objectives.coarse.margin_at == 0.75
    OBJECTIVES._found.pop("one-sided")
    with pytest.raises(CheckpointError, match=r"losses\.coarse: there is no objective 'one-sided'"):
        PretrainTask.from_pretrained(folder)
    with pytest.raises(ValueError, match="coarse must be one of matching, infonce, sigmoid, none, got 'hausdorff'"):
        LossSettings(coarse="hausdorff")


def test_an_importance_term(register: Register, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register(TERMS, "motion", motion)
    run = fit("refine", tmp_path, "--model.combine", "a*motion + 0.5*g")
    checkpoint = run / "pretrained" / "last"
    assert RefineTask.from_pretrained(checkpoint).scoring.combine == "a*motion + 0.5*g"
    world = tmp_path / "world"
    sizes = ["--pretrain", "2", "--val", "2", "--annotated", "5", "--set", "drawn.feature_dim=32"]
    assert main(["data", "world", "--out", str(world), *sizes]) == 0
    features, out = str(world / "summarization.h5"), tmp_path / "s.h5"
    assert main(["score", features, "--out", str(out), "--combine", "a*motion"]) == 0
    assert read_score_facts(out).settings["combine"] == "a*motion"
    video = next(iter(read_features(Path(features)).values()))
    found = contrastive_importance(video.features, combine="a*motion", post="none")
    assert list(found.curves) == ["local_dissimilarity", "motion"]
    np.testing.assert_array_equal(
        found.scores, found.curves["local_dissimilarity"] * motion(Frames(video.features, ()))
    )
    TERMS._found.pop("motion")
    with pytest.raises(CheckpointError, match=r"combine must be terms joined by \* and \+.*got 'a\*motion"):
        RefineTask.from_pretrained(checkpoint)
    capsys.readouterr()
    assert main(["score", features, "--out", str(out), "--combine", "a*motion"]) == 2
    assert (
        "combine must be terms joined by * and +, such as a*g or a*h + g, of a (local_diss" in capsys.readouterr().err
    )


@pytest.mark.parametrize("old", ["a", "g", "h", "ag", "ah", "gh", "agh"])
def test_old_spellings_of_products(old: str) -> None:
    g = np.random.default_rng(3)
    given = {"uniqueness": g.random(30), "text_similarity": g.random(30)}
    features = g.normal(size=(30, 8))
    for post in ("summe", "none"):
        one = contrastive_importance(features, combine=old, post=post, **given)
        other = contrastive_importance(features, combine="*".join(old), post=post, **given)
        np.testing.assert_array_equal(one.scores, other.scores)
        assert list(one.curves) == list(other.curves)
    np.testing.assert_array_equal(one.scores, np.prod(list(one.curves.values()), axis=0))  # as before expressions
    assert formula(old) == "*".join(old)


def test_expressions() -> None:
    g = np.random.default_rng(0)
    a, b, c = g.random((3, 9))
    curves = {"local_dissimilarity": a, "global_consistency": b, "uniqueness": c}
    for text, expected in (
        ("a*u+g", a * c + b), ("a * (h + g)", a * (c + b)), ("0.5*a + 2*g", 0.5 * a + 2 * b), ("a + a", a + a),
        ("uniqueness", c), (" local_dissimilarity*g ", a * b), ("1 + a", 1 + a),
    ):  # fmt: skip
        np.testing.assert_array_equal(evaluated(text, curves), expected)
    assert term_names("g + a*u + h") == ("global_consistency", "local_dissimilarity", "uniqueness")
    assert [formula(text) for text in ("a*(h+ g)", "(a)*g", "ag")] == ["a*(h + g)", "a*g", "a*g"]
    for wrong in (
        "", "1", "a-g", "a/g", "a**2", "-a", "a*", "f(a)", "a.b", "a[0]", "a if g else h", "lambda: a", "a*b", "ga",
        "a*True", "a*1e9", "a;g", "a\n*g", "'a'", "a" * 201, "(" * 190 + "a", "__import__('os')", "x:=a", "a and g",
    ):  # fmt: skip
        with pytest.raises(ValueError, match="combine must be terms joined by"):
            term_names(wrong)


def test_a_file_of_lightning_stores_its_kind(tmp_path: Path) -> None:
    run = fit("refine", tmp_path)
    file = run / "checkpoints" / "last.ckpt"
    content = torch.load(file, weights_only=True)
    assert content["sspvs"]["kind"] == "sspvs.refine"
    opened = Checkpoint.open(file)
    assert (opened.kind, opened.version, opened.weights) == ("sspvs.refine", content["sspvs"]["version"], file)
    assert opened.settings == {name: value for name, value in content["hyper_parameters"].items() if name[0] != "_"}
    folder = Checkpoint.open(run / "pretrained" / "last")
    assert (folder.kind, folder.version) == (opened.kind, opened.version)
    assert folder.fingerprint == opened.fingerprint
    assert folder.state.keys() == opened.state.keys()
    del content["sspvs"]  # as earlier versions wrote it
    content["hyper_parameters"]["fast_linears"] = "auto"
    torch.save(content, file)
    older = Checkpoint.open(file)
    assert (older.kind, older.version) == ("sspvs.refine", None)
    assert "fast_linears" not in older.checked().settings
    assert RefineTask.from_pretrained(file).hparams == RefineTask.from_pretrained(run / "pretrained" / "last").hparams


def test_an_official_file_is_opened_by_the_same_door(tmp_path: Path) -> None:
    state = {
        "video_model.v_cls.weight": torch.ones(1, 4),
        "video_model.half": torch.ones(2).half(),
        "other": torch.ones(1),
    }
    content = {"state_dict": state, "hyper_parameters": argparse.Namespace(lr=1e-4, inner={"a": (1, "b")}, odd=1j)}
    torch.save(content, tmp_path / "pretrained_model.ckpt")
    opened = Checkpoint.open(tmp_path / "pretrained_model.ckpt")
    assert (opened.kind, opened.version, opened.fingerprint) == ("official", None, None)
    assert opened.settings == {"lr": 1e-4, "inner": {"a": [1, "b"]}, "odd": "1j"}
    assert set(opened.state) == {"video_model.v_cls.weight", "video_model.half"}
    assert opened.state["video_model.half"].dtype == torch.float32
    with pytest.raises(
        CheckpointError, match="an official SSPVS checkpoint; `sspvs import` makes a folder of ours of it"
    ):
        load_scorer(tmp_path / "pretrained_model.ckpt")
    torch.save({**content, "hyper_parameters": None}, tmp_path / "bare.ckpt")
    assert Checkpoint.open(tmp_path / "bare.ckpt").settings == {}


def test_a_stored_kind_of_another_type_is_refused(tmp_path: Path) -> None:
    for kind in (["sspvs.refine"], "sspvs.other", None, 3):
        content = {"state_dict": {}, "hyper_parameters": {"refiner": {}}, "sspvs": {"kind": kind}}
        torch.save(content, tmp_path / "x.ckpt")
        with pytest.raises(CheckpointError, match="a Lightning checkpoint, but of no task of sspvs"):
            Checkpoint.open(tmp_path / "x.ckpt")


def test_similarity_to_a_text_needs_one(tmp_path: Path) -> None:
    scorer = load_scorer("contrastive", combine="a*t", backbone=SimpleNamespace(check_text=lambda: None))
    scorer.check_text(TextFields(title="sea"))
    with pytest.raises(ValueError, match=r"combine a\*t needs a title"):
        scorer.check_text(TextFields())
    with pytest.raises(ValueError, match="combine a\\+t needs text, which refinement does not read"):
        RefineTask(combine="a+t")
    folder = RefineTask(RefinerSettings(8, 8, 1, 1, 8, 8)).save_pretrained(tmp_path / "mine")
    with pytest.raises(ValueError, match=r"combine a\*t needs text, which mine does not read"):
        load_scorer(folder, combine="a*t")
