"""What summaries show: ours beside the published selection, evenly spaced pieces and random ones.

Reads every video of some folders once, chooses 15 % of each in every way, and prints what a viewer would notice:

    scenes      of a composed video, how many of its scenes are shown, as a share of those that fit the length
    repeats     pieces that look like an earlier one (cosine of their features above .95), as a share
    avoided     seconds of black, blank, fading, blurred or title frames, as a share of the summary
    pauses      ends of pieces that are in a pause of speech, as a share; of videos in which someone speaks
    length      of the summary as a share of what was wanted
    quarters    quarters of the video that something is shown of
    longest     piece in seconds

Composed videos are stretches of the one-take videos of the folders, joined: their features and traces, so that nothing
is encoded. The random row is the mean of several draws.

    python tools/bench/summaries.py ../shared/data/videos FOLDER --composed 40
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sspvs.features.backbones import load_backbone
from sspvs.features.extract import extract_video
from sspvs.features.hearing import hear
from sspvs.features.speech import RATE_HZ
from sspvs.importance.contrastive import contrastive_importance
from sspvs.selection.kts import kts
from sspvs.selection.material import Material
from sspvs.selection.overview import HIGHLIGHTS, OVERVIEW, REPEAT, select_pieces
from sspvs.selection.pauses import Speech
from sspvs.selection.shots import merge_short, shots_from_cuts, shots_from_picks, split_takes
from sspvs.selection.summary import Budget, select_in_parts
from sspvs.selection.transitions import find_transitions
from sspvs.selection.unwanted import find_unwanted, unwanted_frames
from sspvs.types import FloatArray, FrameTrace, IntArray, Timeline
from sspvs.video import open_video
from sspvs.video.files import list_videos

RATIO, PIECE_SECONDS, SPOKEN = 0.15, 3.0, 0.2
LEAST_SECONDS = 20.0  # of a real video; composed ones are made of shorter ones too
MEASURES = ("scenes", "repeats", "avoided", "pauses", "length", "quarters", "longest")


@dataclass
class Seen:
    """One video as it was looked at."""

    name: str
    features: FloatArray  # (T, D)
    picks: IntArray
    trace: FrameTrace
    timeline: Timeline
    speech: Speech | None = None
    scenes: IntArray | None = None  # (n, 2) frame ranges, of a composed video

    def material(self) -> Material:
        """The video as `sspvs summarize` chooses from it."""
        transitions = find_transitions(self.trace)
        takes = shots_from_cuts(transitions.starts, self.timeline.n_frames)
        shots = split_takes(takes, self.features, self.picks, self.timeline, frame_change=self.trace.change)
        unwanted = find_unwanted(self.trace, takes, transitions, self.timeline)
        scores = contrastive_importance(self.features).scores
        avoid = unwanted_frames(unwanted, self.timeline.n_frames)
        return Material(self.features, scores, self.picks, shots, self.timeline, avoid, self.speech)


def look(path: Path, backbone: object) -> Seen:
    """A video's features, trace and speech."""
    found = extract_video(path, backbone)  # type: ignore[arg-type]
    features, speech = found.features, None
    assert features.timeline is not None
    assert features.info is not None
    assert found.trace is not None
    if features.info.has_audio:
        with open_video(path, timeline=features.timeline) as video:
            heard = hear(video.sound(RATE_HZ))
        speech = Speech(heard.speech, heard.step, heard.loudness)
    return Seen(path.name, features.features, features.picks, found.trace, features.timeline, speech)


