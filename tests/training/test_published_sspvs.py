"""The recipe `sspvs` against naive writings of what the released code does (methods, sections 1, 2 and 6)."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.drawn_dataset import drawn_video
from helpers.official_checkpoint import fine_tuned, official, plain_model, plain_scores
from helpers.pair_sets import features_of, pairs_of, write_set
from helpers.summarization_material import features_for, write_annotated
from torch import nn

import sspvs.training.published
from sspvs.data.batch import PretrainBatch, SummarizeBatch
from sspvs.data.drawing import is_first_draw
from sspvs.data.loader import LengthBuckets, Pick
from sspvs.data.pretrain import PretrainDataModule, PretrainDataset
from sspvs.data.summarize import SummarizeDataModule
from sspvs.models.pretrain_model import PretrainModel
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.text_towers import SmallTextEncoder
from sspvs.models.tokenizers import HashingTokenizer
from sspvs.models.video_encoder import VideoEncoder
from sspvs.table.text import TextSettings
from sspvs.tasks.official_import import import_official
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.summarize import SummarizeTask
from sspvs.tasks.validation import ValidationRecords
from sspvs.training.command_line import ReadConfig

RECIPES = Path(sspvs.training.published.__file__).parent
CONFIGS = Path(__file__).parents[2] / "configs"
DIM, WINDOW, VOCABULARY = 32, 12, 60


def data_of(recipe: str, **changes: Any) -> dict[str, Any]:
    """What a recipe sets of the data."""
    settings = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text())["data"]
    text = TextSettings(**{**settings.pop("text"), **changes.pop("text", {})})
    return {**settings, "text": text, "encoder": "small", "vocab_size": VOCABULARY, **changes}


# Fine-tuning


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> tuple[SummarizeDataModule, SummarizeBatch]:
    """Ten videos, shorter and longer than the window, in one batch; nothing is held out."""
    path = write_annotated(tmp_path_factory.mktemp("drawn") / "tvsum.h5", 10, name="tvsum", width=DIM, title="a dog")
    how = data_of("sspvs_summarize", max_frames=WINDOW, batch_size=10, text={"category": 1, "query": 3, "title": 4})
    data = SummarizeDataModule(str(path), fold=None, validate_on="nothing", use_text="added", **how)
    data.setup("fit")
    return data, next(iter(data.train_dataloader()))


def naive_window(batch: SummarizeBatch, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames and importance of a row: cut or zero-padded, then (y - min) / (max - min) over all of it."""
    number = int(batch.ids[row].rpartition("_")[2])
    video = drawn_video(number)
    features, importance = features_for(video, number, DIM).features, np.asarray(video.gtscore)
    start = int(batch.frames[row, 0, 0]) - 1000 * number
    frames, target = np.zeros((WINDOW, DIM), np.float32), np.zeros(WINDOW, np.float32)
    for place in range(WINDOW):
        if start + place < len(importance):
            frames[place], target[place] = features[start + place], importance[start + place]
    spread = target.max() - target.min()
    return frames, (target - target.min()) / spread if spread else target * 0


def test_windows_are_filled_up_and_targets_are_of_the_window(padded: tuple[Any, SummarizeBatch]) -> None:
    batch = padded[1]
    assert batch.frames.shape == (10, WINDOW, DIM)
    assert batch.frame_mask.all()  # attention sees the padding, and the loss counts it
    lengths = [len(drawn_video(number).picks) for number in range(1, 11)]
    assert min(lengths) < WINDOW < max(lengths)
    for row in range(10):
        frames, target = naive_window(batch, row)
        np.testing.assert_array_equal(batch.frames[row].numpy(), frames)
        np.testing.assert_allclose(batch.target[row].numpy(), target, atol=1e-6)


