"""Every fold under every seed: what lies in the folder, what figures are means of, what goes on, what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from helpers.crossval_material import N_FOLDS, N_VIDEOS, figures, write_config, write_splits
from scipy.stats import kendalltau

from sspvs.cli import main
from sspvs.crossval import CrossValidation, cross_validate, side_by_side
from sspvs.crossval.folder import CrossvalFolder
from sspvs.errors import DatasetError, OutputError
from sspvs.table import read_dataset, read_score_facts, read_scores
from sspvs.tasks.summarize import SummarizeTask

SEEDS = 2


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in other processes: how many threads share a sum changes its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("crossval"))


@pytest.fixture(scope="module")
def done(config: Path) -> CrossValidation:
    """Two seeds, three folds, the default rule."""
    return cross_validate(config, config.parent / "done", seeds=SEEDS)


def tau_of(path: Path, dataset: Path) -> dict[str, float]:
    """Mean of scipy's tau over the users, by key, of a score file."""
    store, found = read_dataset(dataset), {}
    for key, scored in read_scores(path).items():
        users = store[key].user_scores_at_picks
        assert users is not None
        taus = [kendalltau(scored.scores, user).statistic for user in users]
        found[key] = float(np.nanmean(taus))
    return found


def test_the_folder(done: CrossValidation, config: Path) -> None:
    out = done.out
    inside = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    always = {f"seed_{s}/fold_{k}/{name}" for s in range(SEEDS) for k in range(N_FOLDS)
              for name in ("scores.h5", "fold.json", "metrics.csv")}  # fmt: skip
    kept = {
        f"seed_0/fold_{k}/pretrained/{name}" for k in range(N_FOLDS) for name in ("config.json", "model.safetensors")
    }
    assert inside == {"settings.json", "config.yaml", "result.json", *always, *kept}
    again = yaml.safe_load((out / "config.yaml").read_text())
    assert again["task"] == "summarize"
    assert again["model"]["optim"]["lr"] == 0.003
    assert again["trainer"]["max_epochs"] == 3


def test_every_video_is_tested_once_by_weights_that_never_saw_it(done: CrossValidation, config: Path) -> None:
    tested = []
    for record in done.folds:
        assert (len(record.test), len(record.val), record.train) == (3, 2, 4)
        assert not set(record.val) & set(record.test)
        tested += [video for video in record.test if record.seed == 0]
    assert sorted(tested) == sorted(f"drawn/video_{n}" for n in range(1, N_VIDEOS + 1))
    facts = read_score_facts(done.out / "seed_1" / "fold_2" / "scores.h5")
    assert facts.settings["fold"] == 2
    assert facts.fingerprint is not None
    assert facts.fingerprint.backbone == "drawn"


def test_the_kept_weights_are_those_that_were_tested(done: CrossValidation, config: Path) -> None:
    folder = done.out / "seed_0" / "fold_1"
    task = SummarizeTask.from_pretrained(folder / "pretrained")
    store = read_dataset(config.parent / "drawn.h5")
    for key, scored in read_scores(folder / "scores.h5").items():
        features = torch.from_numpy(store.features[key].features)[None]
        with torch.no_grad():
            out = task.model(features, torch.ones(features.shape[:2], dtype=torch.bool))
        np.testing.assert_allclose(scored.scores, out.scores[0].numpy(), rtol=1e-4, atol=1e-6)


def test_the_epoch_is_the_best_on_the_held_out_videos(done: CrossValidation) -> None:
    for record in done.folds:
        path = done.out / f"seed_{record.seed}" / f"fold_{record.fold}" / "metrics.csv"
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["val/kendall_tau"]]
        taus = [float(row["val/kendall_tau"]) for row in rows]
        assert len(taus) == 3
        assert record.chosen.value == pytest.approx(max(taus), rel=1e-5)
        assert record.chosen.epoch == int(np.argmax(taus))
        assert record.chosen.why == "highest val/kendall_tau of 3 validations on 2 held-out videos"


def test_figures_are_means_over_seeds_then_videos(done: CrossValidation, config: Path) -> None:
    dataset = config.parent / "drawn.h5"
    by_seed = [
        {key: tau for fold in range(N_FOLDS) for key, tau in
         tau_of(done.out / f"seed_{seed}" / f"fold_{fold}" / "scores.h5", dataset).items()}
        for seed in range(SEEDS)
    ]  # fmt: skip
    means = {key: np.mean([found[key] for found in by_seed]) for key in by_seed[0]}
    result = done.results["per-user"]
    assert {video.key: video.kendall_tau for video in result.videos} == pytest.approx(means)
    assert result.spreads["kendall_tau"].mean == pytest.approx(np.mean(list(means.values())))

    content = figures(done.out)
    assert content["kendall_tau"]["mean"] == pytest.approx(np.mean(list(means.values())))
    rows = content["crossval"]["protocols"]["per-user"]
    per_seed = [np.mean(list(found.values())) for found in by_seed]
    assert [row["kendall_tau"] for row in rows["per_seed"]] == pytest.approx(per_seed)
    assert rows["over_seeds"]["kendall_tau"]["std"] == pytest.approx(np.std(per_seed, ddof=1))
    low, high = content["kendall_tau"]["ci95"]
    assert low <= content["kendall_tau"]["mean"] <= high


