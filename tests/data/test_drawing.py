"""What is drawn for an example: crops, masked frames, whose text; against enumeration and naive rules."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.data.drawing import (
    NO_PARTNER,
    MaskSettings,
    draw_crop,
    draw_masked,
    draw_partners,
    item_generator,
    same_text_groups,
)
from sspvs.table.text import TextFields, TokenFields


@given(st.integers(1, 60), st.one_of(st.none(), st.integers(1, 40)), st.integers(0, 9))
def test_crops(n_frames: int, most: int | None, seed: int) -> None:
    start, stop = draw_crop(n_frames, most, np.random.default_rng(seed))
    assert 0 <= start < stop <= n_frames
    assert stop - start == (n_frames if most is None else min(n_frames, most))


def test_every_crop_is_as_likely() -> None:
    starts = [draw_crop(12, 9, np.random.default_rng(seed))[0] for seed in range(800)]
    assert np.bincount(starts).tolist() == pytest.approx([200] * 4, abs=50)


@given(
    st.integers(1, 80), st.sampled_from(["one", "several", "spans"]), st.floats(0.01, 0.99), st.integers(1, 9),
    st.integers(0, 5),
)  # fmt: skip
def test_masked_frames(n_frames: int, kind: str, share: float, span: int, seed: int) -> None:
    masked = draw_masked(n_frames, MaskSettings(kind, share, span), np.random.default_rng(seed))  # type: ignore[arg-type]
    assert masked.dtype == np.int64
    assert masked.tolist() == sorted(set(masked.tolist()))
    assert set(masked.tolist()) <= set(range(n_frames))
    count = min(1 if kind == "one" else max(1, round(share * n_frames)), n_frames // 2)
    assert len(masked) == count
    if kind == "spans" and count:
        runs = Counter(np.diff(np.flatnonzero(np.diff(masked, prepend=-5, append=999) != 1)).tolist())
        full, rest = divmod(count, span)
        apart = {span: full, **({rest: 1} if rest else {})} if full else {rest: 1}
        fits = count + full + bool(rest) - 1 <= n_frames
        assert runs == ({length: n for length, n in apart.items() if n} if fits else {count: 1})


@pytest.mark.parametrize("kind", ["one", "several", "spans"])
@pytest.mark.parametrize(("n_frames", "count"), [(1, 0), (2, 1), (3, 1)])
def test_a_short_video_is_never_masked_away(n_frames: int, count: int, kind: str) -> None:
    settings = MaskSettings(kind, 0.99, 8)  # type: ignore[arg-type]
    drawn = [draw_masked(n_frames, settings, np.random.default_rng(seed)).tolist() for seed in range(60)]
    assert {len(masked) for masked in drawn} == {count}
    assert {frame for masked in drawn for frame in masked} == set(range(n_frames) if count else ())


def test_one_masked_frame_is_uniform() -> None:
    drawn = [int(draw_masked(5, MaskSettings(), np.random.default_rng(seed))[0]) for seed in range(1000)]
    assert np.bincount(drawn).tolist() == pytest.approx([200] * 5, abs=50)


def test_every_layout_of_spans_is_as_likely() -> None:
    """Two spans of 2 among 8 frames, not touching: all of them, counted by hand."""
    layouts = {(i, i + 1, j, j + 1) for i in range(7) for j in range(i + 3, 7)}
    drawn = Counter(
        tuple(draw_masked(8, MaskSettings("spans", 0.5, 2), np.random.default_rng(seed)).tolist())
        for seed in range(1500)
    )
    assert set(drawn) == layouts
    assert list(drawn.values()) == pytest.approx([1500 / len(layouts)] * len(layouts), rel=0.35)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"share": 0.0}, "masks: share must be above 0 and below 1"),
        ({"share": 1.0}, "masks: share must be above 0 and below 1"),
        ({"span": 0}, "masks: span must be at least 1"),
    ],
)
def test_masks_that_are_refused(settings: dict[str, float], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        MaskSettings(**settings)  # type: ignore[arg-type]


def test_generators_differ_by_all_that_names_them() -> None:
    keys = [(0, "a", None), (0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0), (1, "b", None)]
    drawn = {item_generator(*key).integers(1 << 60) for key in keys}
    assert len(drawn) == len(keys)
    assert item_generator(0, "a", 3).integers(1 << 60) == item_generator(0, "a", 3).integers(1 << 60)


texts = st.lists(
    st.builds(TextFields, st.just(""), st.just(""), st.sampled_from(["", "A", "b", "c"]), st.sampled_from("xyz")),
    min_size=1, max_size=14,
)  # fmt: skip


@given(texts)
def test_groups_against_a_naive_closure(given_texts: list[TextFields]) -> None:
    n = len(given_texts)
    related = np.eye(n, dtype=bool)
    for i, a in enumerate(given_texts):
        for j, b in enumerate(given_texts):
            related[i, j] |= a == b or (bool(a.title) and a.title == b.title)
    for _ in range(n):
        related = related @ related
    groups = same_text_groups(given_texts)
    np.testing.assert_array_equal(groups[:, None] == groups[None, :], related)


def test_what_counts_as_the_same_text() -> None:
    pairs = [
        (TextFields(title="My  Trip"), TextFields(title="my trip", query="x"), True),
        (TextFields(description="a"), TextFields(description="A "), True),
        (TextFields(query="q"), TextFields(category="q"), False),
        (TextFields(), TextFields(), True),
        (TextFields(), TextFields(query="q"), False),
        (TokenFields(title=(5, 6)), TokenFields(title=(5, 6), query=(1,)), True),
        (TokenFields(query=(5, 6)), TokenFields(query=(5,)), False),
    ]
    for a, b, same in pairs:
        groups = same_text_groups([a, b])
        assert (groups[0] == groups[1]) == same, (a, b)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=16), st.integers(0, 20))
def test_partners(groups: list[int], seed: int) -> None:
    given_groups = np.array(groups)
    partners = draw_partners(given_groups, np.random.default_rng(seed))
    largest = max(Counter(groups).values())
    if largest == len(groups):
        assert set(partners.tolist()) == {NO_PARTNER}
        return
    assert all(groups[partner] != group for group, partner in zip(groups, partners, strict=True))
    if 2 * largest <= len(groups):
        assert sorted(partners.tolist()) == list(range(len(groups)))  # no text twice
    else:  # as few repeats as there can be: the others are shared out evenly
        used = Counter(partners[given_groups == Counter(groups).most_common(1)[0][0]].tolist())
        assert max(used.values()) - min(used.values()) <= 1
        assert len(used) == len(groups) - largest


def test_every_partner_is_as_likely() -> None:
    counts = np.zeros((5, 5))
    for seed in range(1000):
        counts[np.arange(5), draw_partners(np.arange(5), np.random.default_rng(seed))] += 1
    assert counts.diagonal().sum() == 0
    assert counts[~np.eye(5, dtype=bool)].tolist() == pytest.approx([250] * 20, abs=60)


def test_ring_neighbours() -> None:
    """The shift never lands within one's own group, whatever the groups' sizes."""
    for first, second in pairwise(range(1, 7)):
        groups = np.repeat([0, 1, 2], [first, second, second])
        for seed in range(30):
            partners = draw_partners(groups, np.random.default_rng(seed))
            assert (groups[partners] != groups).all()
