"""The page of an evaluation as a document: complete, escaped, self-contained; how it runs is in the browser's test."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.evaluation_builder import ALL, build_annotations, build_evaluation, build_result
from helpers.summary_builder import HOSTILE

from sspvs.errors import OutputError
from sspvs.evaluation.comparison import Evaluation
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import protocols_named
from sspvs.evaluation.published import published_results
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.report.evaluation_page import COLUMNS, MAX_VIDEOS, drawn_keys, video_document, write_evaluation_page
from sspvs.types import Annotations, Shots

NAMES = ("Air_Force_One", "Base jumping", "Cockpit_Landing")
Dataset = dict[str, Annotations]
Predictions = dict[str, dict[str, Prediction]]


class Page(HTMLParser):
    """Elements, the text outside scripts, the cells of each table, and the embedded data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._raw = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "small" and self.tables and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if self._raw:
            self.raw.append(data)
            return
        self.text += data
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data

    @property
    def data(self) -> dict[str, Any]:
        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is no strict JSON")

        document = json.loads(self.raw[1], parse_constant=refuse)
        assert isinstance(document, dict)
        return document


def material(
    kind: str = "summaries", methods: tuple[str, ...] = ("mine",), **changes: Any
) -> tuple[Dataset, Predictions]:
    dataset = {
        f"video_{i + 1}": build_annotations(f"video_{i + 1}", name, kind=kind, **changes)
        for i, name in enumerate(NAMES)
    }
    rng = np.random.default_rng(0)
    predictions = {
        method: {key: Prediction.of(rng.standard_normal(len(a.picks)), a) for key, a in dataset.items()}
        for method in methods
    }
    return dataset, predictions


