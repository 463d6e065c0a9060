"""`sspvs import` against the plain model, whose state dict is the official layout, and against files made to harm."""

from __future__ import annotations

import argparse
import json
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from sspvs.cli import main
from sspvs.errors import CheckpointError
from sspvs.tasks.official_import import import_official
from sspvs.tasks.official_names import PREFIX
from sspvs.tasks.pretrain import PretrainTask

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from plain_sspvs import PlainSspvs

BERT = {
    "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 32,
}  # fmt: skip
HEADS = ["--num-heads", "4", "--text-num-heads", "4"]


def plain_model(seed: int = 0, dim: int = 32) -> PlainSspvs:
    torch.manual_seed(seed)
    return PlainSspvs(BertModel(BertConfig(**BERT)), dim, 4, 64, mixing=dim // 2).eval()


def official(model: PlainSspvs, **more: object) -> dict:
    """What Lightning 1.6 writes: much beside the weights, and options in a Namespace."""
    state = OrderedDict((f"{PREFIX}{name}", tensor) for name, tensor in model.state_dict().items())
    return {
        "epoch": 199,
        "global_step": 1000,
        "pytorch-lightning_version": "1.6.0",
        "state_dict": state,
        "callbacks": {"ModelCheckpoint{'monitor': 'val_acc'}": {"best_model_score": torch.tensor(0.9)}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-6}]}],
        "lr_schedulers": [],
        "hparams_name": "args",
        "hyper_parameters": {"args": argparse.Namespace(lr=1e-6, batch_size=8, lengths=[2, 2, 5, 50], name=None)},
        **more,
    }


def compare(model: PlainSspvs, folder: Path, *, dim: int, batch: int, picks: int, words: int, vocabulary: int) -> None:
    g = torch.Generator().manual_seed(3)
    frames = torch.randn(batch, picks, dim, generator=g).abs()
    tokens = torch.randint(0, vocabulary, (batch, words), generator=g)
    masked_index = torch.randint(0, picks, (batch,), generator=g)
    masked_index[:2] = torch.tensor([0, picks - 1])
    is_match = torch.arange(batch) % 2 == 0
    with torch.no_grad():
        theirs = model.loss_terms(frames, tokens, masked_index, is_match)
        ours = PretrainTask.from_pretrained(folder).eval().loss_terms(
            frames=frames,
            frame_mask=torch.ones(batch, picks, dtype=torch.bool),
            tokens=tokens,
            token_mask=torch.ones(batch, words, dtype=torch.bool),
            masked_index=masked_index,
            is_match=is_match,
        )  # fmt: skip
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


def test_a_fine_tuned_checkpoint_keeps_its_stage_heads(tmp_path: Path) -> None:
    checkpoint = official(plain_model())
    heads = {f"score_predict.{i}.1.{part}": torch.randn(shape) for i in range(3) for part, shape in
             (("weight", (1, 32)), ("bias", (1,)))}  # fmt: skip
    checkpoint["state_dict"].update({PREFIX + name: tensor for name, tensor in heads.items()})
    torch.save(checkpoint, tmp_path / "o.ckpt")
    report = import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)
    assert report.num_stages == 3
    stages = load_file(tmp_path / "out" / "stages.safetensors")
    assert set(stages) == {f"{i}.{part}" for i in range(3) for part in ("weight", "bias")}
    assert torch.equal(stages["2.weight"], heads["score_predict.2.1.weight"])
    assert PretrainTask.from_pretrained(tmp_path / "out").hparams["video"]["position_weight"] == 0.1
    # A later import of another kind into the same folder leaves none of them.
    torch.save(official(plain_model()), tmp_path / "o.ckpt")
    import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)
    assert not (tmp_path / "out" / "stages.safetensors").exists()
    del checkpoint["state_dict"][f"{PREFIX}score_predict.1.1.bias"]
    torch.save(checkpoint, tmp_path / "o.ckpt")
    with pytest.raises(CheckpointError, match=r"stage heads are not whole.*1\.bias"):
        import_official(tmp_path / "o.ckpt", tmp_path / "out", num_heads=4, text_num_heads=4)


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