def test_the_loss_of_a_padded_batch(padded: tuple[Any, SummarizeBatch], tmp_path: Path) -> None:
    """MSE over all rows of all windows, 0 in the padding, by the plain model without any mask."""
    batch = padded[1]
    model = plain_model(3)
    checkpoint = fine_tuned(model, 3)
    torch.save(checkpoint, tmp_path / "o.ckpt")
    heads = {"num_heads": 4, "text_num_heads": 4}
    import_official(tmp_path / "o.ckpt", tmp_path / "with", text_guidance="added", text_of="tvsum", **heads)
    import_official(tmp_path / "o.ckpt", tmp_path / "without", **heads)
    assert batch.tokens is not None
    assert batch.token_mask is not None
    assert batch.token_mask.all()
    assert batch.tokens.shape == (10, 1 + 2 + 4 + 5)  # [CLS], and each field with its [SEP]
    for name, words in (("with", batch.tokens), ("without", None)):
        squared = []
        for row in range(10):
            frames, target = naive_window(batch, row)
            tokens = None if words is None else words[row : row + 1]
            with torch.no_grad():
                scores = plain_scores(checkpoint, model, torch.from_numpy(frames) / 1000, tokens)
            squared += [(float(score) - float(wanted)) ** 2 for score, wanted in zip(scores, target, strict=True)]
        assert len(squared) == 10 * WINDOW
        task = SummarizeTask.from_pretrained(tmp_path / name)
        given = batch._replace(frames=batch.frames / 1000)
        with torch.no_grad():
            ours = task.batch_terms(given)["mse_loss"]
        assert float(ours) == pytest.approx(sum(squared) / len(squared), abs=1e-5), name


def test_a_short_video_gets_its_importance_over_the_largest(tmp_path: Path) -> None:
    """TVSum's importance is above 0: with zeros in the window its least value is not 0."""
    importance = np.linspace(0.2, 0.8, 7).astype(np.float32)
    videos = [drawn_video(number) for number in range(1, 60) if len(drawn_video(number).picks) == 7][:2]
    path = write_annotated(tmp_path / "tvsum.h5", videos, name="tvsum", gtscore=importance)
    found = {}
    for targets in ("window", "video", "raw"):
        how = data_of("sspvs_summarize", max_frames=WINDOW, batch_size=2, targets=targets)
        data = SummarizeDataModule(str(path), fold=None, validate_on="nothing", **how)
        data.setup("fit")
        found[targets] = next(iter(data.train_dataloader())).target[0, :7].numpy()
    np.testing.assert_allclose(found["window"], importance / 0.8, atol=1e-6)
    np.testing.assert_allclose(found["video"], (importance - 0.2) / 0.6, atol=1e-6)
    np.testing.assert_array_equal(found["raw"], importance)


def test_whole_videos_with_whole_texts_are_tested_one_at_a_time(padded: tuple[SummarizeDataModule, Any]) -> None:
    data, tokenizer = padded[0], HashingTokenizer(VOCABULARY)
    loader = data.loader(data.dataset("train"), lambda rows: rows)
    lengths = []
    for rows in loader:
        (example,) = rows
        lengths.append(len(example.frames))
        words = tokenizer.encode("a dog")
        assert example.text[0].tolist() == [
            tokenizer.cls_id,
            tokenizer.sep_id,
            tokenizer.sep_id,
            *words,
            tokenizer.sep_id,
        ]
    assert sorted(lengths) == sorted(len(drawn_video(number).picks) for number in range(1, 11))


def test_texts_of_different_lengths_do_not_share_a_batch() -> None:
    with pytest.raises(ValueError, match=r"data\.text\.whole .* data\.val_batch_size is 4; set it to 1"):
        SummarizeDataModule("mine.h5", text=TextSettings(whole=True), batch_size=4)


def test_bert_is_frozen_in_its_weights_not_in_its_mode() -> None:
    small = TextEncoderSettings(
        encoder="small", small={"text_dim": 12, "num_heads": 2, "vocab_size": 60, "dropout": 0.5}
    )
    video, tokens = VideoEncoderSettings(8, 8, 2, 1, 8, dropout=0.0), torch.arange(4, 10)[None]
    kinds = {}
    for keeps in (False, True):
        task = SummarizeTask(video, {"text_guidance": "added"}, small, text_dropout=keeps).train()  # type: ignore[arg-type]
        tower = task.model.text_encoder
        assert tower is not None
        trained = {name for name, parameter in tower.named_parameters() if parameter.requires_grad}
        assert trained == {"pooler.weight", "pooler.bias"}
        first, second = (tower.encode(tokens, tokens > 0).states for _ in range(2))
        kinds[keeps] = torch.equal(first, second)
        task.eval()
        assert torch.equal(tower(tokens, tokens > 0).states, tower(tokens, tokens > 0).states)
    assert kinds == {False: True, True: False}


