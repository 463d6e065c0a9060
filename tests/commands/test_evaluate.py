"""`sspvs evaluate` through the command line: what it says, what it writes, how it refuses."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import NAMES, drawn_video, write_drawn_dataset
from scipy.io import loadmat

from sspvs.cli import main
from sspvs.evaluation.protocol import PROTOCOLS, protocol_names, protocols_named
from sspvs.table import write_dataset
from sspvs.types import Annotations

KEYS = [f"video_{n}" for n in range(1, len(NAMES) + 1)]
METRICS = ("kendall_tau", "spearman_rho", "f_score_avg", "f_score_max")
CORRELATIONS = {protocol.name for protocol in protocols_named("all")}
ENTRY = {"method", "protocol", "dataset", "n_videos", *METRICS, "undefined_pairs", "settings", "versions", "videos"}
ONCE = {"baselines", "coverage", "unavailable", "warnings"}


@pytest.fixture(scope="module")
def summe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_dataset(tmp_path_factory.mktemp("d") / "summe.h5", features=True)


def _scores(path: Path, seed: int = 0, by_name: bool = False) -> Path:
    generator = np.random.default_rng(seed)
    rows = {}
    for number, (key, name) in enumerate(zip(KEYS, NAMES, strict=True), start=1):
        rows[name if by_name else key] = generator.random(len(drawn_video(number).picks)).tolist()
    path.write_text(json.dumps(rows))
    return path


def _evaluate(dataset: Path, *flags: str | Path) -> int:
    return main(["evaluate", "--dataset", str(dataset), *map(str, flags)])


def _strict(path: Path) -> dict[str, Any]:
    """JSON without the words that only Python reads."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    document: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return document


def _check_entry(entry: dict[str, Any], protocol: str) -> None:
    assert entry["protocol"] == protocol
    assert entry["dataset"] == "summe"
    assert entry["n_videos"] == 7
    for metric in METRICS:
        assert set(entry[metric]) == {"mean", "std", "ci95"}
        values = [video[metric] for video in entry["videos"].values() if video[metric] is not None]
        assert entry[metric]["mean"] == pytest.approx(np.mean(values))
        assert entry[metric]["std"] == pytest.approx(np.std(values, ddof=1))
        low, high = entry[metric]["ci95"]
        assert low <= entry[metric]["mean"] <= high
    assert entry["undefined_pairs"] == sum(video["undefined_pairs"] for video in entry["videos"].values())
    assert list(entry["videos"]) == list(NAMES)
    assert [video["key"] for video in entry["videos"].values()] == KEYS
    settings = entry["settings"]
    assert settings["protocol_sentence"] == PROTOCOLS[protocol].sentence
    assert "avg" in settings["f_score_reduction"]
    assert settings["rule"] == {"name": "default", "fraction": 0.15, "rounding": "floor", "values": "exact"}
    assert (settings["seed"], settings["draws"]) == (0, 100)
    assert len(settings["dataset_sha256"]) == 64
    assert "feature_fingerprint" in settings
    assert {"sspvs", "numpy", "scipy"} <= set(entry["versions"])


