"""`sspvs import` against the plain model, whose state dict is the official layout, and against files made to harm."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
import torch
from helpers.official_checkpoint import BERT, HEADS, PREFIX, fine_tuned, held_back, official, plain_model, plain_scores
from helpers.plain_sspvs import PlainSspvs
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from sspvs.cli import main
from sspvs.data.batch import PretrainBatch, SummarizeBatch
from sspvs.errors import CheckpointError
from sspvs.tasks.official_import import import_official
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.summarize import SummarizeTask


def compare(model: PlainSspvs, folder: Path, *, dim: int, batch: int, picks: int, words: int, vocabulary: int) -> None:
    g = torch.Generator().manual_seed(3)
    frames = torch.randn(batch, picks, dim, generator=g).abs()
    tokens = torch.randint(0, vocabulary, (batch, words), generator=g)
    masked_index = torch.randint(0, picks, (batch,), generator=g)
    masked_index[:2] = torch.tensor([0, picks - 1])
    is_match = torch.arange(batch) % 2 == 0
    with torch.no_grad():
        theirs = model.loss_terms(frames, tokens, masked_index, is_match)
        given = PretrainBatch(
            frames=frames,
            frame_mask=torch.ones(batch, picks, dtype=torch.bool),
            tokens=tokens,
            token_mask=torch.ones(batch, words, dtype=torch.bool),
            masked_index=masked_index[:, None],
            masked_counted=torch.ones(batch, 1, dtype=torch.bool),
            is_match=is_match,
            ids=tuple(map(str, range(batch))),
        )
        ours = PretrainTask.from_pretrained(folder).eval().batch_terms(given)
    assert set(ours) == set(theirs) == {"coarse_loss", "fine_loss", "mask_loss"}
    for name, value in theirs.items():
        assert float(ours[name]) == pytest.approx(float(value), abs=1e-4), name


def test_the_losses_are_the_originals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = plain_model()
    torch.save(official(model), tmp_path / "official.ckpt")
    assert main(["import", str(tmp_path / "official.ckpt"), "--out", str(tmp_path / "out"), *HEADS]) == 0
    said = capsys.readouterr().out
    count = len(model.state_dict()) - 1
    assert f"{count} tensors loaded, none missing" in said
    assert "positions equal the stored table" in said
    compare(model, tmp_path / "out", dim=32, batch=5, picks=11, words=7, vocabulary=60)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "config.json", "import_report.json", "model.safetensors",
    ]  # fmt: skip
    report = json.loads((tmp_path / "out" / "import_report.json").read_text())
    assert report["loaded"] == count
    assert report["computed"] == [f"{PREFIX}pos_encoder.pe"]
    assert report["options"]["args"] == {"lr": 1e-6, "batch_size": 8, "lengths": [2, 2, 5, 50], "name": None}
    task = PretrainTask.from_pretrained(tmp_path / "out")
    assert (task.optim.name, task.optim.lr, task.optim.schedule) == ("adam", 1e-6, "constant")
    assert task.hparams["text"]["attend_padding"] is True


@pytest.mark.parametrize("form", ["legacy", "half", "prefixed more"])
def test_other_forms_of_the_same_file(tmp_path: Path, form: str) -> None:
    model = plain_model(1)
    checkpoint = official(model)
    if form == "half":
        model = model.half().float()
        checkpoint = official(model)
        checkpoint["state_dict"] = {name: tensor.half() for name, tensor in checkpoint["state_dict"].items()}
        checkpoint["state_dict"][f"{PREFIX}pos_encoder.pe"] = model.pos_encoder.pe
    if form == "prefixed more":
        checkpoint["state_dict"][f"{PREFIX}bert_embeddings.position_ids"] = torch.arange(32)[None]
        checkpoint["state_dict"][f"{PREFIX}something_old.weight"] = torch.ones(3)
        checkpoint["state_dict"]["criterion.weight"] = torch.ones(2)
    torch.save(checkpoint, tmp_path / "o.ckpt", _use_new_zipfile_serialization=form != "legacy")
    report = import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)
    compare(model, tmp_path / "out", dim=32, batch=3, picks=6, words=5, vocabulary=60)
    if form == "prefixed more":
        assert report.unknown == (f"{PREFIX}something_old.weight",)
        assert f"{PREFIX}bert_embeddings.position_ids" in report.computed


HEADS_OF_PRETRAINING = (
    "classifier", "video_decoder", "video_decoder_naive", "transformer_encoder_naive", "prob_dist", "v_mask",
    "vid_cls_decoder",
)  # fmt: skip
TEXT = ("bert_", "project_t_v")


def our_scores(task: SummarizeTask, videos: list[torch.Tensor], tokens: torch.Tensor | None = None) -> list:
    """All videos as one padded batch, with whatever in the padding."""
    mask = torch.arange(max(map(len, videos))) < torch.tensor([[len(video)] for video in videos])
    frames = torch.full((len(videos), mask.shape[1], videos[0].shape[1]), 5.0)
    for row, video in enumerate(videos):
        frames[row, : len(video)] = video
    token_mask = None if tokens is None else torch.ones_like(tokens, dtype=torch.bool)
    batch = SummarizeBatch(
        frames, mask, torch.zeros(mask.shape), tuple(map(str, range(len(videos)))), tokens, token_mask
    )
    with torch.no_grad():
        return list(task.scored(batch).scores)


@pytest.mark.parametrize("without", [(), HEADS_OF_PRETRAINING, (*HEADS_OF_PRETRAINING, *TEXT, "pos_encoder")], ids=len)
@pytest.mark.parametrize("stages", [1, 3])
def test_a_fine_tuned_checkpoint_scores_as_the_original(tmp_path: Path, stages: int, without: tuple) -> None:
    model = plain_model(3)
    checkpoint = fine_tuned(model, stages, without=without)
    torch.save(checkpoint, tmp_path / "o.ckpt")
    heads = {} if "bert_" in without else {"text_num_heads": 4}
    report = import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, **heads)
    task = SummarizeTask.from_pretrained(tmp_path / "out")
    videos = held_back((17, 1, 40), 32)
    for found, video in zip(our_scores(task, videos), videos, strict=True):
        with torch.no_grad():
            expected = plain_scores(checkpoint, model, video)
        assert len(expected) == 1 or float(expected.std()) > 0.02
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert report.num_stages == stages == task.hparams["summarizer"]["num_stages"]
    assert task.hparams["video"]["position_weight"] == 0.1
    assert task.model.text_encoder is None
    assert (tmp_path / "out" / "pretraining").is_dir() == (not without)


@pytest.mark.parametrize("without", [(), HEADS_OF_PRETRAINING], ids=len)
def test_with_text_as_the_original_with_text(
    tmp_path: Path, without: tuple, capsys: pytest.CaptureFixture[str]
) -> None:
    model = plain_model(4)
    with torch.no_grad():
        model.project_t_v[2].weight.mul_(10)  # so that the text is heard
    checkpoint = fine_tuned(model, 2, without=without)
    torch.save(checkpoint, tmp_path / "o.ckpt")
    given = ["import", str(tmp_path / "o.ckpt"), "--out", str(tmp_path / "out"), *HEADS]
    assert main([*given, "--text-guidance", "added"]) == 0
    said = capsys.readouterr().out
    assert ("lacks all tensors of video_model.transformer_encoder_naive" in said) == bool(without)
    task = SummarizeTask.from_pretrained(tmp_path / "out")
    videos = held_back((9, 23), 32)
    tokens = torch.randint(0, 60, (2, 8), generator=torch.Generator().manual_seed(5))
    bare = our_scores(task, videos)
    for row, (found, video) in enumerate(zip(our_scores(task, videos, tokens), videos, strict=True)):
        with torch.no_grad():
            torch.testing.assert_close(
                found, plain_scores(checkpoint, model, video, tokens[row : row + 1]), atol=1e-5, rtol=0
            )
            torch.testing.assert_close(bare[row], plain_scores(checkpoint, model, video), atol=1e-5, rtol=0)
        assert float((found - bare[row]).abs().max()) > 0.01
    # Text is laid out as published for the dataset, and the report says so.
    assert "1, 3 and 10 tokens of category, query and title, a title in the query's place" in said
    assert (task.text_fields.lengths, task.text_fields.pad_fields) == ((1, 3, 10, 0), True)
    assert task.hparams["title_as_query"]
    assert main([*given, "--text-guidance", "added", "--text-of", "summe"]) == 0
    assert "1, 3 and 1 tokens" in capsys.readouterr().out
    task = SummarizeTask.from_pretrained(tmp_path / "out")
    assert (task.text_fields.lengths, task.text_fields.pad_fields) == ((1, 3, 1, 0), True)
    assert not task.hparams["title_as_query"]
    # Imported without: the text changes nothing.
    assert main(given) == 0
    mute = SummarizeTask.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(our_scores(mute, videos, tokens), bare)


def test_the_published_width_scores_as_the_original(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = PlainSspvs(BertModel(BertConfig(**BERT))).eval()
    checkpoint = fine_tuned(model, 3, 1024, without=(*HEADS_OF_PRETRAINING, *TEXT))
    torch.save(checkpoint, tmp_path / "o.ckpt")
    report = import_official(tmp_path / "o.ckpt", tmp_path / "out")
    assert report.settings["video"]["num_heads"] == 8
    videos = held_back((90, 40), 1024)
    for found, video in zip(our_scores(SummarizeTask.from_pretrained(tmp_path / "out"), videos), videos, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(found, plain_scores(checkpoint, model, video), atol=1e-5, rtol=0)


def test_a_fine_tuned_checkpoint_keeps_its_pretraining_model(tmp_path: Path) -> None:
    model = plain_model()
    checkpoint = fine_tuned(model, 3)
    torch.save(checkpoint, tmp_path / "o.ckpt")
    out = tmp_path / "out"
    report = import_official(tmp_path / "o.ckpt", out, num_heads=4, text_num_heads=4)
    assert report.num_stages == 3
    assert report.loaded == len(checkpoint["state_dict"]) - 1  # all but the table of positions
    assert report.unknown == report.unused == ()
    weights = load_file(out / "model.safetensors")
    for stage in range(3):
        for part in ("weight", "bias"):
            expected = checkpoint["state_dict"][f"{PREFIX}score_predict.{stage}.1.{part}"]
            assert torch.equal(weights[f"model.head.stages.{stage}.{part}"], expected)
    assert json.loads((out / "config.json").read_text())["kind"] == "sspvs.summarize"
    assert sorted(p.name for p in (out / "pretraining").iterdir()) == ["config.json", "model.safetensors"]
    # The pretraining model is found from the folder itself, and is whole.
    task = PretrainTask.from_pretrained(out)
    assert task.hparams["video"]["position_weight"] == 0.1
    assert len(task.state_dict()) == len(model.state_dict()) - 1
    assert torch.equal(task.model.mask_vector, model.v_mask.weight[0])
    # A later import of another kind into the same folder leaves none of them.
    torch.save(official(plain_model()), tmp_path / "o.ckpt")
    import_official(tmp_path / "o.ckpt", out, num_heads=4, text_num_heads=4)
    assert not (out / "pretraining").exists()
    with pytest.raises(CheckpointError, match=r"kind 'sspvs\.summarize', got 'sspvs\.pretrain'"):
        SummarizeTask.from_pretrained(out)


def test_what_a_summarizer_can_be_without_and_what_not(tmp_path: Path) -> None:
    def imported(checkpoint: dict, **how: object):
        torch.save(checkpoint, tmp_path / "o.ckpt")
        return import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4, **how)

    checkpoint = fine_tuned(plain_model(), 3)
    del checkpoint["state_dict"][f"{PREFIX}score_predict.1.1.bias"]
    with pytest.raises(CheckpointError, match=r"stage heads are not whole.*score_predict\.1\.1\.bias"):
        imported(checkpoint)
    checkpoint = fine_tuned(plain_model(), 2)
    checkpoint["state_dict"][f"{PREFIX}score_predict.1.1.weight"] = torch.ones(1, 31)
    with pytest.raises(CheckpointError, match=r"score_predict\.1\.1\.weight is \(1, 31\), expected \(1, 32\)"):
        imported(checkpoint)
    with pytest.raises(CheckpointError, match=r"transformer_encoder\.layers\.1\.norm1\.bias"):
        imported(fine_tuned(plain_model(), 2, without=("transformer_encoder.layers.1.norm1.bias",)))
    with pytest.raises(CheckpointError, match=r"lacks 4 of the .*project_t_v\.0"):
        imported(fine_tuned(plain_model(), 2, without=("project_t_v",)), text_guidance="added")
    with pytest.raises(CheckpointError, match=r"lacks video_model\.bert_embeddings"):
        imported(fine_tuned(plain_model(), 2, without=TEXT), text_guidance="added")
    with pytest.raises(ValueError, match=r"--text-guidance added.*no stage heads"):
        imported(official(plain_model()), text_guidance="added")
    assert not (tmp_path / "out").exists()
    for without, reason in (
        (("prob_dist.2.bias",), r"lacks 1 of the \d+ tensors .*prob_dist\.2\.bias"),
        (("bert_encoder.layer.0",), r"lacks the layers video_model\.bert_encoder\.layer\.\[0\]"),
        (("classifier", "v_mask"), r"lacks all tensors of video_model\.classifier\.\*"),
    ):
        report = imported(fine_tuned(plain_model(), 2, without=without))
        notes = [note for note in report.notes if note.startswith("no pretraining model beside the summarizer: ")]
        assert len(notes) == 1
        assert re.search(reason, notes[0])
        assert f"{PREFIX}prob_dist.0.weight" in report.unused
        assert not (tmp_path / "out" / "pretraining").exists()
    with pytest.raises(CheckpointError, match=r"kind 'sspvs\.pretrain', got 'sspvs\.summarize'"):
        PretrainTask.from_pretrained(tmp_path / "out")


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


class Innocent:
    pass


@pytest.mark.parametrize("place", ["hyper_parameters", "state_dict", "callbacks"])
def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = official(plain_model())
    checkpoint[place] = {**(checkpoint[place]), "x": Evil(tmp_path / "was-here")}
    torch.save(checkpoint, tmp_path / "evil.ckpt")
    assert main(["import", str(tmp_path / "evil.ckpt"), "--out", str(tmp_path / "out"), *HEADS]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error:")
    assert said.count("\n") == 1
    assert "io.open" in said
    assert not (tmp_path / "was-here").exists()
    assert not (tmp_path / "out").exists()


def test_an_object_in_the_options_is_refused_by_name(tmp_path: Path) -> None:
    checkpoint = official(plain_model(), hyper_parameters=argparse.Namespace(model=Innocent()))
    torch.save(checkpoint, tmp_path / "o.ckpt")
    with pytest.raises(CheckpointError, match=r"class \S*Innocent"):
        import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_files_that_are_cut_short(tmp_path: Path, share: float) -> None:
    torch.save(official(plain_model()), tmp_path / "o.ckpt")
    content = (tmp_path / "o.ckpt").read_bytes()
    (tmp_path / "o.ckpt").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)


def edited(change) -> dict:
    checkpoint = official(plain_model())
    change(checkpoint["state_dict"])
    return checkpoint


def without_prefix(state: dict) -> None:
    for name in list(state):
        state[name.removeprefix(PREFIX)] = state.pop(name)


def infinite(state: dict) -> None:
    state[f"{PREFIX}vid_cls_decoder.bias"] = torch.full((32,), torch.inf)


def stretched(state: dict) -> None:
    state[f"{PREFIX}bert_embeddings.word_embeddings.weight"] = torch.ones(1, 24).expand(10**9, 24)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_prefix, "no tensor's name starts with 'video_model.'"),
        (lambda state: state.clear(), "no tensor's name starts with"),
        (lambda state: state.pop(f"{PREFIX}prob_dist.2.bias"), r"lacks 1 of the \d+ tensors.*prob_dist\.2\.bias"),
        (lambda state: state.pop(f"{PREFIX}v_mask.weight"), r"video_model\.v_mask\.weight"),
        (lambda state: state.pop(f"{PREFIX}v_cls.weight"), r"lacks video_model\.v_cls\.weight"),
        (
            lambda state: state.pop(f"{PREFIX}transformer_encoder.layers.1.self_attn.in_proj_bias"),
            r"transformer_encoder\.layers\.1\.self_attn\.in_proj_bias",
        ),
        (
            lambda state: state.update({f"{PREFIX}classifier.0.weight": torch.ones(32, 57)}),
            r"classifier\.0\.weight is \(32, 57\), expected \(32, 56\)",
        ),
        (lambda state: state.update({f"{PREFIX}v_cls.weight": torch.ones(32)}), r"\(32,\); expected 2 axes"),
        (lambda state: state[f"{PREFIX}pos_encoder.pe"].mul_(-1), "positions of another kind"),
        (infinite, r"no dense, finite numbers: video_model\.vid_cls_decoder\.bias"),
        (stretched, r"no dense, finite numbers: video_model\.bert_embeddings"),
    ],
)
def test_state_dicts_that_do_not_fit_are_told_apart(tmp_path: Path, change, message: str) -> None:
    torch.save(edited(change), tmp_path / "o.ckpt")
    with pytest.raises(CheckpointError, match=message):
        import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [[1, 2], {"no": "state"}, {"state_dict": [1]}, torch.ones(3)], ids=str)
def test_other_files_of_torch(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "o.ckpt")
    with pytest.raises(CheckpointError, match="'state_dict', found none"):
        import_official(tmp_path / "o.ckpt", tmp_path / "out")


def test_heads_that_tensors_do_not_tell(tmp_path: Path) -> None:
    torch.save(official(plain_model()), tmp_path / "o.ckpt")
    with pytest.raises(ValueError, match="--num-heads"):
        import_official(tmp_path / "o.ckpt", tmp_path / "out", text_num_heads=4)
    with pytest.raises(ValueError, match="--text-num-heads"):
        import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4)
    with pytest.raises(ValueError, match="--num-heads 5 does not divide"):
        import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=5, text_num_heads=4)
    with pytest.raises(CheckpointError, match="no such file"):
        import_official(tmp_path / "absent.ckpt", tmp_path / "out")


@pytest.mark.slow
def test_the_published_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = PlainSspvs(BertModel(BertConfig())).eval()
    torch.save(official(model), tmp_path / "official.ckpt")
    assert main(["import", str(tmp_path / "official.ckpt"), "--out", str(tmp_path / "out")]) == 0
    compare(model, tmp_path / "out", dim=1024, batch=4, picks=256, words=64, vocabulary=30522)
    assert PretrainTask.from_pretrained(tmp_path / "out").hparams["video"]["num_heads"] == 8
