"""One video's annotations in a dataset file: read as any exporter wrote them, written in the community's layout."""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np

from sspvs.errors import DatasetError, printable
from sspvs.table import layout
from sspvs.table.clock import read_clock, read_shots
from sspvs.table.group_reader import GroupReader, Numbers
from sspvs.table.layout import (
    CATEGORY,
    CHANGE_POINTS,
    FPS,
    GT_SUMMARY,
    GTSCORE,
    GTSUMMARY,
    N_FRAME_PER_SEG,
    REPAIRS,
    TITLE,
    USER_SCORES,
    USER_SUMMARY,
)
from sspvs.types import Annotations, BoolArray, FloatArray, IntArray

_SAME_SCORE = 1e-4  # published gtscores are float32 means


def read_annotations(group: h5py.Group, key: str, where: str) -> Annotations:
    """One video's annotations from its group, ours or another's."""
    reader = GroupReader(group, where)
    clock = read_clock(reader)
    n_frames, picks = clock.n_frames, clock.picks
    user_summaries = _user_summaries(reader, n_frames)
    user_scores = _user_scores(reader, n_frames, len(picks))
    gtscore = _gtscore(reader, n_frames, picks)
    gtsummary = _gtsummary(reader, picks)
    if clock.one_pick_a_frame:
        user_summaries, gtsummary = _only_user(reader, n_frames, user_summaries, gtsummary)
    elif user_scores is None:
        user_scores = _summaries_as_scores(user_summaries, gtscore, picks)
    if user_summaries is not None and user_scores is not None and len(user_summaries) != len(user_scores):
        expected = f"as many annotators as in '{USER_SUMMARY}', {len(user_summaries)}"
        raise reader.problem(USER_SCORES, expected, f"{len(user_scores)}")
    try:
        return Annotations(
            key=key,
            video_name=reader.text(layout.VIDEO_NAME) or key,
            n_frames=n_frames,
            picks=picks,
            user_summaries=user_summaries,
            user_scores=user_scores,
            gtscore=gtscore,
            gtsummary=gtsummary,
            shots=read_shots(reader, n_frames),
            title=reader.text(TITLE),
            category=reader.text(CATEGORY),
            fps=reader.number(FPS) or (1.0 if clock.one_pick_a_frame else None),
            repairs=tuple(reader.repairs),
        )
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from error


def write_annotations(group: h5py.Group, video: Annotations) -> None:
    """Add one video's annotations to its group; what it does not have is left out."""
    packing: dict[str, Any] = {"compression": "gzip", "shuffle": True}
    for name, value in (
        (layout.PICKS, video.picks),
        (layout.N_FRAMES, video.n_frames),
        (layout.N_STEPS, len(video.picks)),
        (layout.VIDEO_NAME, _storable(video.video_name)),
        (TITLE, _storable(video.title)),
        (CATEGORY, _storable(video.category)),
        (FPS, video.fps),
    ):
        if name not in group and value is not None and not (isinstance(value, str) and value == ""):
            group[name] = value
    if video.gtscore is not None:
        group[GTSCORE] = np.asarray(video.gtscore, dtype=np.float32)
    if video.gtsummary is not None:
        group[GTSUMMARY] = np.asarray(video.gtsummary, dtype=np.uint8)
    if video.user_summaries is not None:
        group.create_dataset(USER_SUMMARY, data=np.asarray(video.user_summaries, dtype=np.float32), **packing)
    if video.user_scores is not None:
        group.create_dataset(USER_SCORES, data=np.asarray(video.user_scores, dtype=np.float32), **packing)
    if video.shots is not None:
        group[CHANGE_POINTS] = video.shots.bounds - np.array([0, 1])  # the community's ends are inclusive
        group[N_FRAME_PER_SEG] = video.shots.lengths
    if video.repairs:
        group.attrs[REPAIRS] = json.dumps(list(video.repairs))


def _user_summaries(reader: GroupReader, n_frames: int) -> BoolArray | None:
    """(U, N) summaries; counts as in SumMe's annotation files (0: not chosen) are read as chosen where above 0."""
    stored = reader.numbers(USER_SUMMARY)
    if stored is None:
        return None
    values = _users_first(reader, USER_SUMMARY, stored, (n_frames,), f"(U, {n_frames}), U annotators and N frames")
    if ((values != 0) & (values != 1)).any():
        _check_counts(reader, values)
        reader.repairs.append(
            f"'{USER_SUMMARY}' has counts up to {values.max():g} instead of 0/1 (SumMe's raw values): "
            "frames above 0 were read as chosen"
        )
    return values > 0


