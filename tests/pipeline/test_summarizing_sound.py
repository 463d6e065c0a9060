"""How sound takes part in a summary: talks end in pauses, sound in the scores, and sound that cannot be had."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.signal import resample_poly

import sspvs
from sspvs.errors import WeightsNotFoundError
from sspvs.features import hearing
from sspvs.features.backbones import Backbone
from sspvs.features.speech import RATE_HZ
from sspvs.pipeline import SummarySettings
from sspvs.selection.material import Material
from sspvs.selection.overview import HIGHLIGHTS, OVERVIEW, select_pieces
from sspvs.selection.pauses import Speech
from sspvs.selection.summary import Budget
from sspvs.types import Shots, Timeline

SENTENCES = (
    "The package summarises any video without training",
    "Pieces are chosen so that all scenes are seen",
    "And the sound is cut where the speaker rests for a moment",
    "This makes a summary that one likes to watch",
    "A short version helps them to remember what was said",
    "Many people record long talks and never watch them again",
)
FPS = 25


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a talk with short pauses, and (n, 2) seconds of its sentences."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng, a speech synthesiser")
    folder, voices = tmp_path_factory.mktemp("talk"), []
    for number, sentence in enumerate(SENTENCES):
        path = folder / f"{number}.wav"
        subprocess.run(["espeak-ng", "-s", "180", "-w", str(path), sentence], check=True)
        rate, voice = wavfile.read(path)
        loud = np.flatnonzero(np.abs(voice) > 200)
        voices.append(resample_poly(voice[loud[0] : loud[-1]] / 32768, RATE_HZ, rate))
    rng = np.random.default_rng(0)
    parts, spoken, at = [], [], 0.0
    while at < 90:
        voice, pause = voices[rng.integers(len(voices))], np.zeros(int(rng.uniform(0.2, 0.5) * RATE_HZ))
        spoken.append([at, at + len(voice) / RATE_HZ])
        parts += [voice, pause]
        at += (len(voice) + len(pause)) / RATE_HZ
    sound = np.concatenate(parts)
    return (sound + rng.normal(0, 0.002, len(sound))).astype(np.float32), np.array(spoken)


def material(sound: np.ndarray, cuts: list[int]) -> Material:
    heard = hearing.hear([sound])
    n_frames = int(len(sound) / RATE_HZ * FPS)
    picks = np.arange(0, n_frames, FPS // 2)
    rng = np.random.default_rng(0)
    features = np.cumsum(rng.normal(size=(len(picks), 8)), axis=0)
    return Material(
        features,
        rng.uniform(size=len(picks)),
        picks,
        Shots.from_starts([0, *cuts], n_frames),
        Timeline(np.arange(n_frames) / FPS, n_frames / FPS),
        np.zeros(n_frames, np.bool_),
        Speech(heard.speech, heard.step, heard.loudness),
    )


@pytest.mark.parametrize("cuts", [[], [300, 620, 900, 1300, 1720, 1990]])
@pytest.mark.parametrize("weights", [OVERVIEW, HIGHLIGHTS])
def test_pieces_of_a_talk_begin_and_end_in_pauses(talk, cuts, weights) -> None:
    sound, spoken = talk
    video = material(sound, cuts)
    length, inside, places = float(video.edges[-1]), 0, 0
    for wanted in (0.05 * length, 0.1 * length, 13.0, 0.15 * length, 30.0):
        pieces = select_pieces(video, Budget(duration_seconds=wanted), weights).segments
        assert 0.9 * wanted <= (pieces[:, 1] - pieces[:, 0]).sum() / FPS <= wanted + 1e-6
        for start, end in pieces:
            assert not any(start < cut < end for cut in cuts)
        for at in pieces.ravel() / FPS:
            places += 1
            inside += ((spoken[:, 0] + 0.03 < at) & (at < spoken[:, 1] - 0.03)).any()
    assert inside <= 0.2 * places


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return sspvs.load_backbone("efficientnet-lite0")


def with_sound_of(pictures: Path, out: Path, filters: str) -> Path:
    """A video with a drawn sound."""
    sound = ["-f", "lavfi", "-i", filters]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(pictures), *sound, "-c:v", "copy", "-shortest", str(out)],
        check=True,
    )
    return out


@pytest.fixture(scope="module")
def loud_in_the_middle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loud")
    pictures = folder / "p.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=s=96x54:r=25:d=20"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-g", "25", str(pictures)], check=True)
    burst = "aevalsrc='0.02*sin(2*PI*440*t)+0.5*(random(0)-0.5)*between(t,12,15)':d=20:s=48000"
    return with_sound_of(pictures, folder / "loud.mp4", burst)


@pytest.mark.parametrize("select", ["overview", "knapsack"])
def test_sound_lets_what_is_loud_into_the_scores(backbone, loud_in_the_middle: Path, select) -> None:
    plain = sspvs.summarize(loud_in_the_middle, backbone=backbone, select=select, segmenter="uniform", shot_seconds=3.0)
    heard = sspvs.summarize(
        loud_in_the_middle, backbone=backbone, select=select, segmenter="uniform", shot_seconds=3.0, sound=1.0
    )
    seconds = heard.timeline.frame_seconds[heard.picks]
    inside = (seconds >= 12.5) & (seconds < 14.5)
    assert heard.scores[inside].min() > heard.scores[~inside & ((seconds < 11) | (seconds > 16))].max()
    assert not np.array_equal(plain.scores, heard.scores)
    assert heard.settings["sound"] == 1.0
    assert "sound" not in plain.settings
    if select == "knapsack":
        (start, end), *_ = heard.segment_seconds
        assert min(end, 15) - max(start, 12) > 1.5


def test_without_sound_the_scores_are_those_of_the_pictures(backbone, loud_in_the_middle: Path, tmp_path: Path) -> None:
    mute = tmp_path / "mute.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(loud_in_the_middle), "-an", "-c", "copy", str(mute)], check=True)
    plain, heard = sspvs.summarize(mute, backbone=backbone), sspvs.summarize(mute, backbone=backbone, sound=0.5)
    np.testing.assert_array_equal(plain.scores, heard.scores)
    assert plain.warnings == ()
    (warning,) = heard.warnings
    assert "no sound" in warning


@pytest.mark.parametrize("sound", [0.0, 0.5])
def test_a_failure_of_sound_is_one_warning(backbone, loud_in_the_middle: Path, monkeypatch, sound) -> None:
    def fail(_blocks):
        raise WeightsNotFoundError("finding speech needs weights")

    monkeypatch.setattr(hearing, "speech_probabilities", fail)
    summary = sspvs.summarize(loud_in_the_middle, backbone=backbone, sound=sound)
    assert len(summary.segments)
    (warning,) = summary.warnings
    assert "needs weights" in warning
    assert ("scores" in warning) == (sound > 0)


def test_a_knapsack_without_sound_in_its_scores_does_not_listen(
    backbone, loud_in_the_middle: Path, monkeypatch
) -> None:
    def fail(*_):
        raise AssertionError("listened")

    monkeypatch.setattr(hearing.Listener, "start", fail)
    assert len(sspvs.summarize(loud_in_the_middle, backbone=backbone, select="knapsack").segments)


@pytest.mark.parametrize("sound", [-0.1, 1.5])
def test_a_weight_beyond_its_range_is_refused(sound) -> None:
    with pytest.raises(ValueError, match="sound"):
        SummarySettings(sound=sound)