def written(folder: Path, evaluation: Evaluation, kind: str = "summaries", **changes: Any) -> tuple[str, Page]:
    dataset, predictions = material(kind, tuple(evaluation.methods), **changes)
    write_evaluation_page(folder / "page.html", evaluation.table(published_results()), dataset, predictions)
    text = (folder / "page.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_the_page_has_the_table_of_every_protocol_and_of_f1(tmp_path: Path) -> None:
    evaluation = build_evaluation(["mine", "other"], protocols=ALL)
    _, page = written(tmp_path, evaluation)
    assert len(page.tables) == 5
    for protocol in protocols_named("all"):
        assert protocol.sentence in page.text
        assert protocol.name in page.text
    first = {row[0].split("  ")[0]: row[1:] for row in page.tables[0]}
    spread = evaluation.methods["mine"]["per-user"].spreads["kendall_tau"]
    expected = f"{spread.mean:.4f} [{spread.ci95[0]:.3f}, {spread.ci95[1]:.3f}]".replace("0.", ".")
    assert first["mine"][0] == expected
    assert [row[0].split()[0] for row in page.tables[0][1:-1]] == [
        "mine", "other", "contrastive", "consensus", "human", "random",
    ]  # fmt: skip
    csta = next(row for row in page.tables[2] if row[0] == "CSTA 2024")
    assert csta[1:5] == [".108", "", ".246", ".274"]
    assert "A2Summ 2023 .108 / .129*" in page.text


def test_nothing_comes_from_another_place_and_the_policy_says_so(tmp_path: Path) -> None:
    text, page = written(tmp_path, build_evaluation())
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(re.findall(r"'sha256-", policy)) == 2
    for _, attributes in page.elements:
        assert "style" not in attributes  # the policy would block it
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_nothing_a_user_provides_becomes_markup(tmp_path: Path) -> None:
    plain, plain_page = written(tmp_path, build_evaluation(["m"], dataset="d", warnings=("w",)))
    evaluation = build_evaluation(
        [HOSTILE],
        dataset=HOSTILE,
        names=[HOSTILE + "1", HOSTILE + "2", HOSTILE + "3"],
        warnings=(HOSTILE,),
        settings={HOSTILE: HOSTILE},
        coverage={"split": HOSTILE},
        versions={HOSTILE: HOSTILE},
        protocols=["per-user", "mean-annotator"],
        unavailable={"mean-annotator": HOSTILE},
    )
    text, page = written(tmp_path, evaluation, title=HOSTILE, category=HOSTILE)
    tags, plain_tags = ([tag for tag, _ in p.elements] for p in (page, plain_page))
    assert set(tags) <= set(plain_tags) | {"h3", "b", "ul", "li", "section"}
    assert tags.count("script") == plain_tags.count("script") == 2
    assert text.count("</script>") == plain.count("</script>") == 2
    assert "img" not in tags
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.data["rows"][0]["name"] == HOSTILE
    assert page.data["videos"][0]["title"] == HOSTILE
    assert not set("<>&\u2028") & set(page.raw[1])


def test_the_data_is_strict_json_where_figures_are_not_defined(tmp_path: Path) -> None:
    flat = build_result("flat", names=NAMES, taus=[np.nan, 0.1, -0.2], undefined=20, f_score=None)
    evaluation = replace(build_evaluation(), methods={"flat": {"per-user": flat}})
    _, page = written(tmp_path, evaluation)
    values = page.data["values"]["per-user"]["flat"]
    assert values["kendall_tau"] == [None, 0.1, -0.2]
    assert values["f_score_avg"] == [None, None, None]
    assert "nan" not in page.text.lower()
    assert "20 of 60 pairs left out" in page.text


def test_curves_and_summaries_are_those_of_the_scores() -> None:
    annotations = build_annotations(n_frames=6400, step=10)
    scores = np.linspace(-3, 5, 640)
    prediction = Prediction.of(scores, annotations)
    rule = SummaryRule(fraction=0.4)
    document = video_document(annotations, "video_1", "n", {"mine": {"video_1": prediction}}, rule)
    (method,) = document["methods"]
    curve = np.frombuffer(base64.b64decode(method["curve"]), dtype=np.uint8)
    assert len(curve) == COLUMNS
    np.testing.assert_allclose(curve, np.linspace(0, 255, COLUMNS), atol=0.51)
    assert annotations.shots is not None
    mask = rule.summarize(prediction.at_frames, annotations.shots)
    drawn = np.zeros(6400, dtype=bool)
    for start, end in method["segments"]:
        drawn[round(start * 6400) : round(end * 6400)] = True
    np.testing.assert_array_equal(drawn, mask)
    assert method["share"] == round(mask.mean(), 4)


def test_a_recorded_summary_is_drawn_instead_of_one_made_from_the_scores() -> None:
    annotations = build_annotations(n_frames=1000)
    mask = np.zeros(1000, dtype=bool)
    mask[[*range(100, 200), *range(900, 1000)]] = True
    prediction = Prediction.of(np.arange(len(annotations.picks)), annotations, summary=mask)
    (method,) = video_document(annotations, "k", "n", {"m": {"k": prediction}}, SummaryRule())["methods"]
    assert method["segments"] == [[0.1, 0.2], [0.9, 1.0]]


@pytest.mark.parametrize("kind", ["summaries", "ratings"])
def test_each_users_row_is_what_the_user_gave(kind: str) -> None:
    annotations = build_annotations(n_frames=COLUMNS * 3, kind=kind)
    users = video_document(annotations, "k", "n", {}, SummaryRule())["users"]
    assert (users["kind"], users["count"]) == (kind, 5)
    scores = annotations.user_scores
    assert scores is not None
    for row, runs in enumerate(users["rows"]):
        drawn = np.zeros(COLUMNS)
        for start, length, level in runs:
            drawn[start : start + length] = level
        binned = scores[row].reshape(COLUMNS, 3).mean(axis=1)
        unit = binned if kind == "summaries" else (binned - scores.min()) / np.ptp(scores)
        np.testing.assert_allclose(drawn, np.rint(4 * unit))


def test_ratings_show_the_users_summaries_too_and_summaries_do_not_twice() -> None:
    for kind, there in (("ratings", True), ("summaries", False)):
        annotations = build_annotations(kind=kind)
        assert (video_document(annotations, "k", "n", {}, SummaryRule())["agreement"] is not None) == there


def test_ratings_known_only_at_the_picks_are_held() -> None:
    whole = build_annotations(n_frames=960, kind="ratings")
    assert whole.user_scores is not None
    at_picks = replace(whole, user_scores=whole.user_scores[:, whole.picks])
    rows = video_document(at_picks, "k", "n", {}, SummaryRule())["users"]["rows"]
    assert sum(length for _, length, _ in rows[0]) > 0


def test_a_video_without_users_shots_and_rate_still_has_its_curve(tmp_path: Path) -> None:
    evaluation = build_evaluation(dataset="mr_hisum", protocols=["mean-annotator"], f_score=None)
    _, page = written(tmp_path, evaluation, kind="none", shots=None, fps=None, n_frames=200, step=1)
    video = page.data["videos"][0]
    assert (video["users"], video["agreement"], video["fps"], video["shots"]) == (None, None, None, [])
    assert video["methods"][0]["segments"] is None
    assert len(base64.b64decode(video["methods"][0]["curve"])) == 200
    assert "none" in page.text


def test_constant_scores_are_a_line_in_the_middle() -> None:
    annotations = build_annotations()
    prediction = Prediction.of(np.full(len(annotations.picks), 7.0), annotations)
    (method,) = video_document(annotations, "k", "n", {"m": {"k": prediction}}, SummaryRule())["methods"]
    assert set(base64.b64decode(method["curve"])) == {128}


def test_the_rule_of_the_results_makes_the_summaries(tmp_path: Path) -> None:
    shots = Shots.from_starts(np.arange(0, 900, 90, dtype=np.int64), 900)
    rule = SummaryRule(fraction=0.5)
    result = build_result("mine", rule=rule.as_dict())
    evaluation = replace(build_evaluation(settings={}), methods={"mine": {"per-user": result}})
    _, page = written(tmp_path, evaluation, shots=shots)
    assert page.data["videos"][0]["methods"][0]["share"] == 0.5
    assert "Summaries: 50 % of the frames, rounded down, exact values." in page.text


def test_settings_versions_coverage_and_warnings_are_there(tmp_path: Path) -> None:
    evaluation = build_evaluation(
        warnings=("features without fingerprint",),
        coverage={"n_dataset": 25, "n_tested": 3, "splits": "five.json", "sha256": "abc123"},
        settings={"rule": "default", "seed": 7},
    )
    _, page = written(tmp_path, evaluation)
    for text in ("features without fingerprint", "five.json", "abc123", "numpy", "2.0.0", "seed", "of 25"):
        assert text in page.text


def test_of_very_many_videos_some_are_drawn_and_it_says_so(tmp_path: Path) -> None:
    names = [f"video_{i + 1}" for i in range(MAX_VIDEOS + 50)]
    one = build_annotations(n_frames=60, n_users=2)
    dataset = {name: replace(one, key=name, video_name=name) for name in names}
    evaluation = build_evaluation(names=names, baselines=["random"])
    write_evaluation_page(tmp_path / "page.html", evaluation.table(), dataset, {})
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    drawn = [video["key"] for video in page.data["videos"]]
    assert len(drawn) == len(set(drawn)) == MAX_VIDEOS
    assert (drawn[0], drawn[-1]) == (names[0], names[-1])
    assert f"{MAX_VIDEOS} of the {len(names)} videos are drawn" in page.text
    assert len(page.data["values"]["per-user"]["mine"]["kendall_tau"]) == MAX_VIDEOS
    assert drawn_keys(names[:5]) == names[:5]


def test_a_method_that_has_not_every_video_is_missing_there_only(tmp_path: Path) -> None:
    dataset, predictions = material()
    part = build_result("mine", names=NAMES[:2])
    evaluation = replace(build_evaluation(), methods={"mine": {"per-user": part}})
    del predictions["mine"]["video_3"]
    write_evaluation_page(tmp_path / "page.html", evaluation.table(), dataset, predictions)
    data = Page((tmp_path / "page.html").read_text(encoding="utf-8")).data
    assert data["values"]["per-user"]["mine"]["kendall_tau"][2] is None
    assert data["values"]["per-user"]["human"]["kendall_tau"][2] is not None
    assert [len(video["methods"]) for video in data["videos"]] == [1, 1, 0]


def test_a_dataset_of_fifty_videos_and_twenty_users_is_small(tmp_path: Path) -> None:
    dataset = {
        f"video_{i + 1}": build_annotations(f"video_{i + 1}", kind="ratings", n_users=20, n_frames=6000)
        for i in range(50)
    }
    names = [annotations.video_name + key for key, annotations in dataset.items()]
    rng = np.random.default_rng(0)
    predictions = {
        method: {key: Prediction.of(rng.standard_normal(a.n_frames), a) for key, a in dataset.items()}
        for method in ("a", "b", "c")
    }
    evaluation = build_evaluation(list(predictions), names=names, protocols=ALL, dataset="tvsum")
    write_evaluation_page(tmp_path / "page.html", evaluation.table(published_results()), dataset, predictions)
    assert (tmp_path / "page.html").stat().st_size < 3e6


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    dataset, predictions = material()
    with pytest.raises(OutputError, match="nowhere"):
        write_evaluation_page(tmp_path / "nowhere" / "page.html", build_evaluation().table(), dataset, predictions)
