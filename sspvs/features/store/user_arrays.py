"""What single annotators said, read from anybody's file: which axis is whose, and which values are allowed."""

from __future__ import annotations

import numpy as np

from sspvs.features.store.annotation_keys import USER_SCORES, USER_SUMMARY
from sspvs.features.store.group_reader import GroupReader, Numbers
from sspvs.types import BoolArray, FloatArray


def read_user_summaries(reader: GroupReader, n_frames: int) -> BoolArray | None:
    """(U, N) each annotator's summary; None when the group has none. Tells the reader what was repaired.

    Repaired: (N, U) is transposed; (N,) is one annotator; counts as in SumMe's annotation files (0 for frames that
    were not chosen) are read as chosen where above 0.

    Raises:
        DatasetError: When the array does not fit N, or is neither 0/1 nor such counts.
    """
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


def read_user_scores(reader: GroupReader, n_frames: int, n_picks: int) -> FloatArray | None:
    """(U, N) or (U, T) each annotator's scores; None when the group has none. Transposed ones are repaired.

    Raises:
        DatasetError: When the array fits neither N nor T.
    """
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