def test_the_result_tells_a_stranger_how_it_came_about(done: CrossValidation) -> None:
    content = figures(done.out)
    of_features = {"ridge", "contrastive", "contrastive, A alone"}
    assert set(content["baselines"]) == {"human", "random", "consensus", *of_features}
    assert content["seeds"] == [0, 1]
    assert content["checkpoint_rule"] == content["settings"]["checkpoint_rule"] == "val"
    assert (content["coverage"]["n_tested"], content["coverage"]["n_dataset"]) == (N_VIDEOS, N_VIDEOS)
    assert len(content["coverage"]["split_sha256"]) == 64
    assert content["settings"]["feature_fingerprint"]["backbone"] == "drawn"
    assert {"torch", "pytorch-lightning", "sspvs", "python"} <= set(content["versions"])
    assert content["crossval"]["config"]["model"]["summarizer"]["num_stages"] == 2
    assert len(content["folds"]) == N_FOLDS
    assert [fold["seed"] for fold in content["crossval"]["folds"]] == [0] * 3 + [1] * 3


def test_the_same_command_makes_nothing_again(
    done: CrossValidation, config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before, stamps = figures(done.out), {path: path.stat().st_mtime_ns for path in done.out.rglob("fold.json")}
    page = tmp_path / "page.html"
    words = ["crossval", "--config", str(config), "--out", str(done.out), "--seeds", "2", "--report", str(page)]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.err.splitlines()[0] == "6 of 6 folds are finished already"
    assert "each video's mean over 2 seeds; standard deviation between seeds: tau " in shown.out
    assert "contrastive" in shown.out
    assert figures(done.out) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in done.out.rglob("fold.json")}
    assert "tiny" in page.read_text()


