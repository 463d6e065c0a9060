"""The Ray engine: the same file as the local one, bad files reported alike."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from helpers.extraction_material import draw_folder

from sspvs.errors import MissingExtraError, SspvsError
from sspvs.features.backbones import load_backbone
from sspvs.features.extract import Sampling, extract_to_file
from sspvs.features.ray_engine import _Actor, _outcome, extract_with_ray
from sspvs.features.resumable import Job
from sspvs.table import SourceStamp


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    load = partial(load_backbone, "efficientnet-lite0", device="cpu")
    with pytest.raises(MissingExtraError, match=r"sspvs\[ray\]"):
        extract_with_ray([tmp_path / "a.mp4"], tmp_path / "f.h5", load, load().fingerprint(2.0))
    assert list(tmp_path.iterdir()) == []


def test_ray_makes_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason="needs the extra 'ray'")
    videos = draw_folder(tmp_path / "videos", 3)
    text = tmp_path / "videos" / "text.mp4"
    text.write_text("not a video\n" * 100)
    load = partial(load_backbone, "efficientnet-lite0", device="cpu", threads=1)
    backbone = load()
    extract_to_file(videos[:1], tmp_path / "ray.h5", backbone)  # what is there is kept, by either engine
    by_ray = extract_with_ray([*videos, text], tmp_path / "ray.h5", load, backbone.fingerprint(2.0), workers=2)
    by_hand = extract_to_file([*videos, text], tmp_path / "local.h5", backbone)
    assert by_ray.kept == (videos[0].stem,)
    assert by_ray.extracted == tuple(path.stem for path in videos[1:])
    assert by_ray.failed == by_hand.failed
    assert [path for path, _ in by_ray.failed] == [text]
    assert (tmp_path / "ray.h5").read_bytes() == (tmp_path / "local.h5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["local.h5", "ray.h5", "videos"]


def test_an_actor_with_other_weights_is_refused() -> None:
    load = partial(load_backbone, "efficientnet-lite0", device="cpu", threads=1)
    expected = replace(load().fingerprint(2.0), weights_digest="00" * 32)
    actor = _Actor(load, expected, Sampling())
    job = Job(Path("a.mp4"), "a", SourceStamp("a.mp4", 1, 1))
    row = actor({"index": 3, "job": pickle.dumps(job)})
    assert "same weights" in row["fatal"]
    assert row["index"] == 3
    with pytest.raises(SspvsError, match="Ray worker failed"):
        _outcome(row)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray.data", reason="needs the extra 'ray'")
    video = tmp_path / "a.mp4"
    video.write_bytes(b"never read")
    load = partial(load_backbone, "efficientnet-lite0", device="cpu", threads=1)
    with pytest.raises(SspvsError, match=address):
        extract_with_ray([video], tmp_path / "f.h5", load, load().fingerprint(2.0), address=address)
    assert list(tmp_path.iterdir()) == [video]
