"""Cross-validation of contrastive refinement: each combination of terms is a row, from its own score files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.crossval_material import N_FOLDS, N_VIDEOS, environment, figures, write_config
from scipy.stats import kendalltau

from sspvs.cli import main
from sspvs.crossval import CrossValidation, cross_validate, running, side_by_side
from sspvs.crossval.fold_run import FoldJob, run_fold
from sspvs.data import refine as data_module
from sspvs.data.unlabelled import Unlabelled
from sspvs.importance.contrastive import contrastive_importance
from sspvs.scorers import load_scorer
from sspvs.table import FeatureStream, StreamReader, read_dataset, read_score_facts, read_scores

SEEDS = 2
ROWS = {"refined A*G*H": "scores", "refined A": "scores_a", "refined A*G": "scores_ag"}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in other processes: how many threads share a sum changes its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def refine_config(folder: Path, **model: object) -> Path:
    """The drawn dataset of the other tests, in three folds, to refine on."""
    summarize = yaml.safe_load(write_config(folder).read_text())
    sizes = {"embed_dim": 16, "num_layers": 1, "head_dim": 8, "feedforward_dim": 16, "uniqueness_dim": 8}
    config = {
        "task": "refine",
        "run": {"name": "tiny"},
        "trainer": {**summarize["trainer"], "max_epochs": 2},
        "model": {
            "refiner": sizes,
            "losses": {"segments": 4, "neighbour_fraction": 0.3},
            "optim": {"lr": 0.003},
            **model,
        },
        "data": {
            **{name: summarize["data"][name] for name in ("dataset", "splits", "val_share")},
            "clip_frames": 10,
            "batch_size": 4,
        },
    }
    path = folder / "refine.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return refine_config(tmp_path_factory.mktemp("refined"))


@pytest.fixture(scope="module")
def done(config: Path) -> CrossValidation:
    return cross_validate(config, config.parent / "done", seeds=SEEDS)


def test_the_folder(done: CrossValidation) -> None:
    for seed in range(SEEDS):
        for fold in range(N_FOLDS):
            inside = {path.name for path in (done.out / f"seed_{seed}" / f"fold_{fold}").iterdir()}
            files = {f"scores{variant}.h5" for variant in ("", "_a", "_ag", "_agh")}
            kept = {"pretrained"} if seed == 0 else set()
            assert inside == {"fold.json", "metrics.csv", *files, *kept}
    facts = read_score_facts(done.out / "seed_1" / "fold_2" / "scores_ag.h5")
    assert (facts.scorer, facts.settings["combine"], facts.settings["fold"]) == ("refine", "ag", 2)
    assert facts.fingerprint.backbone == "drawn"


def test_the_scores_of_every_epoch_of_tested_videos(config: Path, tmp_path: Path) -> None:
    """Kept beside those of the chosen epoch, and the same as these there."""
    words = ["--run.epoch_scores", "true"]
    made = cross_validate(
        config, tmp_path / "out", overrides=words, seeds=1, checkpoint_rule="best-test", with_ridge=False
    )
    for record in made.folds:
        folder = tmp_path / "out" / "seed_0" / f"fold_{record.fold}"
        files = sorted((folder / "epoch_scores").iterdir())
        assert [path.name for path in files] == ["epoch_000.h5", "epoch_001.h5"]
        chosen, kept = read_scores(files[record.chosen.epoch]), read_scores(folder / "scores.h5")
        assert set(chosen) == set(kept) == {name.rpartition("/")[2] for name in record.test}
        for key, scored in chosen.items():
            np.testing.assert_allclose(scored.scores, kept[key].scores, atol=1e-6)


def test_the_last_epoch_is_taken_by_default(done: CrossValidation) -> None:
    for record in done.folds:
        assert (record.chosen.rule, record.chosen.epoch, record.val) == ("last", 1, ())
        assert (record.train, len(record.test)) == (6, 3)
        assert record.variants == ("a", "ag", "agh")
        assert record.initialised_from is None
    assert done.as_json()["checkpoint_rule"] == "last"


def tau_of(path: Path, dataset: Path) -> dict[str, float]:
    """Mean of scipy's tau over the users, by key, of a score file."""
    store = read_dataset(dataset)
    return {
        key: float(np.nanmean([kendalltau(one.scores, user).statistic for user in store[key].user_scores_at_picks]))
        for key, one in read_scores(path).items()
    }