def test_another_experiment_in_the_same_folder_is_refused(
    done: CrossValidation, config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    common = ["crossval", "--config", str(config), "--out", str(done.out), "--seeds", "2"]
    for more, expected in (
        (["--model.optim.lr", "0.1"], "config.model.optim.lr 0.003 (now 0.1)"),
        (["--checkpoint-rule", "last"], "checkpoint_rule val (now last)"),
        (["--data.splits", str(write_splits(tmp_path, [[1, 2, 3, 4], [5, 6, 7, 8, 9]]))], "folds 3 (now 2)"),
    ):
        assert main([*common, *more]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: {done.out} was made with other settings: ")
        assert expected in err
        assert "choose another --out" in err
        assert err.count("\n") == 1
    before = figures(done.out)["kendall_tau"]
    assert main([*common, "--data.num_workers", "1", "--run.samples", "0"]) == 0  # how, not what
    assert figures(done.out)["kendall_tau"] == before


def test_a_setting_that_did_not_exist_yet_is_the_same_experiment_unused(
    done: CrossValidation, config: Path, tmp_path: Path
) -> None:
    """A folder of an earlier version, with one optional setting less, or a null more, goes on."""
    older = tmp_path / "older"
    shutil.copytree(done.out, older)
    settings = json.loads((older / "settings.json").read_text())
    assert "padding_counts" not in settings["config"]["data"]  # nor have folders of earlier versions one
    assert "start" not in settings["config"]["model"]["video"]
    settings["config"]["model"]["gone"] = None
    (older / "settings.json").write_text(json.dumps(settings))
    again = cross_validate(config, older, seeds=2)
    assert again.results["per-user"].spreads == done.results["per-user"].spreads
    settings["config"]["model"]["gone"] = 3
    (older / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"made with other settings: config\.model\.gone 3 \(now None\); choose"):
        cross_validate(config, older, seeds=2)
    assert None not in values_in(json.loads((done.out / "settings.json").read_text()))


def values_in(settings: object) -> list[object]:
    """Leaves of nested mappings."""
    if not isinstance(settings, dict):
        return [settings]
    return [leaf for value in settings.values() for leaf in values_in(value)]


def test_other_features_under_the_same_name_are_another_experiment(config: Path, tmp_path: Path) -> None:
    own = write_config(tmp_path)
    cross_validate(own, tmp_path / "out", seeds=1, keep="none", overrides=["--trainer.max_epochs", "1"])
    assert not list((tmp_path / "out").rglob("pretrained"))
    (tmp_path / "drawn.h5").write_bytes((tmp_path / "drawn.h5").read_bytes() + b" ")
    with pytest.raises(ValueError, match=r"config\.data\.dataset\.sha256"):
        cross_validate(own, tmp_path / "out", seeds=1, overrides=["--trainer.max_epochs", "1"])


def test_rules(done: CrossValidation, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`last` holds nothing out; `best-test` looks at the tested videos, and stands in a column of its own."""
    last = cross_validate(config, tmp_path / "last", seeds=1, checkpoint_rule="last")
    assert {(record.train, record.val, record.chosen.epoch) for record in last.folds} == {(6, (), 2)}
    words = ["crossval", "--config", str(config), "--out", str(tmp_path / "best"), "--seeds", "1"]
    assert main([*words, "--checkpoint-rule", "best-test", "--name", "ours"]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("validations on 3 tested videos") == N_FOLDS
    heads = next(line for line in shown.out.splitlines() if "tau*" in line).split()
    assert heads == ["tau", "rho", "tau*", "rho*"]
    assert "* The epoch was chosen on the test videos" in shown.out
    best = figures(tmp_path / "best")
    assert best["checkpoint_rule"] == "best-test"
    for fold in best["crossval"]["folds"]:
        assert fold["chosen"]["value"] == pytest.approx(fold["figures"]["kendall_tau"], rel=1e-5)
        assert sorted(fold["val"]) == sorted(fold["test"])

    table = side_by_side({"val": done, "last": last}).evaluation
    assert list(table.methods) == ["val", "last"]
    comparison = next(c for c in table.comparisons if c.metric == "kendall_tau")
    ours, theirs = (table.methods[name]["per-user"].values("kendall_tau") for name in ("val", "last"))
    assert comparison.difference == pytest.approx((ours - theirs).mean())
    with pytest.raises(ValueError, match="name of a baseline"):
        side_by_side({"random": last})


def test_a_video_that_several_folds_test_counts_once(config: Path, tmp_path: Path) -> None:
    """Video 2 is tested by both folds: its figure is the mean; four videos are never tested."""
    splits = write_splits(tmp_path, [[1, 2, 3], [2, 4, 5]])
    found = cross_validate(
        config, tmp_path / "out", seeds=1, overrides=["--data.splits", str(splits), "--data.batch_size", "2"]
    )
    dataset = config.parent / "drawn.h5"
    one, other = (tau_of(tmp_path / "out" / "seed_0" / f"fold_{k}" / "scores.h5", dataset) for k in (0, 1))
    videos = {video.key: video.kendall_tau for video in found.results["per-user"].videos}
    assert sorted(videos) == [f"video_{n}" for n in range(1, 6)]
    assert one["video_2"] != other["video_2"]
    assert videos["video_2"] == pytest.approx((one["video_2"] + other["video_2"]) / 2)
    assert videos["video_5"] == pytest.approx(other["video_5"])
    assert "the split tests 5 of 9 videos, 1 of them by more than one fold" in " ".join(found.evaluation.warnings)
    assert found.evaluation.coverage["tested_more_than_once"] == 1


MISTAKES = [
    (["--data.fold", "1"], "--data.fold cannot be given to a cross-validation: all folds are gone through"),
    (["--ckpt_path=last"], "--ckpt_path cannot be given"),
    (["--seeds", "0"], "seeds must be one or more"),
    (["--seeds", "-2"], "seeds must be one or more, got -2"),
    (["--model.nonsense", "3"], "unknown option --model.nonsense (see `sspvs crossval --help`)"),
    (["--model.optim.lrr", "3"], "unknown option --model.optim.lrr; did you mean --model.optim.lr?"),
    (["--seds", "3"], "unknown option --seds; did you mean --seeds?"),
    (["--data.dataset", "http://host//d.h5"], "addresses are not read: http://host//d.h5; "),
    (["--checkpoint-rule", "train"], "invalid choice: 'train'"),
    (["--protocol", "tau"], "invalid choice: 'tau'"),
    (["--name", "random"], "'random' is the name of a baseline"),
    (["--devices", "a"], "--devices: expected numbers"),
    (["--devices", "77", "--trainer.accelerator", "auto"], "there is no GPU 77 on this machine"),
    (["--rule", "mine"], "rule must be one of default, "),
    (["--jobs", "2", "--trainer.devices", "2"], "each process train on one device"),
    (["--task", "pretrain"], "task"),
    (["--data.dataset", "nowhere.h5"], "nowhere.h5"),
    (["--model.pretrained", "nowhere"], "nowhere"),
    (["--trainer.check_val_every_n_epoch", "9"], "no validation took place"),
    (["--report", "nowhere/page.html"], "nowhere/page.html"),
]


@pytest.mark.parametrize(("more", "expected"), MISTAKES, ids=lambda value: " ".join(value))
def test_mistakes_are_one_line(
    more: list[str], expected: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crossval", "--config", str(config), "--out", str(tmp_path / "out"), *more]) == 2
    err = capsys.readouterr().err
    assert [line for line in err.splitlines() if line.startswith("error:")] == [err.splitlines()[-1]]
    assert expected in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "result.json").exists()


def test_one_at_a_time(config: Path, tmp_path: Path) -> None:
    claimed = CrossvalFolder(tmp_path / "out").claimed()
    with claimed, pytest.raises(OutputError, match="another `sspvs crossval` is at work"):
        cross_validate(config, tmp_path / "out", seeds=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*Not a directory"):
        cross_validate(config, tmp_path / "file" / "out", seeds=1)


def test_a_card_has_the_figures_of_its_own_fold(
    done: CrossValidation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(done.out / "seed_0" / "fold_0" / "pretrained"), "--card", str(tmp_path / "card.md")]
    assert main([*words, "--results", str(done.out / "seed_0" / "fold_1" / "fold.json")]) == 2
    assert "figures of other weights than the checkpoint's" in capsys.readouterr().err
    assert main([*words, "--results", str(done.out / "seed_0" / "fold_0" / "fold.json")]) == 0


def test_summaries_by_another_rule(done: CrossValidation, config: Path, tmp_path: Path) -> None:
    """F1 follows the rule; correlations do not. What is finished is not made again."""
    shutil.copytree(done.out, tmp_path / "out")
    again = cross_validate(config, tmp_path / "out", seeds=2, rule="sspvs")
    spreads = again.results["per-user"].spreads
    assert spreads["kendall_tau"] == done.results["per-user"].spreads["kendall_tau"]
    assert again.evaluation.settings["rule"] == "sspvs"


def test_a_start_that_may_have_seen_the_tested_videos_is_reported(
    done: CrossValidation, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A summarizer to start from was trained on annotated videos; which ones it does not say."""
    start = str(done.out / "seed_0" / "fold_0" / "pretrained")
    words = ["crossval", "--config", str(config), "--out", str(tmp_path / "out"), "--seeds", "1", "--keep", "none"]
    assert main([*words, "--model.pretrained", start, "--trainer.max_epochs", "1"]) == 0
    note = "training started from a fine-tuned summarizer, done/seed_0/fold_0: if it has learned from"
    assert note in " ".join(capsys.readouterr().out.split())
    assert [note in warning for warning in figures(tmp_path / "out")["warnings"]].count(True) == 1
    assert not [warning for warning in figures(done.out)["warnings"] if "training started from" in warning]


def test_what_cannot_be_evaluated_is_not_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of TVSum that the field exchanges have the mean annotator alone."""
    config = write_config(tmp_path, trainer__max_epochs=1)
    with h5py.File(tmp_path / "drawn.h5", "a") as file:
        for group in file.values():
            if "user_scores" in group:
                del group["user_scores"]
    words = ["crossval", "--config", str(config), "--out", str(tmp_path / "out"), "--seeds", "1", "--keep", "none"]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {tmp_path / 'drawn.h5'}: per-user needs the scores of each user")
    assert err.rstrip().endswith("or use mean-annotator")
    assert not (tmp_path / "out").exists()
    assert main([*words, "--protocol", "mean-annotator"]) == 0
    assert figures(tmp_path / "out")["protocol"] == "mean-annotator"


def test_a_damaged_fold_is_reported(done: CrossValidation, config: Path, tmp_path: Path) -> None:
    out = done.out.with_name(tmp_path.name)  # its config names files relative to it
    shutil.copytree(done.out, out)
    (out / "seed_0" / "fold_1" / "scores.h5").unlink()  # not finished: made again
    record = out / "seed_1" / "fold_0" / "fold.json"
    for damaged in ("{}", record.read_text().replace('"versions": {', '"versions": {"a": [2],')):
        record.write_text(damaged)
        with pytest.raises(DatasetError, match=r"no record of a fold.*delete its folder"):
            cross_validate(config, out, seeds=SEEDS)
    shutil.rmtree(record.parent)
    cross_validate(config, out, seeds=SEEDS)
    assert figures(out) == figures(done.out)
    changed = {**json.loads(record.read_text()), "digest": "0"}
    record.write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="was made with other settings"):
        cross_validate(config, out, seeds=SEEDS)