TRAINED = {  # videos of a fold's training list by the published split files; all steps of a run
    "summe_canonical": (20, 40 * 40),
    "summe_canonical_text": (20, 30 * 40),
    "tvsum_canonical": (40, 10 * 40),
    "tvsum_canonical_text": (40, 10 * 40),
    "summe_augmented": (159, 159 * 40),
    "tvsum_augmented": (154, 77 * 40),
    "summe_transfer": (139, 700),
    "tvsum_transfer": (114, 80),
}


@pytest.mark.parametrize("row", TRAINED)
def test_steps(row: str, shared_data: Path) -> None:
    """As many as the originals take, by the videos of the real split files."""
    count, steps = TRAINED[row]
    suffix = {"canonical": "", "augmented": "_aug", "transfer": "_trans"}[row.split("_")[1]]
    folds = json.loads((shared_data / "splits" / f"{row.split('_')[0]}{suffix}_splits.json").read_text())
    assert {len(fold["train_keys"]) for fold in folds} == {count}
    settings = ReadConfig(
        "fit", ["--config", str(CONFIGS / "finetune" / f"{row}.yaml"), "--model.pretrained", "null"]
    ).settings
    data = settings.data
    sampler = LengthBuckets([9] * count, data.batch_size, repeats=data.repeats, keep_last=data.keep_last)
    taken = 0
    for epoch in range(settings.trainer.max_epochs):
        sampler.set_epoch(epoch)
        taken += sum(1 for _ in sampler)
    assert taken == steps == math.ceil(count * data.repeats / data.batch_size) * settings.trainer.max_epochs


# Pretraining


def test_the_pretraining_losses_of_a_padded_batch(tmp_path: Path) -> None:
    """Frames and tokens of the padding are attended to, compared, and may be masked: the plain model has no masks."""
    lengths = [3, 5, 9, 14, 4, 8]
    manifest = write_set(tmp_path, lengths, width=DIM)
    how = data_of("sspvs_pretrain", max_frames=10, batch_size=6, text={"description": 6})
    data = PretrainDataModule(str(manifest), num_workers=0, val_share=0.0, bucket_batches=1, **how)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.frames.shape == (6, 10, DIM)
    assert batch.frame_mask.all()
    assert batch.token_mask.all()
    assert batch.tokens.shape == (6, 5 + 2 + 2 + 5 + 6)
    batch = batch._replace(
        frames=batch.frames / 1000,
        masked_index=torch.tensor([[9], [7], [0], [4], [5], [9]]),
        is_match=torch.arange(6) % 2 == 0,
    )
    model = plain_model(5)
    torch.save(official(model), tmp_path / "o.ckpt")
    import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)
    theirs = model.loss_terms(batch.frames, batch.tokens, batch.masked_index[:, 0], batch.is_match)
    ours = PretrainTask.from_pretrained(tmp_path / "out").batch_terms(batch)
    for name, value in theirs.items():
        assert float(ours[name].detach()) == pytest.approx(float(value.detach()), abs=1e-5), name


def test_the_masked_frame_is_drawn_from_the_whole_window(tmp_path: Path) -> None:
    dataset = PretrainDataset(pairs_of(tmp_path, [3, 30]), HashingTokenizer(60), max_frames=10, padding_counts=True)
    counts = Counter(int(dataset.example(Pick(draw, 0)).masked_index[0]) for draw in range(1000))
    assert sorted(counts) == list(range(10))
    assert min(counts.values()) > 60  # of 100 in the mean
    example = dataset.example(0)
    assert example.frames.shape == (10, 6)
    np.testing.assert_array_equal(example.frames[:3], features_of(0, 3))
    assert not example.frames[3:].any()