def compose(takes: list[Seen], rng: np.random.Generator) -> Seen:
    """Three to six stretches of different one-take videos, of 3 to 20 seconds, joined."""
    n_scenes = int(rng.integers(3, min(6, len(takes)) + 1))
    features, picks, columns, seconds, scenes = [], [], [], [], []
    n_frames, end = 0, 0.0
    for number in rng.permutation(len(takes))[:n_scenes]:
        take = takes[number]
        edges = np.append(take.timeline.frame_seconds, take.timeline.end_seconds)
        length = min(float(rng.uniform(3, 20)), float(edges[-1]))
        start = float(rng.uniform(0, edges[-1] - length))
        first, last = np.searchsorted(edges, [start, start + length]).tolist()
        last = max(min(last, len(edges) - 1), first + 2)
        inside = (take.picks >= first) & (take.picks < last)
        features.append(take.features[inside])
        picks.append(take.picks[inside] - first + n_frames)
        columns.append([column[first:last] for column in vars(take.trace).values()])
        seconds.append(edges[first:last] - edges[first] + end)
        end += float(edges[last] - edges[first])
        scenes.append([n_frames, n_frames + last - first])
        n_frames += last - first
    trace = FrameTrace(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
    timeline = Timeline(np.concatenate(seconds), end)
    return Seen("composed", np.concatenate(features), np.concatenate(picks), trace, timeline, scenes=np.array(scenes))


def published(video: Material) -> IntArray:
    """KTS, mean scores, knapsack."""
    shots = shots_from_picks(kts(video.features), video.picks, video.shots.n_frames)
    shots = merge_short(shots, video.timeline, 1.0)
    budget = Budget(ratio=RATIO)
    _, chosen = select_in_parts(video.scores, video.picks, shots, budget, video.timeline, min_shot_seconds=1.0)
    return chosen.segments


def spaced(video: Material, starts: Callable[[int, float], FloatArray]) -> IntArray:
    """Pieces of about three seconds that begin at given parts of the room between them."""
    total = float(video.edges[-1])
    count = max(1, round(RATIO * total / PIECE_SECONDS))
    length = RATIO * total / count
    at = starts(count, total - count * length) + length * np.arange(count)
    bounds = np.stack([np.searchsorted(video.edges, at), np.searchsorted(video.edges, at + length)], axis=1)
    return np.minimum(np.maximum(bounds, bounds[:, :1] + [0, 1]), video.shots.n_frames)


def evenly(video: Material) -> IntArray:
    """Evenly spaced pieces."""
    return spaced(video, lambda count, room: room * (np.arange(count) + 0.5) / count)


def at_random(rng: np.random.Generator) -> Callable[[Material], IntArray]:
    """Pieces anywhere."""
    return lambda video: spaced(video, lambda count, room: np.sort(rng.uniform(0, room, count)))


def measure(seen: Seen, video: Material, segments: IntArray) -> dict[str, float]:
    """The figures of one summary; what cannot be known is left out."""
    edges, total = video.edges, float(video.edges[-1])
    seconds = edges[segments[:, 1]] - edges[segments[:, 0]]
    looks = video.looks(segments)
    alike = np.tril(looks @ looks.T, -1).max(axis=1, initial=0) if len(segments) > 1 else np.zeros(1)
    hidden = np.append(0.0, np.cumsum(np.diff(edges) * video.avoid))
    found = {
        "repeats": float((alike > REPEAT).mean()),
        "avoided": float((hidden[segments[:, 1]] - hidden[segments[:, 0]]).sum() / seconds.sum()),
        "length": float(seconds.sum() / (RATIO * total)),
        "quarters": float(len(np.unique((edges[segments].ravel() * 4 / total).clip(0, 3.999).astype(int)))),
        "longest": float(seconds.max()),
    }
    if seen.speech is not None and (seen.speech.probabilities > 0.5).mean() > SPOKEN:
        times = np.append(seen.timeline.frame_seconds, seen.timeline.end_seconds)[segments.ravel()]
        quiet = [any(first <= time <= last for first, last in seen.speech.pauses) for time in times]
        found["pauses"] = float(np.mean(quiet))
    if seen.scenes is not None:
        shown = sum(any(a < end and b > start for a, b in segments) for start, end in seen.scenes)
        found["scenes"] = shown / min(len(seen.scenes), max(1, int(RATIO * total / 1.5)))
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--composed", type=int, default=40, help="number of composed videos")
    parser.add_argument("--backbone", default="efficientnet-lite0")
    args = parser.parse_args()
    backbone = load_backbone(args.backbone)
    videos = []
    for path in list_videos(args.folders):
        try:
            videos.append(look(path, backbone))
        except Exception as error:
            print(f"left out: {path.name}: {error}")
    long_enough = [seen for seen in videos if seen.timeline.end_seconds >= LEAST_SECONDS]
    rng = np.random.default_rng(0)
    takes = [seen for seen in videos if len(find_transitions(seen.trace).starts) == 0 and len(seen.picks) >= 6]
    ways: dict[str, list[Callable[[Material], IntArray]]] = {
        "overview": [lambda video: select_pieces(video, Budget(ratio=RATIO), OVERVIEW).segments],
        "highlights": [lambda video: select_pieces(video, Budget(ratio=RATIO), HIGHLIGHTS).segments],
        "knapsack of KTS shots": [published],
        "evenly spaced": [evenly],
        "random": [at_random(rng)] * 5,
    }
    for title, group in (("real", long_enough), ("composed", [compose(takes, rng) for _ in range(args.composed)])):
        print(f"\n{len(group)} {title} videos\n{'':24}" + "".join(f"{name:>10}" for name in MEASURES))
        materials = [seen.material() for seen in group]
        for name, functions in ways.items():
            rows = [
                measure(seen, video, choose(video))
                for seen, video in zip(group, materials, strict=True)
                for choose in functions
            ]
            figures = [[row[key] for row in rows if key in row] for key in MEASURES]
            print(f"{name:24}" + "".join(f"{np.mean(values):>10.2f}" if values else f"{'-':>10}" for values in figures))


if __name__ == "__main__":
    main()