@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_the_mean_of_its_own_score_files(row: str, done: CrossValidation, config: Path) -> None:
    rows = {**done.evaluation.methods, **done.evaluation.baselines}
    expected: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        for fold in range(N_FOLDS):
            path = done.out / f"seed_{seed}" / f"fold_{fold}" / f"{ROWS[row]}.h5"
            for key, tau in tau_of(path, config.parent / "drawn.h5").items():
                expected.setdefault(key, []).append(tau)
    for video in rows[row]["per-user"].videos:
        assert video.kendall_tau == pytest.approx(np.mean(expected[video.key]), abs=1e-9)
    settings = rows[row]["per-user"].settings
    assert settings["combine"] == {"refined A*G*H": "agh", "refined A": "a", "refined A*G": "ag"}[row]
    assert settings["seeds"] == [0, 1]
    assert len(settings["per_seed"]) == SEEDS


def test_the_rows_beside(done: CrossValidation, config: Path) -> None:
    assert done.name == "refined A*G*H"
    assert set(done.evaluation.methods) == {"refined A*G*H"}
    beside = {
        "refined A",
        "refined A*G",
        "contrastive",
        "contrastive, A alone",
        "random",
        "human",
        "consensus",
        "ridge",
    }
    assert set(done.evaluation.baselines) == beside
    store = read_dataset(config.parent / "drawn.h5")
    for row, combine in (("contrastive", "ag"), ("contrastive, A alone", "a")):
        for key, prediction in done.benchmark.predictions[row].items():
            expected = contrastive_importance(store.features[key].features, combine=combine).scores
            np.testing.assert_allclose(prediction.at_picks, expected)
    content = json.loads((done.out / "result.json").read_text())
    assert set(content["baselines"]) == beside
    assert content["method"] == "refined A*G*H"


def test_the_kept_weights_give_the_tested_scores(done: CrossValidation, config: Path) -> None:
    folder, store = done.out / "seed_0" / "fold_1", read_dataset(config.parent / "drawn.h5")
    for combine in ("a", "ag", "agh"):
        scorer = load_scorer(folder / "pretrained", combine=combine)
        for key, scored in read_scores(folder / f"scores_{combine}.h5").items():
            np.testing.assert_allclose(scored.scores, scorer.score(store.features[key]).scores, atol=1e-4)


@pytest.mark.parametrize("lost", ["scores.h5", "scores_ag.h5"])
def test_a_fold_that_lost_a_file_is_made_again(lost: str, done: CrossValidation, config: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(done.out, done.out.with_name(tmp_path.name)))  # its config names files relative to it
    (out / "seed_0" / "fold_2" / lost).unlink()
    (out / "result.json").unlink()
    cross_validate(config, out, seeds=SEEDS)
    assert figures(out) == figures(done.out)
    for key, scored in read_scores(out / "seed_0" / "fold_2" / lost).items():
        first = read_scores(done.out / "seed_0" / "fold_2" / lost)[key].scores
        np.testing.assert_array_equal(scored.scores, first)


