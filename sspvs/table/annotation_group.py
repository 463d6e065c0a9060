"""One video's annotations in a dataset file: read as any exporter wrote them, written in the community's layout.

What can be read in one way only is repaired, and `GroupReader.repairs` lists it; the rest is refused. First N and the
picks (the clock), then the shots, then what the annotators chose.
"""

import json
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError, printable
from sspvs.table import layout
from sspvs.table.group_reader import GroupReader, Numbers
from sspvs.types import Annotations, BoolArray, FloatArray, IntArray, Shots

COMMUNITY_STEP = 15  # the community's picks are every 15th frame
_SAME_SCORE = 1e-4  # published gtscores are float32 means


class Clock(NamedTuple):
    """N and the picks."""

    n_frames: int
    picks: IntArray  # (T,) frame indices
    # the file has neither: each score is a frame of its own, as in MR.HiSum (1 per second)
    one_pick_a_frame: bool = False


def read_annotations(reader: GroupReader, key: str) -> Annotations:
    """One video's annotations from its group, ours or another's."""
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
        expected = f"as many annotators as in '{layout.USER_SUMMARY}', {len(user_summaries)}"
        raise reader.problem(layout.USER_SCORES, expected, f"{len(user_scores)}")
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
            title=reader.text(layout.TITLE),
            category=reader.text(layout.CATEGORY),
            fps=reader.number(layout.FPS) or (1.0 if clock.one_pick_a_frame else None),
            repairs=tuple(reader.repairs),
        )
    except ValueError as error:
        raise DatasetError(f"{reader.where}: {error}") from error


def write_annotations(group: h5py.Group, video: Annotations) -> None:
    """Add one video's annotations to its group; what it does not have is left out."""
    packing: dict[str, Any] = {"compression": "gzip", "shuffle": True}
    for name, value in (
        (layout.PICKS, video.picks),
        (layout.N_FRAMES, video.n_frames),
        (layout.N_STEPS, len(video.picks)),
        (layout.VIDEO_NAME, _storable(video.video_name)),
        (layout.TITLE, _storable(video.title)),
        (layout.CATEGORY, _storable(video.category)),
        (layout.FPS, video.fps),
    ):
        if name not in group and value is not None and not (isinstance(value, str) and value == ""):
            group[name] = value
    if video.gtscore is not None:
        group[layout.GTSCORE] = np.asarray(video.gtscore, dtype=np.float32)
    if video.gtsummary is not None:
        group[layout.GTSUMMARY] = np.asarray(video.gtsummary, dtype=np.uint8)
    if video.user_summaries is not None:
        group.create_dataset(layout.USER_SUMMARY, data=np.asarray(video.user_summaries, dtype=np.float32), **packing)
    if video.user_scores is not None:
        group.create_dataset(layout.USER_SCORES, data=np.asarray(video.user_scores, dtype=np.float32), **packing)
    if video.shots is not None:
        group[layout.CHANGE_POINTS] = video.shots.bounds - np.array([0, 1])  # the community's ends are inclusive
        group[layout.N_FRAME_PER_SEG] = video.shots.lengths
    if video.repairs:
        group.attrs[layout.REPAIRS] = json.dumps(list(video.repairs))


def read_clock(reader: GroupReader) -> Clock:
    """N and the picks of a group."""
    n_frames, has_picks = reader.count(layout.N_FRAMES), reader.whole_column(layout.PICKS) is not None
    n_scores = _length(reader, layout.GTSCORE) or _length(reader, layout.FEATURES)
    unclocked = n_frames is None and not has_picks and layout.USER_SUMMARY not in reader
    if unclocked and layout.GTSCORE in reader and n_scores:
        reader.repairs.append(
            f"no '{layout.PICKS}' and no '{layout.N_FRAMES}': each of the {n_scores} scores was read as a frame of its "
            "own (as in MR.HiSum, one a second)"
        )
        return Clock(n_scores, np.arange(n_scores, dtype=np.int64), one_pick_a_frame=True)
    if n_frames is None:
        n_frames = _frames_of_users(reader)
    picks = reader.picks(layout.PICKS, n_frames)
    if picks is None:
        return Clock(n_frames, _missing_picks(reader, n_frames, n_scores))
    n_steps = reader.count(layout.N_STEPS)
    if n_steps is not None and n_steps != len(picks):
        reader.repairs.append(f"'{layout.N_STEPS}' says {n_steps}, but there are {len(picks)} picks: not used")
    return Clock(n_frames, picks)


