"""Feature files written from a generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sspvs.table import read_features, write_features
from sspvs.types import Fingerprint, FrameFeatures

FINGERPRINT = Fingerprint("net", "00", "none", "none", 2.0)


def _video(number: int, fingerprint: Fingerprint | None = FINGERPRINT) -> FrameFeatures:
    features = np.random.default_rng(number).random((4 + number, 3), dtype=np.float32)
    return FrameFeatures(f"v{number}", features, 15 * np.arange(4 + number), 15 * (4 + number), fingerprint=fingerprint)


@pytest.mark.parametrize(("half", "error"), [(False, 0.0), (True, 1e-3)])
def test_what_was_written_is_read(tmp_path: Path, half: bool, error: float) -> None:
    path = tmp_path / "f.h5"
    write_features(path, (_video(n) for n in range(3)), fingerprint=FINGERPRINT, half_precision=half)
    store = read_features(path)
    assert list(store) == ["v0", "v1", "v2"]
    assert store.fingerprint == FINGERPRINT
    for number, name in enumerate(store):
        found, made = store[name], _video(number)
        assert np.abs(found.features - made.features).max() <= error
        assert np.array_equal(found.picks, made.picks)
        assert (found.name, found.n_frames, found.fingerprint) == (made.name, made.n_frames, FINGERPRINT)


def test_what_does_not_fit_together_leaves_no_file(tmp_path: Path) -> None:
    def stopped() -> Iterator[FrameFeatures]:
        yield _video(0)
        raise RuntimeError("stopped")

    other = replace(FINGERPRINT, backbone="other")
    for videos, error, said in (
        ([_video(1), _video(1)], ValueError, "two videos have the name 'v1'"),
        ([_video(0), _video(1, other)], ValueError, "v1: features of another fingerprint"),
        (stopped(), RuntimeError, "stopped"),
    ):
        with pytest.raises(error, match=said):
            write_features(tmp_path / "f.h5", videos, fingerprint=FINGERPRINT)
        assert not list(tmp_path.iterdir())