def test_one_method_under_one_protocol(summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, out = _scores(tmp_path / "mine.json"), tmp_path / "r.json"
    assert _evaluate(summe, "--scores", scores, "--out", out) == 0
    document = _strict(out)
    assert set(document) == ENTRY | ONCE
    _check_entry(document, "per-user")
    assert document["method"] == "mine"
    assert document["settings"]["source"]["file"] == "mine.json"
    assert document["settings"]["checkpoint_rule"] == "not stated"
    assert document["coverage"] == {"n_dataset": 7, "n_tested": 7}
    assert set(document["baselines"]) == {"human", "random", "consensus"}
    for name, entry in document["baselines"].items():
        assert set(entry) == ENTRY
        assert entry["method"] == name
        _check_entry(entry, "per-user")
    said = capsys.readouterr().out
    assert PROTOCOLS["per-user"].sentence in " ".join(said.split())
    assert all(row in said for row in ("mine", "human", "random", "consensus"))
    assert f"{abs(document['kendall_tau']['mean']):.4f}"[1:] in said


def test_all_protocols_have_an_entry_each(summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, out = _scores(tmp_path / "mine.json", by_name=True), tmp_path / "r.json"
    assert _evaluate(summe, "--scores", scores, "--protocol", "all", "--out", out) == 0
    document = _strict(out)
    assert set(document) == {"dataset", "n_videos", "method", "protocols", "settings", "versions"} | ONCE
    assert set(document["protocols"]) == CORRELATIONS
    for entries in (document["protocols"], *(row["protocols"] for row in document["baselines"].values())):
        for name, entry in entries.items():
            assert set(entry) == ENTRY
            _check_entry(entry, name)
    said = " ".join(capsys.readouterr().out.split())
    assert all(PROTOCOLS[name].sentence in said for name in CORRELATIONS)


def test_the_names_of_protocols_are_all_of_them() -> None:
    assert set(protocol_names()) == {*PROTOCOLS, "all"}


@pytest.mark.parametrize("baseline", ["human", "random", "consensus", "contrastive"])
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_every_baseline_under_every_protocol(baseline: str, protocol: str, summe: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    flags = ["--baseline", baseline, "--protocol", protocol, "--draws", "3", "--out", out]
    assert _evaluate(summe, *flags) == 0
    document = _strict(out)
    own = {"average_precision"} if PROTOCOLS[protocol].figure == "precision" else set()
    assert set(document) == ENTRY | ONCE | own
    assert document["method"] == baseline
    assert document["protocol"] == protocol
    assert set(document["baselines"]) == {"human", "random", "consensus"} - {baseline}


def test_contrastive_combinations_differ(summe: Path, tmp_path: Path) -> None:
    found = []
    for combine in ("a", "ag"):
        out = tmp_path / f"{combine}.json"
        assert _evaluate(summe, "--baseline", "contrastive", "--combine", combine, "--out", out) == 0
        document = _strict(out)
        assert document["settings"]["combine"] == combine
        found.append(document["videos"])
    assert found[0] != found[1]


def test_several_methods_stand_side_by_side(summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, out = _scores(tmp_path / "a.json", 1), _scores(tmp_path / "b.json", 2), tmp_path / "r.json"
    assert _evaluate(summe, "--scores", f"mine={first}", "--scores", second, "--out", out) == 0
    document = _strict(out)
    assert set(document) == {"dataset", "n_videos", "protocol", "methods", "comparisons", "settings", "versions"} | ONCE
    assert list(document["methods"]) == ["mine", "b"]
    for entry in document["methods"].values():
        assert set(entry) == ENTRY
        _check_entry(entry, "per-user")
    assert {row["metric"] for row in document["comparisons"]} == set(METRICS)
    for row in document["comparisons"]:
        assert (row["first"], row["second"], row["protocol"]) == ("mine", "b", "per-user")
        means = [document["methods"][name][row["metric"]]["mean"] for name in ("mine", "b")]
        assert row["difference"] == pytest.approx(means[0] - means[1])
        assert row["ci95"][0] <= row["difference"] <= row["ci95"][1]
        assert 0 < row["p_value"] <= 1
    assert "mine - b" in capsys.readouterr().out


def _folds(folder: Path, seed: int = 0) -> list[Path]:
    """The videos of `_scores` in three files, as a method leaves them that was trained on folds."""
    rows = json.loads(_scores(folder / "whole.json", seed).read_text())
    parts = [folder / f"net_split{number}.json" for number in range(3)]
    for number, part in enumerate(parts):
        part.write_text(json.dumps({key: rows[key] for key in KEYS[number::3]}))
    return parts


def test_the_files_of_single_folds_are_one_method(
    summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts, out = _folds(tmp_path), tmp_path / "r.json"
    assert _evaluate(summe, "--scores", tmp_path / "whole.json", "--out", out) == 0
    whole = _strict(out)["videos"]
    assert _evaluate(summe, "--scores", *parts, "--out", out) == 0
    document = _strict(out)
    _check_entry(document, "per-user")
    assert document["method"] == "net"
    assert document["videos"] == whole
    assert [source["file"] for source in document["settings"]["source"]["files"]] == [part.name for part in parts]
    several = ["--scores", f"a={parts[0]}", *parts[1:], f"b={tmp_path}/net_split?.json", "--scores"]
    several.append(_scores(tmp_path / "c.json", 3))
    capsys.readouterr()
    assert _evaluate(summe, *several, "--out", out) == 0
    methods = _strict(out)["methods"]
    assert list(methods) == ["a", "b", "c"]
    assert methods["a"]["videos"] == methods["b"]["videos"] == whole != methods["c"]["videos"]


def test_a_video_in_two_folds_is_named_and_must_be_the_same(
    summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = parts = _folds(tmp_path)
    repeated = {**json.loads(first.read_text()), "video_2": json.loads(second.read_text())["video_2"]}
    first.write_text(json.dumps(repeated))
    assert _evaluate(summe, "--scores", *parts) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"in {first.name} and in {second.name}, with the same scores, taken once: 'video_2'" in said
    first.write_text(json.dumps({**repeated, "video_2": repeated["video_2"][::-1]}))
    assert _evaluate(summe, "--scores", *parts) == 2
    said = capsys.readouterr().err
    assert f"'video_2' is in {first} and in {second} with different scores" in said
    assert "give each method its own --scores" in said


def test_splits_give_folds_and_coverage(summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, out, splits = _scores(tmp_path / "mine.json"), tmp_path / "r.json", tmp_path / "s.json"
    folds = [{"train_keys": ["video_1"], "test_keys": keys} for keys in (["video_2", "video_4"], ["video_4"])]
    splits.write_text(json.dumps(folds))
    assert _evaluate(summe, "--scores", scores, "--splits", splits, "--out", out) == 0
    document = _strict(out)
    assert set(document) == ENTRY | ONCE | {"folds", "over_folds"}
    assert document["n_videos"] == 2
    assert list(document["videos"]) == ["Base jumping", "Eiffel Tower"]
    assert document["coverage"]["n_tested"] == 2
    assert len(document["coverage"]["split_sha256"]) == 64
    assert document["folds"][1]["kendall_tau"] == document["videos"]["Eiffel Tower"]["kendall_tau"]
    assert "2 of 7 tested" in capsys.readouterr().out


def test_undefined_figures_are_null(summe: Path, tmp_path: Path) -> None:
    constant = {f"video_{n}": [1.0] * len(drawn_video(n).picks) for n in range(1, 8)}
    (tmp_path / "c.json").write_text(json.dumps(constant))
    assert _evaluate(summe, "--scores", tmp_path / "c.json", "--out", tmp_path / "r.json") == 0
    document = _strict(tmp_path / "r.json")
    assert document["kendall_tau"] == {"mean": None, "std": None, "ci95": [None, None]}
    assert document["undefined_pairs"] == 21
    assert document["videos"]["Jumps"]["spearman_rho"] is None
    assert document["f_score_max"]["mean"] > 0


def test_the_checkpoint_rule_is_recorded_and_best_test_marked(
    summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, out = _scores(tmp_path / "mine.json"), tmp_path / "r.json"
    assert _evaluate(summe, "--scores", scores, "--checkpoint-rule", "best-test", "--out", out) == 0
    assert _strict(out)["settings"]["checkpoint_rule"] == "best-test"
    assert "chosen on the test videos" in capsys.readouterr().out


def test_published_results_stand_beside(summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--scores", _scores(tmp_path / "mine.json"), "--protocol", "summary-vs-mean"]
    assert _evaluate(summe, *flags) == 0
    assert "CSTA 2024" not in capsys.readouterr().out
    assert _evaluate(summe, *flags, "--published") == 0
    assert "CSTA 2024" in capsys.readouterr().out


def test_a_picture_is_drawn(summe: Path, tmp_path: Path) -> None:
    from PIL import Image

    out = tmp_path / "r.png"
    assert _evaluate(summe, "--baseline", "human", "--protocol", "all", "--picture", out) == 0
    with Image.open(out) as picture:
        picture.load()
        assert picture.width > 800
        assert np.unique(np.asarray(picture.convert("L"))).size > 50


def test_empty_summaries_are_told(summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = json.loads(_scores(tmp_path / "s.json").read_text())
    (tmp_path / "s.json").write_text(json.dumps({key: [x - 5 for x in row] for key, row in scores.items()}))
    assert _evaluate(summe, "--scores", tmp_path / "s.json") == 0
    assert "7 of 7 summaries are empty" in capsys.readouterr().out.replace("\n  ", " ")


def test_a_page_is_written(summe: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert _evaluate(summe, "--scores", _scores(tmp_path / "mine.json"), "--report", page) == 0
    text = page.read_text()
    assert text.lower().startswith("<!doctype html>")
    assert "Base jumping" in text


def _fail_cases(folder: Path) -> dict[str, tuple[list[str], str]]:
    scores = str(_scores(folder / "mine.json"))
    (folder / "half.h5").write_bytes((folder / "D.h5").read_bytes()[:5000])
    (folder / "short.json").write_text('{"video_1": [0.5]}')
    good = ["--dataset", "D.h5", "--scores", scores]
    return {
        "nothing": ([], "--dataset"),
        "neither": (["--dataset", "D.h5"], "one of the arguments --scores --baseline is required"),
        "both": ([*good, "--baseline", "human"], "not allowed with"),
        "no dataset": (["--dataset", "gone.h5", "--baseline", "human"], "gone.h5"),
        "half a dataset": (["--dataset", "half.h5", "--baseline", "human"], "half.h5"),
        "no scores": (["--dataset", "D.h5", "--scores", "gone.json"], "gone.json"),
        "scores that do not fit": (["--dataset", "D.h5", "--scores", "short.json", "--allow-missing"], "got 1"),
        "missing videos": (["--dataset", "D.h5", "--scores", "short.json"], "no scores of 6 of 7 videos"),
        "no splits": ([*good, "--splits", "gone.json"], "gone.json"),
        "no protocol": ([*good, "--protocol", "tau"], "--protocol"),
        "no rule": ([*good, "--rule", "mine"], "rule must be one of"),
        "no folder": ([*good, "--out", "gone/r.json"], "no folder gone"),
        "out is a folder": ([*good, "--report", "."], "cannot write"),
        "over the dataset": ([*good, "--out", "D.h5"], "one of the files that are read"),
        "over the scores": ([*good, "--out", scores], "one of the files that are read"),
        "two in one": ([*good, "--out", "r", "--report", "r"], "the same file"),
        "two of a name": ([*good, "--scores", scores], "two methods would be called 'mine'"),
        "a baseline's name": (["--dataset", "D.h5", "--scores", f"human={scores}"], "the name of a baseline"),
        "a checkpoint rule of nobody": ([*good, "--checkpoint-rule", "you=val"], "'you', which is no method here"),
        "no checkpoint rule": ([*good, "--checkpoint-rule", "lucky"], "checkpoint_rule must be one of"),
        "recorded nothing": ([*good, "--recorded-summaries"], "no recorded summary"),
    }


def test_mistakes_are_one_line_and_write_nothing(
    summe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "D.h5").write_bytes(summe.read_bytes())
    cases = _fail_cases(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name, (flags, message) in cases.items():
        extra = [] if "--out" in flags or "--report" in flags else ["--out", "r.json", "--report", "r.html"]
        assert main(["evaluate", *flags, *extra]) == 2, name
        err = capsys.readouterr().err
        assert err.startswith("error: "), name
        assert err.count("\n") == 1, name
        assert message in err, (name, err)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, name


def _official_summe(folder: Path, annotations: Path) -> Path:
    """SumMe from the official files, without shots: users' summaries are all that a recorded summary needs."""
    names = json.loads((annotations / "summe_names.json").read_text())
    files = {path.stem.replace(" ", "_"): path for path in (annotations / "summe_gt").glob("*.mat")}
    videos = []
    for name, key in names.items():
        chosen = loadmat(files[name.replace(" ", "_")])["user_score"].T > 0
        picks = np.arange(0, chosen.shape[1], 15)
        mean = chosen[:, picks].mean(axis=0).astype(np.float32)
        scores = chosen.astype(np.float32)
        videos.append((Annotations(key, name, chosen.shape[1], picks, chosen, scores, mean), None))
    write_dataset(folder / "summe.h5", videos, name="summe", made_by={})
    return folder / "summe.h5"


def test_the_f1_that_a_peer_recorded_is_reproduced(tmp_path: Path, shared_data: Path) -> None:
    dataset = _official_summe(tmp_path, shared_data / "annotations")
    files = sorted((shared_data / "peer_scores").glob("*.h5"))
    assert files
    for path in files:
        out = tmp_path / "r.json"
        flags = ["--protocol", "all", "--recorded-summaries", "--allow-missing", "--draws", "1", "--out", out]
        assert _evaluate(dataset, "--scores", path, *flags) == 0
        document = _strict(out)
        entry = document["protocols"]["per-user"]
        with h5py.File(path) as file:
            assert entry["n_videos"] == len(file) == 5
            for video in entry["videos"].values():
                assert math.isclose(video["f_score_max"], file[video["key"]]["fm"][()], abs_tol=1e-9)
        assert set(document["protocols"]) == CORRELATIONS
    assert _evaluate(dataset, "--scores", *files, *flags) == 0
    joined = _strict(out)["protocols"]["per-user"]
    recorded = {}
    for path in files:
        with h5py.File(path) as file:
            recorded |= {key: float(file[key]["fm"][()]) for key in file}
    assert {video["key"]: video["f_score_max"] for video in joined["videos"].values()} == pytest.approx(recorded)
    assert joined["f_score_max"]["mean"] == pytest.approx(0.4158542135)  # over all 25 videos, as the peer recorded it


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of files are POSIX")
def test_all_results_or_none(summe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The page does not fit, the result file would: what an earlier evaluation left stays as it was."""
    import resource

    names = {"--out": "r.json", "--report": "r.html", "--picture": "r.png"}
    flags = [word for option, name in names.items() for word in (option, tmp_path / name)]
    assert _evaluate(summe, "--baseline", "human", *flags) == 0
    before = {name: (tmp_path / name).read_bytes() for name in names.values()}
    assert len(before["r.json"]) < 50_000 < len(before["r.html"])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        assert _evaluate(summe, "--baseline", "random", *flags) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capfd.readouterr().err
    assert said.startswith(f"error: cannot write {tmp_path / 'r.html'}: File too large; ")
    assert said.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