def read_shots(reader: GroupReader, n_frames: int) -> Shots | None:
    """The shots of a group, half-open; None when it has none."""
    bounds = reader.whole_numbers(layout.CHANGE_POINTS)
    lengths = reader.whole_column(layout.N_FRAME_PER_SEG)
    if bounds is None:
        return _from_lengths(reader, lengths, n_frames)
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise reader.problem(layout.CHANGE_POINTS, "(S, 2) first and last frames", f"shape {bounds.shape}")
    shots, repair = half_open(bounds, n_frames, f"{reader.where}: '{layout.CHANGE_POINTS}'")
    if repair:
        reader.repairs.append(f"'{layout.CHANGE_POINTS}' {repair}")
    if lengths is not None and not np.array_equal(lengths, shots.lengths):
        reader.repairs.append(f"'{layout.N_FRAME_PER_SEG}' {_lengths_repair(lengths, bounds, n_frames)}")
    return shots


def half_open(bounds: IntArray, n_frames: int, where: str) -> tuple[Shots, str]:
    """Half-open shots from (S, 2) bounds of any convention, and what was repaired: "" for the community's.

    A single shot, without inner ends to compare, is inclusive when it ends at N - 1 and half-open when it ends at N.
    """
    starts, ends = bounds[:, 0], bounds[:, 1]
    steps = starts[1:] - ends[:-1]  # 1: inclusive ends; 0: half-open ends
    inclusive = bool((steps == 1).all())
    if not inclusive:
        _check_steps(bounds, where)
    if starts[0] != 0:
        raise DatasetError(f"{where}: shot 0 is {_show(bounds[0])}; expected the first shot to start at frame 0")
    last, single = int(ends[-1]), len(bounds) == 1
    if last not in (n_frames - 1, n_frames):
        raise DatasetError(
            f"{where}: shot {len(bounds) - 1} is {_show(bounds[-1])}; expected the last shot to end the video's "
            f"{n_frames} frames (at {n_frames - 1} with inclusive ends, at {n_frames} with half-open ones)"
        )
    empty = np.flatnonzero(np.diff(np.append(starts, n_frames)) < 1)
    if len(empty):
        raise DatasetError(f"{where}: shot {empty[0]} is {_show(bounds[empty[0]])}; expected at least one frame")
    shots = Shots.from_starts(starts, n_frames)
    if inclusive and last == n_frames - 1:
        return shots, ""
    if last == n_frames and (single or not inclusive):
        return shots, "has half-open ends, where the community's are inclusive: read as they are"
    if last == n_frames:
        return shots, f"has inclusive ends, but the last one is N = {n_frames}: read as {n_frames - 1}"
    return shots, f"has half-open ends, but the last one is N - 1 = {n_frames - 1}: the last frame was added to it"


def _length(reader: GroupReader, key: str) -> int | None:
    """T, from an array of one value a pick; None when it is not there."""
    shape = reader.shape(key)
    if not shape:
        return None
    return max(shape) if key == layout.GTSCORE else shape[0]


def _frames_of_users(reader: GroupReader) -> int:
    """N from annotations of every frame, where the file has no `n_frames`."""
    for key in (layout.USER_SUMMARY, layout.USER_SCORES):
        shape = reader.shape(key)
        if key == layout.USER_SCORES and shape and max(shape) == _length(reader, layout.GTSCORE):
            continue  # at the picks
        if shape and len(shape) <= 2:
            n_frames = max(shape)
            reader.repairs.append(f"no '{layout.N_FRAMES}': the {n_frames} frames of '{key}' were taken")
            return n_frames
    if reader.is_nested:
        raise DatasetError(
            f"{reader.where}: expected a video's arrays, found only groups ({reader.contents}); names with '/' make "
            "nested groups: write it again with other names"
        )
    missing = " and ".join(f"'{key}'" for key in (layout.N_FRAMES, layout.PICKS) if key not in reader)
    raise DatasetError(
        f"{reader.where}: expected '{layout.N_FRAMES}' and '{layout.PICKS}', found {reader.contents}; add {missing}: "
        "the length of the video in frames, and which of them were sampled"
    )


