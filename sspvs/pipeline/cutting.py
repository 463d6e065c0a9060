"""Cutting a video into shots, and marking what its summary avoids, from what was seen of every frame."""

from typing import NamedTuple

import numpy as np

from sspvs.features.extract import ExtractedVideo
from sspvs.features.transnet import cut_frames
from sspvs.pipeline.settings import SummarySettings
from sspvs.selection.kts import WINDOW_PICKS, kts
from sspvs.selection.shots import (
    given_shots,
    merge_short,
    shots_from_cuts,
    shots_from_picks,
    split_takes,
    uniform_shots,
)
from sspvs.selection.transitions import find_transitions
from sspvs.selection.unwanted import Unwanted, find_unwanted
from sspvs.types import Shots


class CutVideo(NamedTuple):
    """A video's shots, for the knapsack of `min_shot_seconds` where the video allows it, what to avoid, and notes."""

    shots: Shots
    avoided: tuple[Unwanted, ...]
    warnings: tuple[str, ...]


def cut_video(extracted: ExtractedVideo, settings: SummarySettings, *, progress: bool = False) -> CutVideo:
    """Cut a video into shots, as the settings say, and mark what pieces of it avoid."""
    features, trace = extracted.features, extracted.trace
    timeline, picks, n_frames = features.timeline, features.picks, features.n_frames
    assert timeline is not None
    assert features.info is not None
    avoided: list[Unwanted] = []
    warnings: tuple[str, ...] = ()
    takes = None
    if trace is not None and (settings.segmenter == "auto" or settings.select != "knapsack"):
        transitions = find_transitions(trace, timeline)
        takes = shots_from_cuts(transitions.starts, n_frames)
        if settings.select != "knapsack":
            avoided = find_unwanted(trace, takes, transitions, timeline, titles=not settings.keep_titles)
    if settings.segmenter == "auto" and takes is not None:
        change, penalty = features.frame_change, settings.kts_penalty
        shots = split_takes(takes, features.features, picks, timeline, penalty=penalty, frame_change=change)
    elif settings.segmenter in ("auto", "kts"):
        starts = kts(features.features, penalty=settings.kts_penalty)
        shots = shots_from_picks(starts, picks, n_frames, features.frame_change)
        if len(picks) > WINDOW_PICKS:
            warnings = (
                f"{len(picks)} picks are more than KTS takes at once: shots were found in windows of at most "
                f"{WINDOW_PICKS}, and every window starts a shot; a lower --rate avoids it",
            )
    elif settings.segmenter == "uniform":
        shots = uniform_shots(timeline, settings.shot_seconds)
    elif settings.segmenter == "given":
        assert settings.shots is not None
        shots, warnings = given_shots(settings.shots, timeline, unit=settings.shots_unit)
    else:
        cuts = cut_frames(
            features.info.path,
            decoder=settings.decoder,
            time_limit_seconds=settings.time_limit_seconds,
            trace=trace,
            progress=progress,
        )
        shots = shots_from_cuts(cuts, n_frames)
    if settings.select == "knapsack":
        shots = merge_short(shots, timeline, settings.min_shot_seconds)
    if timeline.gaps and settings.segmenter != "given":  # a pause of the recording ends a shot, however short
        after = np.asarray(timeline.gaps) + 1
        shots = Shots.from_starts(np.union1d(shots.bounds[:, 0], after), shots.n_frames)
    return CutVideo(shots, tuple(avoided), warnings)