def _user_scores(reader: GroupReader, n_frames: int, n_picks: int) -> FloatArray | None:
    """(U, N) or (U, T) scores of the annotators."""
    stored = reader.numbers(USER_SCORES)
    if stored is None:
        return None
    expected = f"(U, {n_frames}) or (U, {n_picks}), U annotators and N frames or T picks"
    return _users_first(reader, USER_SCORES, stored, (n_frames, n_picks), expected).astype(np.float32)


def _users_first(reader: GroupReader, key: str, stored: Numbers, lengths: tuple[int, ...], expected: str) -> Numbers:
    """The array with annotators along the first axis."""
    if stored.ndim == 1 and len(stored) in lengths:
        reader.repairs.append(f"'{key}' is ({len(stored)},): read as one annotator's")
        return stored[None]
    if stored.ndim == 2 and stored.shape[1] in lengths:
        return stored
    if stored.ndim == 2 and stored.shape[0] in lengths:
        reader.repairs.append(f"'{key}' is {stored.shape}, annotators last: it was transposed")
        transposed: Numbers = stored.T
        return transposed
    remedy = "the annotations and the number of frames are of different videos, or of different decodings of one"
    raise reader.problem(key, expected, f"shape {stored.shape}", remedy)


def _check_counts(reader: GroupReader, values: Numbers) -> None:
    """Refuse values that are no counts with 0 for what was not chosen."""
    whole = bool((values == np.floor(values)).all() and values.min() >= 0)
    if not whole or not (values == 0).any(axis=1).all():
        found = f"values from {values.min():g} to {values.max():g}"
        remedy = f"ratings or scores belong into '{USER_SCORES}'; a summary says which frames were chosen"
        raise reader.problem(USER_SUMMARY, "0/1", found, remedy)


def _storable(text: str) -> str:
    return printable(text).replace("\x00", "")


def _gtscore(reader: GroupReader, n_frames: int, picks: IntArray) -> FloatArray | None:
    stored = reader.numbers(GTSCORE)
    if stored is None:
        return None
    values: FloatArray = stored.astype(np.float32).reshape(-1) if stored.size == max(stored.shape) else stored
    if values.shape == (len(picks),):
        return values
    if values.shape == (n_frames,):
        reader.repairs.append(f"'{GTSCORE}' has a value for each of the {n_frames} frames: read at the picks")
        return values[picks]
    raise reader.problem(GTSCORE, f"({len(picks)},), one value a pick", f"shape {stored.shape}")


def _gtsummary(reader: GroupReader, picks: IntArray) -> BoolArray | None:
    """Key frames; what does not fit is left out, since nothing is evaluated on them."""
    key = GTSUMMARY if GTSUMMARY in reader else GT_SUMMARY
    stored = reader.numbers(key)
    if stored is None:
        return None
    if stored.reshape(-1).shape != (len(picks),):
        reader.repairs.append(f"'{key}' of shape {stored.shape} does not fit {len(picks)} picks and was left out")
        return None
    return stored.reshape(-1) > 0


def _summaries_as_scores(
    user_summaries: BoolArray | None, gtscore: FloatArray | None, picks: IntArray
) -> FloatArray | None:
    """SumMe: the annotators' scores are their summaries, which shows in the mean of them. Not so on TVSum."""
    if user_summaries is None or gtscore is None:
        return None
    mean = user_summaries[:, picks].mean(axis=0)
    return user_summaries.astype(np.float32) if np.abs(gtscore - mean).max() < _SAME_SCORE else None


def _only_user(
    reader: GroupReader, n_frames: int, user_summaries: BoolArray | None, gtsummary: BoolArray | None
) -> tuple[BoolArray | None, BoolArray | None]:
    """MR.HiSum: its summary stands for the one annotator; its annotators are known only by their mean."""
    if user_summaries is not None or gtsummary is None or len(gtsummary) != n_frames:
        return user_summaries, gtsummary
    key = GTSUMMARY if GTSUMMARY in reader else GT_SUMMARY
    reader.repairs.append(f"'{key}' stands for the one user summary, as single annotators are not known (MR.HiSum)")
    return gtsummary[None], None