def _missing_picks(reader: GroupReader, n_frames: int, n_scores: int | None) -> IntArray:
    if n_scores == n_frames:
        reader.repairs.append(f"no '{layout.PICKS}', but a score for each of the {n_frames} frames: all are picks")
        return np.arange(n_frames, dtype=np.int64)
    every = -(-n_frames // COMMUNITY_STEP)
    hint = f" (every {COMMUNITY_STEP}th frame would be {every} picks)" if n_scores == every else ""
    raise DatasetError(
        f"{reader.where}: expected '{layout.PICKS}' (T,), found none, and {n_scores or 'no'} scores of {n_frames} "
        f"frames do not say which frames were sampled{hint}; add '{layout.PICKS}'"
    )


def _check_steps(bounds: IntArray, where: str) -> None:
    """Refuse ends that are neither all inclusive nor all half-open, naming the shot that is off."""
    steps = bounds[1:, 0] - bounds[:-1, 1]
    if (steps == 0).all():
        return
    usual = 1 if (steps == 1).sum() >= (steps == 0).sum() else 0
    shot = int(np.flatnonzero(steps != usual)[0])
    kind = "a gap" if steps[shot] > usual else "an overlap"
    raise DatasetError(
        f"{where}: there is {kind} between shot {shot} {_show(bounds[shot])} and shot {shot + 1} "
        f"{_show(bounds[shot + 1])}; expected shots that follow each other, with ends that are all inclusive or all "
        "half-open"
    )


def _lengths_repair(lengths: npt.NDArray[np.int64], bounds: IntArray, n_frames: int) -> str:
    if np.array_equal(lengths, bounds[:, 1] - bounds[:, 0]):
        return f"was end - start (sums to {int(lengths.sum())}, not N = {n_frames}) and was computed anew"
    return f"did not fit the shots (sums to {int(lengths.sum())} of N = {n_frames}) and was computed anew"


def _from_lengths(reader: GroupReader, lengths: npt.NDArray[np.int64] | None, n_frames: int) -> Shots | None:
    """Shots from their lengths alone, where these are the whole video."""
    if lengths is None:
        return None
    if (lengths < 1).any() or lengths.sum() != n_frames:
        raise reader.problem(
            layout.N_FRAME_PER_SEG,
            f"(S,) frames a shot that sum to N = {n_frames}, as there is no '{layout.CHANGE_POINTS}'",
            f"shape {lengths.shape} with sum {int(lengths.sum())}",
            f"add '{layout.CHANGE_POINTS}' (S, 2)",
        )
    reader.repairs.append(f"'{layout.CHANGE_POINTS}' is missing: the shots were made from '{layout.N_FRAME_PER_SEG}'")
    return Shots.from_starts(np.append(0, np.cumsum(lengths)[:-1]), n_frames)


def _show(bound: IntArray) -> str:
    return f"[{bound[0]}, {bound[1]}]"


def _user_summaries(reader: GroupReader, n_frames: int) -> BoolArray | None:
    """(U, N) summaries; counts as in SumMe's annotation files (0: not chosen) are read as chosen where above 0."""
    stored = reader.numbers(layout.USER_SUMMARY)
    if stored is None:
        return None
    values = _users_first(
        reader, layout.USER_SUMMARY, stored, (n_frames,), f"(U, {n_frames}), U annotators and N frames"
    )
    if ((values != 0) & (values != 1)).any():
        _check_counts(reader, values)
        reader.repairs.append(
            f"'{layout.USER_SUMMARY}' has counts up to {values.max():g} instead of 0/1 (SumMe's raw values): "
            "frames above 0 were read as chosen"
        )
    return values > 0


def _user_scores(reader: GroupReader, n_frames: int, n_picks: int) -> FloatArray | None:
    stored = reader.numbers(layout.USER_SCORES)
    if stored is None:
        return None
    expected = f"(U, {n_frames}) or (U, {n_picks}), U annotators and N frames or T picks"
    return _users_first(reader, layout.USER_SCORES, stored, (n_frames, n_picks), expected).astype(np.float32)


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
        remedy = f"ratings or scores belong into '{layout.USER_SCORES}'; a summary says which frames were chosen"
        raise reader.problem(layout.USER_SUMMARY, "0/1", found, remedy)


def _storable(text: str) -> str:
    return printable(text).replace("\x00", "")


def _gtscore(reader: GroupReader, n_frames: int, picks: IntArray) -> FloatArray | None:
    stored = reader.numbers(layout.GTSCORE)
    if stored is None:
        return None
    values: FloatArray = stored.astype(np.float32).reshape(-1) if stored.size == max(stored.shape) else stored
    if values.shape == (len(picks),):
        return values
    if values.shape == (n_frames,):
        reader.repairs.append(f"'{layout.GTSCORE}' has a value for each of the {n_frames} frames: read at the picks")
        return values[picks]
    raise reader.problem(layout.GTSCORE, f"({len(picks)},), one value a pick", f"shape {stored.shape}")


def _gtsummary(reader: GroupReader, picks: IntArray) -> BoolArray | None:
    """Key frames; what does not fit is left out, since nothing is evaluated on them."""
    key = layout.GTSUMMARY if layout.GTSUMMARY in reader else layout.GT_SUMMARY
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
    key = layout.GTSUMMARY if layout.GTSUMMARY in reader else layout.GT_SUMMARY
    reader.repairs.append(f"'{key}' stands for the one user summary, as single annotators are not known (MR.HiSum)")
    return gtsummary[None], None
