"""The page as a document: self-contained, escaped, small enough; how it runs is in test_report_browser."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from helpers.summary_builder import HOSTILE, SummaryBuilder

from sspvs.errors import OutputError
from sspvs.report import write_report
from sspvs.report.page import MAX_THUMBNAILS, choose_thumbnails, source_urls
from sspvs.report.sentences import about
from sspvs.types import Summary


class Page(HTMLParser):
    """Elements with their attributes, text outside scripts, and each script's content."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = (tag, dict(attrs)) if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.raw.append((*self._open, data))
        else:
            self.text += data

    @property
    def data(self) -> dict[str, object]:
        content = next(data for _, attributes, data in self.raw if attributes.get("id") == "data")
        document = json.loads(content)
        assert isinstance(document, dict)
        return document


def written(summary: Summary, folder: Path, **videos: Path) -> tuple[str, Page]:
    write_report(summary, folder / "report.html", **videos)
    text = (folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def hostile(summary: Summary) -> Summary:
    return replace(
        summary,
        info=replace(summary.info, path=f"clips/{HOSTILE}".replace("/script", "script") + ".mp4"),
        title=HOSTILE,
        scorer=HOSTILE,
        warnings=(HOSTILE, "</script><b>bold</b>"),
        settings={HOSTILE: HOSTILE, "list": [HOSTILE]},
        curves={HOSTILE: summary.curves["local_dissimilarity"]},
        fingerprint=replace(summary.fingerprint, backbone=HOSTILE),
        decode=replace(summary.decode, decoder=HOSTILE, warnings=(HOSTILE,)),
    )


def test_nothing_a_user_provides_becomes_markup(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    plain_text, plain_page = written(make_summary(), tmp_path)
    text, page = written(hostile(make_summary()), tmp_path, source_video=tmp_path / "</script><b>&'\".mp4")
    tags = [tag for tag, _ in page.elements]
    # The same elements as a harmless page, but for the added rows, list items and the quotation.
    assert set(tags) - {tag for tag, _ in plain_page.elements} <= {"q", "ul", "li"}
    assert tags.count("script") == 3
    assert tags.count("img") == 1
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert HOSTILE in page.text
    assert page.text.count("</script><b>bold</b>") == 1
    assert page.data["curves"][0]["name"] == HOSTILE  # type: ignore[index]
    assert text.count("</script>") == plain_text.count("</script>") == 3
    island = next(content for _, attributes, content in page.raw if attributes.get("id") == "data")
    assert not set("<>&\u2028") & set(island)


def test_the_policy_allows_this_script_and_style_and_no_other_place(
    make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    text, page = written(make_summary(), tmp_path)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for kind, attributes, content in page.raw:
        if kind == "script" and "type" in attributes:
            continue
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    for _, attributes in page.elements:
        assert "style" not in attributes  # the policy would block it
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_the_embedded_video_comes_out_byte_for_byte(
    make_summary: SummaryBuilder, colour_videos: tuple[Path, Path], tmp_path: Path
) -> None:
    _, page = written(make_summary(), tmp_path, summary_video=colour_videos[1])
    media = next(data for _, attributes, data in page.raw if attributes.get("id") == "media")
    assert base64.b64decode(media, validate=True) == colour_videos[1].read_bytes()
    assert page.data["mime"] == "video/mp4"


def test_the_page_says_what_was_asked_and_what_was_met(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    summary = replace(make_summary(), title="a walk", warnings=("3 frames could not be decoded",))
    _, page = written(summary, tmp_path)
    for expected in (
        "holiday.mp4",
        "a walk",
        "3 frames could not be decoded",
        summary.fingerprint.digest,
        "kts",
        "pyav",
    ):
        assert expected in page.text
    assert "6 s of 6 s" in page.text
    assert "50.0% shown" in page.text


def test_the_page_shows_no_folder_and_links_the_original_from_where_it_lies(
    make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    source = tmp_path / "private-footage" / "holiday.mp4"
    summary = make_summary()
    summary = replace(summary, info=replace(summary.info, path=str(source)))
    text, page = written(summary, tmp_path, source_video=source, report_folder=tmp_path / "out")
    assert "private-footage" not in page.text
    assert str(tmp_path) not in text
    assert page.data["original"] == ["../private-footage/holiday.mp4", "holiday.mp4"]
    _, page = written(summary, tmp_path, source_video=source, report_folder=source.parent / "deep" / "out")
    assert page.data["original"] == ["../../holiday.mp4", "holiday.mp4"]


def test_pieces_settings_and_sentences_are_on_the_page(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    settings = {"select": "overview", "segmenter": "auto", "piece_seconds": (1.5, 6.0), "max_damaged": 1 / 3}
    summary = make_summary(
        segments=np.array([[55, 95], [155, 190], [192, 240]]),
        scenes=np.array([0, 1, 0, 1, 1, 2]),
        avoided=((250, 300, "titles"),),
        settings=settings,
    )
    _, page = written(summary, tmp_path)
    for sentence in about(summary):
        assert sentence in page.text
    for label, words in (
        ("Pieces", "1.5 to 6 s"),
        ("Cut into shots by", "cuts, fades and dissolves; long takes by KTS"),
    ):
        assert label in page.text
        assert words in page.text
    assert page.text.index("Technical details") < page.text.index("max_damaged")
    names = [(piece["name"], piece["start"], piece["end"]) for piece in page.data["pieces"]]  # type: ignore[attr-defined]
    assert names == [("Piece 1", 2.2, 3.8), ("Piece 2", 6.2, 7.6), ("Piece 3", 7.68, 9.6)]


def test_the_original_is_found_from_where_the_report_will_lie(tmp_path: Path) -> None:
    source = tmp_path / "my videos" / "a#b?c%20 ü.mp4"
    folder = tmp_path / "out" / "deep"
    relative, beside = source_urls(source, folder)
    assert os.path.normpath(folder / unquote(urlparse(relative).path)) == str(source)
    assert unquote(urlparse(beside).path) == source.name
    assert not set("#?") & set(relative)


def test_a_staged_report_refers_to_its_final_folder(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    (tmp_path / "out" / ".staging").mkdir(parents=True)
    path = tmp_path / "out" / ".staging" / "report.html"
    write_report(make_summary(), path, source_video=tmp_path / "v.mp4", report_folder=tmp_path / "out")
    assert Page(path.read_text(encoding="utf-8")).data["original"][0] == "../v.mp4"  # type: ignore[index]


def test_a_thousand_shots_stay_within_the_thumbnail_limit(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    starts = tuple(range(0, 30000, 30))
    summary = make_summary(n_frames=30000, starts=starts, chosen=tuple(range(5, 1000, 9)), thumbnails=False)
    pictures = tuple(str(int(pick)).encode() for pick in summary.picks)
    summary = replace(summary, thumbnails=pictures)
    picks, shots, pieces, strip = choose_thumbnails(summary)
    assert len(picks) <= MAX_THUMBNAILS
    assert len(set(picks)) == len(picks)
    chosen = np.flatnonzero(summary.selected)
    assert all(shots[index] is not None for index in chosen)
    assert all(place is not None for place in pieces)
    assert sum(place is not None for place in shots) > 350
    for index, place in enumerate(shots):
        if place is not None:
            distances = np.abs(summary.picks - summary.keyframes[index])
            assert distances[picks[place]] == distances.min()
    assert all(summary.picks[picks[int(place)]] / 25 == pytest.approx(seconds, abs=1e-3) for seconds, place in strip)
    text, _ = written(summary, tmp_path)
    assert len(text) < 1_000_000


def test_more_selected_shots_than_thumbnails(make_summary: SummaryBuilder) -> None:
    starts = tuple(range(0, 30000, 30))
    summary = make_summary(n_frames=30000, starts=starts, chosen=tuple(range(1000)), thumbnails=False)
    picks, shots, _, _ = choose_thumbnails(replace(summary, thumbnails=tuple(b"x" for _ in summary.picks)))
    assert len(picks) <= MAX_THUMBNAILS
    assert sum(place is not None for place in shots) > 350


def test_odd_summaries_make_a_page(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    one = make_summary(n_frames=1, starts=(0,), chosen=(0,))
    _, page = written(one, tmp_path)
    assert len(page.data["scores"]) == 1  # type: ignore[arg-type]
    odd = replace(make_summary(thumbnails=False), scores=np.full(25, np.nan), curves={})
    _, page = written(odd, tmp_path)
    assert page.data["scores"] == [None] * 25
    undecodable = os.fsdecode(b"clips/\xff\xfe.mp4")
    odd = replace(odd, info=replace(odd.info, path=undecodable))
    written(odd, tmp_path, source_video=Path(undecodable))


def test_a_video_that_is_not_there_is_an_error(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone\.mp4"):
        write_report(make_summary(), tmp_path / "report.html", summary_video=tmp_path / "gone.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "lead", "sentences"),
    [
        (("local_dissimilarity",), "comes from the curves below", ["How much"]),
        (("local_dissimilarity", "global_consistency"), "is the product of the two", ["How much", "How much"]),
        (
            ("local_dissimilarity", "global_consistency", "uniqueness"),
            "is the product of the three, each between 0 and 1",
            ["How much a moment differs", "How much a moment resembles", "How much a moment differs from what other"],
        ),
        (("stage_1",), "what the network's one stage says", ["What the network makes"]),
        (
            ("stage_1", "stage_2", "stage_10", "text_fit"),
            "is the product of the stages",
            ["What the network makes", "The network's next look", "The network's next look", "How well a moment fits"],
        ),
        (("stage_left", "curve"), "comes from the curves below", ["", ""]),
    ],
)
def test_the_page_says_what_the_importance_is_made_of(
    names: tuple[str, ...], lead: str, sentences: list[str], make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    summary = make_summary()
    _, page = written(replace(summary, curves=dict.fromkeys(names, summary.scores)), tmp_path)
    assert lead in page.text
    curves: list[dict[str, str]] = page.data["curves"]  # type: ignore[assignment]
    assert [curve["name"] for curve in curves] == list(names)
    for curve, sentence in zip(curves, sentences, strict=True):
        assert curve["sentence"].startswith(sentence)
        assert bool(curve["sentence"]) == bool(sentence)


@pytest.mark.parametrize(
    ("title", "settings", "guide"),
    [
        ("", {}, ""),
        ("a walk", {}, "Guided by the text a walk"),
        ("", {"query": "dog"}, "Guided by the query dog"),
        ("a walk", {"query": "dog", "category": "pets"}, "Guided by the text a walk, query dog, category pets"),
    ],
)
def test_the_page_says_what_text_guided(
    title: str, settings: dict[str, str], guide: str, make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    _, page = written(replace(make_summary(), title=title, settings=settings), tmp_path)
    assert guide in page.text
    assert ("Guided" in page.text) == bool(guide)
