"""What the sample plots show is what the model computes; what checkpoints are, whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_pretraining import tiny_batch, tiny_task
from torch.nn import functional

from sspvs.errors import CheckpointError, OutputError
from sspvs.models.layers import SelfAttention
from sspvs.training.samples import cls_attention, plot_sample, sample_facts
from sspvs.training.saving import WholeCheckpoints
from sspvs.training.starting_point import differences
from sspvs.world import DrawnSettings, WorldSettings
from sspvs.world.writing import WorldSource, manifests_of_world


def test_attention_of_cls_is_that_of_the_fused_kernel() -> None:
    """The weights, applied to the values by hand, give what the layer gives at its first position."""
    torch.manual_seed(0)
    layer = SelfAttention(16, 4).eval()
    states, mask = torch.randn(3, 7, 16), torch.arange(7) < torch.tensor([[7], [4], [1]])
    weights = cls_attention(layer, states, mask)
    assert weights.shape == (3, 4, 7)
    assert (weights[~mask[:, None].expand(-1, 4, -1)] == 0).all()
    values = layer.in_projection(states)[..., 32:].unflatten(-1, (4, 4))  # (B, T, H, D / H)
    mixed = torch.einsum("bht,bthd->bhd", weights, values).flatten(1)
    torch.testing.assert_close(layer.out_projection(mixed), layer(states, mask)[:, 0])


def test_facts_of_samples_leave_padding_out() -> None:
    task, batch = tiny_task(dropout=0.1).train(), tiny_batch()
    facts = list(sample_facts(task, batch))
    assert task.training
    assert [fact.id for fact in facts] == list(batch.ids)
    assert batch.own_tokens is not None
    assert batch.own_token_mask is not None
    task.eval()
    with torch.no_grad():
        for row, fact in enumerate(facts):
            frames, tokens = batch.frames[row : row + 1], batch.own_tokens[row : row + 1]
            frames = frames[:, batch.frame_mask[row]]  # alone, without padding
            tokens = tokens[:, batch.own_token_mask[row]]
            everything = torch.ones(1, 99, dtype=torch.bool)
            shown = everything[:, : frames.shape[1]]
            video = task.model.video_encoder(task.model.video_encoder.embed(frames, shown), shown)
            words = task.model.text_projection(task.model.text_encoder(tokens, everything[:, : tokens.shape[1]]).states)
            expected = functional.cosine_similarity(video.frames[0][:, None], words[0][None], dim=-1)
            torch.testing.assert_close(torch.from_numpy(fact.similarity), expected, atol=1e-5, rtol=0)
            assert fact.attention.shape == (4, frames.shape[1])
            assert 0 < fact.attention.sum(axis=1).max() <= 1  # the rest is what [CLS] gives itself
    assert len(plot_sample(facts[0]).axes) == 4


def test_a_failed_save_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    saving, path = WholeCheckpoints(), tmp_path / "sub" / "last.ckpt"
    state: dict[str, Any] = {"state_dict": {"w": torch.ones(2)}, "hyper_parameters": {"a": 1}}
    saving.save_checkpoint(state, path)
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*last\.ckpt: File too large"):
            saving.save_checkpoint({**state, "state_dict": {"w": torch.zeros(100_000)}}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.name for one in path.parent.iterdir()] == ["last.ckpt"]
    assert torch.equal(saving.load_checkpoint(path)["state_dict"]["w"], torch.ones(2))


def test_nothing_but_tensors_and_plain_types_is_read(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "was here",)

    for name, content in {"evil": {"state_dict": {}, "hyper_parameters": Touch()}, "other": {"a": 1}}.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(CheckpointError, match="no whole checkpoint of sspvs"):
            WholeCheckpoints().load_checkpoint(tmp_path / name)
    assert not (tmp_path / "was here").exists()


def test_differences_of_settings() -> None:
    known = {"a": 1, "b": {"c": (1, 2), "d": None}, "only": 3}
    assert differences(known, {"a": 1, "b": {"c": [1, 2], "d": 4}, "new": 5}) == {"b.d": (None, 4)}
    assert differences(known, {"a": 2}) == {"a": (1, 2)}


def test_a_world_is_made_once(tmp_path: Path) -> None:
    small = WorldSettings(pretrain_train=4, pretrain_val=2, annotated=0, drawn=DrawnSettings(clips_per_concept=8))
    source = WorldSource(small, folder=str(tmp_path))
    train, val = manifests_of_world(source)
    assert (len(train.read_text().splitlines()), len(val.read_text().splitlines())) == (4, 2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert manifests_of_world(source) == (train, val)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert manifests_of_world(WorldSource(small, seed=1, folder=str(tmp_path)))[0] != train
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        manifests_of_world(WorldSource(small, folder=str(tmp_path / "file")))