def test_validation_goes_through_the_list_eight_times(tmp_path: Path) -> None:
    lengths = [20, 25, 30, 12]
    data = PretrainDataModule(
        str(write_set(tmp_path, lengths, width=8)), val=None, num_workers=0, val_share=0.5,
        **data_of("sspvs_pretrain", max_frames=10, batch_size=2),
    )  # fmt: skip
    data.setup("fit")
    loader = data.val_dataloader()
    assert not isinstance(loader, list)
    drawn: list[list[PretrainBatch]] = []
    for epoch in (1, 3):
        assert isinstance(loader.sampler, LengthBuckets)
        loader.sampler.set_epoch(epoch)
        drawn.append(list(loader))
    videos = [[video for batch in batches for video in batch.ids] for batches in drawn]
    held_out = {video for video in videos[0] if is_first_draw(video)}
    assert len(held_out) == 2
    assert len(videos[0]) == len(set(videos[0])) == 8 * 2
    starts = [{tuple(batch.frames[:, 0, 0].tolist()) for batch in batches} for batches in drawn]
    assert min(map(len, starts)) > 4  # new crops in each draw,
    assert starts[0] != starts[1]  # and in each validation
    matches = [[tuple(batch.is_match.tolist()) for batch in batches] for batches in drawn]
    assert matches[0] != matches[1]
    masks = [[tuple(batch.masked_index[:, 0].tolist()) for batch in batches] for batches in drawn]
    assert len(set(masks[0])) > 4

    task = PretrainTask(VideoEncoderSettings(8, 8, 2, 1, 8), TextEncoderSettings(encoder="small", small=SMALL)).eval()
    task.log_terms = lambda *_: None  # type: ignore[method-assign]
    task.records = ValidationRecords()
    for batch in drawn[0]:
        with torch.no_grad():
            task.keep(batch, "val")
    correct, figures = task.records.column("correct"), task.records.figures()
    assert len(correct[0]) == 16  # every draw counts,
    assert figures["matching_accuracy"] == pytest.approx(float(correct[1].mean()))
    assert set(task.records.column("video")[0]) == held_out  # and each video is found once


SMALL = {"text_dim": 8, "num_heads": 2, "num_layers": 1, "vocab_size": VOCABULARY}


# What training starts from


def test_how_weights_are_drawn() -> None:
    """[CLS] and mask vectors of N(0, 1); Xavier input projections without bias; layers that are copies of one."""
    torch.manual_seed(0)
    found = {}
    for start in ("released", "own"):
        sizes = VideoEncoderSettings(1024, 1024, 8, 3, 64, start=start)  # type: ignore[arg-type]
        model = PretrainModel(VideoEncoder(sizes), SmallTextEncoder())
        vectors = torch.stack([model.video_encoder.cls, model.mask_vector]).detach()
        layers = [*model.video_encoder.transformer.layers, *model.mask_head.local_transformer.layers]
        first, second, third, local = (layer.state_dict() for layer in layers)
        found[start] = {
            "spread": vectors.std(dim=1),
            "copies": all(torch.equal(first[name], other[name]) for other in (second, third) for name in first),
            "local": torch.equal(first["linear1.weight"], local["linear1.weight"]),
        }
        if start == "released":
            torch.testing.assert_close(vectors.mean(dim=1), torch.zeros(2), atol=0.1, rtol=0)
            bound = math.sqrt(6 / (1024 + 3 * 1024))  # of a uniform over (3 D, D)
            for state in (first, local):
                weight = state["attention.in_projection.weight"]
                assert 0.999 * bound < float(weight.abs().max()) <= bound
                assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.01)
                assert not state["attention.in_projection.bias"].any()
    assert (found["released"]["spread"] - 1).abs().max() < 0.1  # length 32
    assert (found["own"]["spread"] - 0.02).abs().max() < 0.002
    assert found["released"]["copies"]
    assert not found["own"]["copies"]
    assert not found["released"]["local"]


def test_a_stack_starts_as_torchs_own_does() -> None:
    """The same moments as `nn.TransformerEncoder`, tensor by tensor."""
    torch.manual_seed(1)
    ours = VideoEncoder(VideoEncoderSettings(256, 256, 8, 2, 1024, start="released")).transformer.layers[0]
    theirs = nn.TransformerEncoder(nn.TransformerEncoderLayer(256, 8, 1024), 2, enable_nested_tensor=False).layers[0]
    names = {"attention.in_projection.": "self_attn.in_proj_", "attention.out_projection.": "self_attn.out_proj."}
    state = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        for mine, other in names.items():
            name = name.replace(mine, other)
        assert float(tensor.std()) == pytest.approx(float(state[name].std()), rel=0.1, abs=1e-9), name
        assert float(tensor.mean()) == pytest.approx(float(state[name].mean()), abs=0.02), name