def test_the_table_through_the_command_line(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["crossval", "--config", str(config), "--out", str(tmp_path / "out"), "--seeds", "1"]
    more = ["--checkpoint-rule", "val", "--name", "mine", "--model.combine", "ag", "--report", str(tmp_path / "r.html")]
    assert main([*words, *more]) == 0
    shown = capsys.readouterr().out
    for row in ("mine", "refined A ", "refined A*G*H ", "contrastive ", "contrastive, A alone", "random", "human"):
        assert row in shown
    assert "refined A*G " not in shown  # it is what `mine` is
    record = json.loads((tmp_path / "out" / "seed_0" / "fold_0" / "fold.json").read_text())
    assert record["chosen"]["monitor"] == "val/loss"
    assert record["chosen"]["why"].startswith("lowest val/loss of 2 validations on 2 held-out videos")
    assert "refined A*G*H" in (tmp_path / "r.html").read_text()
    assert main([*words[:-2], "--seeds", "1", "--name", "refined A", "--checkpoint-rule", "val", *more[4:6]]) == 2
    assert "'refined A' is the name of another row here" in capsys.readouterr().err


def test_without_uniqueness_there_is_no_row_of_it(tmp_path: Path) -> None:
    words = ["--model.refiner.uniqueness", "false", "--model.losses.uniqueness", "0", "--model.losses.commonness", "0"]
    found = cross_validate(refine_config(tmp_path, combine="ag"), tmp_path / "out", seeds=1, overrides=words)
    assert found.name == "refined A*G"
    rows = {*found.evaluation.methods, *found.evaluation.baselines}
    assert {row for row in rows if row.startswith("refined")} == {"refined A*G", "refined A"}
    assert not (tmp_path / "out" / "seed_0" / "fold_0" / "scores_agh.h5").exists()


def test_beside_a_summarizer(done: CrossValidation, config: Path, tmp_path: Path) -> None:
    """On the same folds, in one table; its baselines are those of the first."""
    own = config.parent / "tiny.yaml"
    trained = cross_validate(own, tmp_path / "out", seeds=1, checkpoint_rule="last")
    table = side_by_side({"refined": done, "summarizer": trained}).evaluation
    assert list(table.methods) == ["refined", "summarizer"]
    assert "refined A" in table.baselines
    pairs = {("refined", "summarizer"), ("refined", "ridge"), ("summarizer", "ridge")}
    assert {(c.first, c.second) for c in table.comparisons} == pairs


def archive(folder: Path, lengths: Sequence[int] = (30, 30, 30), width: int = 16) -> Path:
    """Unlabelled videos, a file each."""
    folder.mkdir()
    for number, length in enumerate(lengths):
        np.save(folder / f"{number}.npy", np.random.default_rng(number).random((length, width), np.float32))
    return folder


def test_unlabelled_videos_belong_to_the_experiment(config: Path, tmp_path: Path) -> None:
    folder = archive(tmp_path / "archive")
    words = ["--data.features", json.dumps([str(folder)])]
    found = cross_validate(config, tmp_path / "out", seeds=1, overrides=words, keep="none")
    assert {record.train for record in found.folds} == {6}  # of the annotated ones
    cross_validate(config, tmp_path / "out", seeds=1, overrides=words, keep="none")
    words = ["--data.features", str(folder)]  # one path, or a list of one: the same experiment
    cross_validate(config, tmp_path / "out", seeds=1, overrides=words, keep="none")
    np.save(folder / "3.npy", np.ones((30, 16), np.float32))
    with pytest.raises(ValueError, match=r"made with other settings: .*config\.data\.features\.files 3 \(now 4\)"):
        cross_validate(config, tmp_path / "out", seeds=1, overrides=words, keep="none")


def test_no_fold_reads_unlabelled_videos_that_another_has_read(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked at and read in the first fold alone; the figures are those of folds that share nothing."""
    folder = archive(tmp_path / "archive")
    words = ["--data.features", json.dumps([str(folder)]), "--data.batch_size", "3"]  # 9 clips: each in every epoch
    with monkeypatch.context() as apart:
        apart.setattr(data_module.RefineDataModule, "share_reading", lambda self, other: None)
        fresh = cross_validate(config, tmp_path / "fresh", seeds=1, overrides=words, keep="none")
    looked, read, folds = list[str](), list[Path](), list[int]()
    survey, stored = data_module.load_unlabelled, StreamReader.stored

    def looking(*paths: Any, **how: Any) -> Unlabelled:
        looked.append("looked")
        return survey(*paths, **how)

    def reading(self: StreamReader, ref: FeatureStream, start: int = 0, stop: int | None = None) -> Any:
        if ref.path.suffix == ".npy":
            read.append(ref.path)
        return stored(self, ref, start, stop)

    def folding(job: FoldJob, before: Any = None) -> Any:
        made = run_fold(job, before)
        if not folds:
            assert sorted(read) == [folder / f"{number}.npy" for number in range(3)]
        folds.append(job.fold)
        return made

    monkeypatch.setattr(data_module, "load_unlabelled", looking)
    monkeypatch.setattr(StreamReader, "stored", reading)
    monkeypatch.setattr(running, "run_fold", folding)
    shared = cross_validate(config, tmp_path / "shared", seeds=1, overrides=words, keep="none")
    assert folds == [0, 1, 2]
    assert looked == ["looked"]
    assert len(read) == 3
    for one, other in zip(fresh.folds, shared.folds, strict=True):
        assert one.figures == other.figures


def test_a_folder_in_which_no_fold_was_finished_is_of_no_experiment(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide, good = archive(tmp_path / "wide", width=24), archive(tmp_path / "good")
    words = ["crossval", "--config", str(config), "--out", str(tmp_path / "out"), "--seeds", "1", "--data.features"]
    assert main([*words, f"[{wide}]"]) == 2
    assert "features 24 wide, those of " in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("seed_*"))
    assert main([*words, f"[{good}]"]) == 0
    config = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    assert config["data"]["features"] == ["${config_dir}/../good"]
    assert main([*words, f"[{wide}]"]) == 2
    assert "was made with other settings" in capsys.readouterr().err


def test_unlabelled_videos_alone_have_no_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path / "features")
    own = Path(__file__).parents[2] / "configs" / "refine" / "archive.yaml"
    words = ["--config", str(own), "--data.features", f"[{tmp_path / 'features'}]", "--out", str(tmp_path / "out")]
    assert main(["crossval", *words]) == 2
    assert "there are no annotated videos: give data.dataset" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_processes_train_one_fold(config: Path, tmp_path: Path) -> None:
    """DDP with videos of all lengths: whoever comes out short repeats one, and yet each tested video counts once."""
    folder, out, log = archive(tmp_path / "archive", (3, 9, 30, 17, 12)), tmp_path / "out", tmp_path / "log"
    log.mkdir()
    words = ["--config", str(config), "--out", str(out), "--seeds", "1", "--data.features", f"[{folder}]"]
    words += ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.batch_size", "2", "--data.short", "mask"]
    words += ["--trainer.callbacks+=helpers.witness.Witness", f"--trainer.callbacks.folder={log}"]
    path = os.pathsep.join([environment()["PYTHONPATH"], str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "sspvs", "crossval", *words], env={**environment(), "PYTHONPATH": path},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Dataset drawn") == 1  # one of them tells
    seen = [json.loads(line) for file in log.iterdir() for line in file.read_text().splitlines()]
    assert {entry["rank"] for entry in seen} == {0, 1}
    for fold in range(N_FOLDS):
        record = json.loads((out / "seed_0" / f"fold_{fold}" / "fold.json").read_text())
        assert record["device"] == "2 x cpu"
        assert sum(len(entry["ids"]) for entry in seen if entry["fold"] == fold) == 4
        for file in ROWS.values():
            scored = read_scores(out / "seed_0" / f"fold_{fold}" / f"{file}.h5")
            assert sorted(f"drawn/{key}" for key in scored) == sorted(record["test"])
    assert figures(out)["n_videos"] == N_VIDEOS
