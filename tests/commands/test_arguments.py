"""How the words after a verb are read: times, parts of a whole, paths, and what was meant by a mistyped option."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.commands.arguments import VerbParser, seconds, share
from sspvs.errors import AddressError, local_only, nearest


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", 30), ("12.5", 12.5), ("0", 0), ("0:30", 30), ("1:05", 65), ("90:00", 5400), ("1:02:03", 3723),
     ("1:02:03.5", 3723.5), ("0:00.25", 0.25), ("30s", 30), ("1m30s", 90), ("2min", 120), ("1h", 3600),
     ("1h 2m 3.5s", 3723.5), (" 1M30S ", 90)],
)  # fmt: skip
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59_999))
def test_every_clock_time_is_its_seconds(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}:{minutes:02}:{milliseconds / 1000:06.3f}"
    assert seconds(text) == pytest.approx(3600 * hours + 60 * minutes + milliseconds / 1000, abs=1e-9)
    assert seconds(f"{hours}h{minutes}m{milliseconds / 1000}s") == pytest.approx(seconds(text), abs=1e-9)


@pytest.mark.parametrize(
    "text",
    ["", " ", "-5", "nan", "inf", "1:75", "1:60:00", "1:2:3:4", ":30", "30:", "1m30", "s", "0:-1", "½", "9" * 400],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="1:30"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected", "noted"),
    [("0.15", 0.15, False), ("1", 1.0, False), ("0", 0.0, False), ("15%", 0.15, False), ("12.5 %", 0.125, False),
     ("1%", 0.01, False), ("100%", 1.0, False), ("15", 0.15, True), ("100", 1.0, True), ("2", 0.02, True)],
)  # fmt: skip
def test_parts_of_a_whole(text: str, expected: float, noted: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert share(text) == expected
    assert capsys.readouterr().err == (f"note: {text} is taken as per cent, {text}%\n" if noted else "")


@pytest.mark.parametrize("text", ["", "%", "nan", "inf", "1.5", "-0.1", "-5%", "15%%", "1500%", "101", "150%", "a"])
def test_what_is_no_part_of_a_whole(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="15%"):
        share(text)


@pytest.mark.parametrize(
    "address",
    ["http://a.b/c.mp4", "HTTPS://a.b/c.mp4?x=1&y=2", "rtsp://cam:554/s", "ftp://u@h/v/", "s3://bucket/key", "gs://b/k",
     "hf+http://x//y"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["", "mine="])
def test_addresses_are_named_whole(address: str, name: str) -> None:
    with pytest.raises(AddressError) as refused:
        local_only(name + address)
    assert f" {address};" in str(refused.value)
    assert "yt-dlp" in str(refused.value)


def test_an_address_that_is_a_path_already_is_restored() -> None:
    with pytest.raises(AddressError, match=r"http://a\.b/c\.mp4;"):
        local_only(Path("http://a.b/c.mp4"))


def test_a_file_uri_is_answered_with_its_path() -> None:
    with pytest.raises(AddressError, match=r"give the path itself: /home/me/my clip\.mp4$"):
        local_only("file:///home/me/my%20clip.mp4")


@pytest.mark.parametrize(
    "path", ["a.mp4", "C://a/b.mp4", "what? http://x", "x//y.mp4", "12:30.mp4", "open_clip:ViT-B-32//w.pt", "a=b.h5"]
)
def test_paths_are_left_as_they_are(path: str) -> None:
    assert local_only(path) == path
    assert local_only(Path(path)) == Path(path)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("--model.optim.lrr", "--model.optim.lr"), ("model.optm.lr", "model.optim.lr"),
     ("--modle.optim.LR", "--model.optim.lr"),
     ("--lr", "--model.optim.lr"), ("--max_shots", "--max-shots"), ("-out", "--out"), ("--OUT", "--out"),
     ("--uot", "--out"), ("--weight", "--model.a.weight or --model.b.weight"), ("--model.b.wieght", "--model.b.weight"),
     ("--model.b.x.weight", "--model.b.weight"), ("model.optim.frobnicate", ""), ("frobnicate", ""), ("video.mp4", "")],
)  # fmt: skip
def test_what_was_meant(word: str, meant: str) -> None:
    known = ["--model.optim.lr", "--model.optim", "--model.a.weight", "--model.b.weight", "--max-shots", "--out", "-c"]
    assert nearest(word, known) == meant


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ratoi", "0.3", "--out", "x"], "unknown option --ratoi; did you mean --ratio?"),
        (["--uot=x"], "unknown option --uot; did you mean --out?"),  # a required one
        (["--out", "x", "--nope"], "unknown option --nope (see `sspvs verb --help`)"),
        (["--out", "x", "more"], "unexpected more (see `sspvs verb --help`)"),
        (["--out", "http://a.b/c"], "addresses are not read: http://a.b/c;"),
        (["--ratio", "0.3"], "the following arguments are required: --out"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str) -> None:
    parser = VerbParser(prog="sspvs verb")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument_group("length").add_argument("--ratio", type=share)
    with pytest.raises((ValueError, AddressError)) as refused:
        parser.parse_args(words)
    assert str(refused.value).startswith(message)
