"""Model cards: what is known, in words; what is not, as unknown; figures only of this checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.card_material import DIGEST, MADE_BY, crossvalidated, evaluated, fold_record, sections, written
from helpers.tiny_summarizers import FIELDS, tiny_summarizer

from sspvs.errors import CheckpointError, DatasetError, OutputError, WeightsNotFoundError
from sspvs.export import export_onnx, model_card, write_model_card
from sspvs.export.figures import Figures
from sspvs.export.model_card import figures_text
from sspvs.export.source import CheckpointFacts
from sspvs.table.text import TextSettings
from sspvs.tasks.checkpoint import PRETRAIN, save_folder
from sspvs.tasks.summarize import SummarizeTask
from sspvs.types import Fingerprint


def figures_of(task: SummarizeTask, *paths: Path) -> Figures:
    return Figures.read(paths, CheckpointFacts.of(task))


def test_what_a_checkpoint_says_of_itself(tmp_path: Path) -> None:
    task = tiny_summarizer(guidance="cross-attention", fingerprint=MADE_BY, num_stages=2)
    folder = task.save_pretrained(tmp_path / "mine")
    card = sections(model_card(folder, name="somebody/mine", on_hub=True, license="cc-by-nc-4.0"))
    assert card["front"] == {
        "library_name": "sspvs",
        "license": "cc-by-nc-4.0",
        "tags": ["sspvs", "video-summarization", "progressive", "multimodal"],
    }
    assert "# somebody/mine\n" in card["head"]
    use = card["Use"]
    assert 'sspvs summarize video.mp4 --scorer somebody/mine --download --title "what it is about" --out' in use
    assert 'sspvs.summarize("video.mp4", scorer="somebody/mine", download=True)' in use
    assert "onnx" not in use.lower()
    features = card["Features"]
    assert all(str(value) in features for value in (*vars(MADE_BY).values(), MADE_BY.digest) if value != 2.0)
    assert "sspvs extract videos/ --backbone efficientnet-lite0 --rate 2 --out features.h5" in features
    assert card["Figures"].startswith("\nUnknown: this card was written without a result file.")
    settings = card["Settings"]
    assert "progressive, stages: 2;" in settings
    assert "cross-attention: every stage attends" in settings
    assert f"{sum(tensor.numel() for tensor in task.state_dict().values()):,} numbers" in settings
    assert "category 1, query 3, title 6" in settings
    assert card["Initialised from"].startswith("\nNothing is recorded")
    assert "Of the weights: cc-by-nc-4.0." in card["Licence"]
    assert model_card(task, name="a/b", on_hub=True) == model_card(folder, name="a/b", on_hub=True)


def test_what_is_not_known_is_said_to_be_unknown(tmp_path: Path) -> None:
    card = sections(model_card(tiny_summarizer().save_pretrained(tmp_path / "mine")))
    assert card["front"]["license"] == "unknown"
    assert card["Features"].startswith("\nUnknown: it is not recorded what made the 24-D features")
    assert "Of the weights: unknown." in card["Licence"]
    assert "--title" not in card["Use"]
    assert card["front"]["tags"] == ["sspvs", "video-summarization", "progressive"]


def test_a_text_field_that_it_reads_is_shown(tmp_path: Path) -> None:
    task = tiny_summarizer(guidance="gate", fields=TextSettings(0, 4, 0, 0))
    assert '--query "what it is about"' in sections(model_card(task))["Use"]


def test_a_synthetic_world_is_no_backbone() -> None:
    made_by = Fingerprint("synthetic:drawn", "0" * 64, "drawn 24-D", "none", 2.0)
    card = sections(model_card(tiny_summarizer(fingerprint=made_by)))
    assert "no backbone gives them" in card["Features"]
    assert "sspvs summarize" not in card["Use"]
    assert "of no use for real videos" in card["Limits"]


def test_what_it_was_initialised_from() -> None:
    task = tiny_summarizer()
    first = {
        "source": "a/b",
        "kind": "sspvs.pretrain",
        "sha256": "1" * 64,
        "loaded": 9,
        "missing": [],
        "unexpected": [],
    }
    task.hparams["initialised_from"] = {
        "source": "/home/somebody/runs/x/pretrained/best", "kind": "sspvs.summarize", "sha256": "2" * 64, "loaded": 40,
        "missing": ["a", "b"], "unexpected": [], "initialised_from": first,
    }  # fmt: skip
    told = sections(model_card(task))["Initialised from"]
    assert f"1. `x/best`, sspvs.summarize, weights SHA-256 `{'2' * 64}`: 40 tensors taken over, 2 miss" in told
    assert f"2. `a/b`, sspvs.pretrain, weights SHA-256 `{'1' * 64}`: 9 tensors taken over" in told
    assert "somebody" not in told


def test_figures_stand_with_protocol_split_and_rule(tmp_path: Path) -> None:
    task = tiny_summarizer(fingerprint=MADE_BY)
    result = crossvalidated(tmp_path, task, protocol="all")
    figures = figures_of(task, written(tmp_path / "r.json", result), written(tmp_path / "f.json", fold_record(task)))
    text = sections(model_card(task, figures=figures))["Figures"]
    entries = result["protocols"]
    assert len(entries) == 4
    for name, entry in entries.items():
        assert f"Dataset `summe`, 7 videos, protocol `{name}`: {entry['settings']['protocol_sentence']}." in text
        tau = entry["kendall_tau"]
        cell = f"{tau['mean']:.3f} [{tau['ci95'][0]:.3f}, {tau['ci95'][1]:.3f}]"
        assert f"| mine | {cell} |" in text
    human = result["baselines"]["human"]["protocols"]["per-user"]["kendall_tau"]["mean"]
    assert f"| human | {human:.3f} [" in text
    assert f"Split: `folds.json`, SHA-256 `{result['coverage']['split_sha256']}`, canonical, 2 folds." in text
    assert "`best-test`: the best epoch **on the tested videos**" in text
    assert "not of this checkpoint alone" in text
    assert "Seeds: 0, 1." in text
    assert "Standard deviation over seeds under `per-user`: tau 0.012." in text
    assert "Tested: 7 of the dataset's 7 videos." in text
    assert "fold 0 (the first is 0), seed 1, trained on 17 videos, weights chosen by `val`" in text
    assert "On the 2 videos that the fold tests: tau 0.123, rho 0.234 (" in text or "rho 0.235 (" in text
    assert figures.protocol == ", ".join(entries)
    assert figures.means["split_sha256"] == result["coverage"]["split_sha256"]


def test_figures_of_scores_say_that_nobody_knows_whose(tmp_path: Path) -> None:
    task = tiny_summarizer(fingerprint=MADE_BY)
    text = sections(model_card(task, figures=figures_of(task, written(tmp_path / "r.json", evaluated(tmp_path)))))
    assert "does not say which checkpoint made them" in text["Figures"]
    assert "Seeds: unknown." in text["Figures"]


def test_a_fold_alone(tmp_path: Path) -> None:
    task = tiny_summarizer()
    figures = figures_of(task, written(tmp_path / "f.json", fold_record(task)))
    assert (figures.protocol, figures.checkpoint_rule) == ("unknown", "val")
    text = sections(model_card(task, figures=figures))["Figures"]
    assert text.strip().startswith("This checkpoint by itself: fold 0")
    assert "| mine |" not in text


def test_figures_of_others_are_refused(tmp_path: Path) -> None:
    task = tiny_summarizer(fingerprint=MADE_BY)
    result, fold = crossvalidated(tmp_path, task), fold_record(task)

    def refused(error: type[Exception], match: str, *contents: Any) -> None:
        paths = [written(tmp_path / f"{number}.json", content) for number, content in enumerate(contents)]
        with pytest.raises(error, match=match):
            figures_of(task, *paths)

    other = copy.deepcopy(result)
    other["settings"]["feature_fingerprint"]["rate_hz"] = 1.0
    refused(CheckpointError, "other features than the checkpoint was trained on: rate_hz", other)
    refused(CheckpointError, "other features", fold_record(task, feature_fingerprint={"backbone": "x"}))
    other = copy.deepcopy(result)
    other["crossval"]["config"]["model"]["summarizer"]["num_stages"] = 4
    refused(CheckpointError, "another summarizer than the checkpoint's: num_stages 4, here 3", other)
    refused(DatasetError, "not of the cross-validation", result, {**fold, "digest": "6" * 64})
    refused(DatasetError, "a second result file", result, result)
    refused(DatasetError, "no result of one method", evaluated(tmp_path, methods=("a", "b")))
    refused(DatasetError, "no result of one method", {"scores": [1, 2]})
    refused(DatasetError, "no result of one method", [1, 2])
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DatasetError, match="no result file that can be read"):
        figures_of(task, tmp_path / "broken.json")
    with pytest.raises(DatasetError, match="no result file that can be read"):
        figures_of(task, tmp_path / "missing.json")
    assert result["crossval"]["digest"] == fold["digest"] == DIGEST


def test_a_card_cannot_be_broken_by_names(tmp_path: Path) -> None:
    made_by = Fingerprint("a|b`c\n## d", "ab" * 32, "x | y\n---", "<script>", 2.0)
    card = sections(model_card(tiny_summarizer(fingerprint=made_by), name="my|model\n## Use"))
    known = ["front", "head", "Use", "Features", "Figures", "Limits", "Settings", "Initialised from", "Licence"]
    assert list(card) == known
    assert "<script>" not in card["Features"]
    assert "| backbone | `a\\|b'c ## d` |" in card["Features"]


@pytest.mark.parametrize("guidance", ["none", "gate"])
def test_the_lines_about_onnx_run(guidance: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny_summarizer(guidance=guidance)
    export_onnx(task, tmp_path / "model.onnx", check=False)
    use = sections(model_card(task, onnx="model.onnx"))["Use"]
    code = use.partition("as an ONNX file:\n\n```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"features": np.random.default_rng(0).random((9, 24), np.float32)}
    exec(code, known)
    assert known["scores"].shape == (1, 9)
    assert known["stage_scores"].shape == (1, 3, 9)
    assert f"({1}, {FIELDS.total})" in use or guidance == "none"


def test_wrong_sources_and_licenses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="license must be an abbreviation"):
        model_card(tiny_summarizer(), license="do what you want: really")
    with pytest.raises(WeightsNotFoundError):
        model_card(tmp_path / "nothing")
    save_folder(tmp_path / "p", PRETRAIN, {"local_radius": 4}, {})
    with pytest.raises(CheckpointError, match="a checkpoint of pretraining, which scores no frames"):
        model_card(tmp_path / "p")


def test_a_card_that_somebody_wrote_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    write_model_card(path, "made")
    write_model_card(path, "made")
    path.write_text("mine")
    with pytest.raises(ValueError, match="--overwrite replaces it"):
        write_model_card(path, "made")
    assert path.read_text() == "mine"
    write_model_card(path, "made", overwrite=True)
    assert path.read_text() == "made"
    with pytest.raises(OutputError):
        write_model_card(tmp_path / "missing" / "README.md", "made")


def test_any_value_in_any_place_is_read_or_refused(tmp_path: Path) -> None:
    task = tiny_summarizer(fingerprint=MADE_BY)
    files = crossvalidated(tmp_path, task), fold_record(task)
    facts, refusals = CheckpointFacts.of(task), 0

    def places(tree: Any) -> Iterator[tuple[Any, Any]]:
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
            if key not in ("videos", "human", "consensus", "random"):  # the same again
                yield tree, key
                yield from places(tree[key])

    for content in map(copy.deepcopy, files):
        for container, key in list(places(content)):
            kept = container[key]
            for odd in (None, [1], {"a": 1}, "a", True, 10**400):
                container[key] = odd
                try:
                    figures_text(Figures.read([written(tmp_path / "odd.json", content)], facts))
                except (DatasetError, CheckpointError):
                    refusals += 1
            container[key] = kept
    assert refusals > 200
