"""Checkpoints in the official layout, of a small model with weights drawn at random."""

from __future__ import annotations

import argparse
from collections import OrderedDict

import torch
from transformers import BertConfig, BertModel

from helpers.plain_sspvs import PlainSspvs
from sspvs.tasks.checkpoint import OFFICIAL_PREFIX as PREFIX

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


def fine_tuned(model: PlainSspvs, stages: int, dim: int = 32, *, without: tuple[str, ...] = ()) -> dict:
    """What fine-tuning saves: stage heads beside the rest, or beside part of it. Scores that are far apart."""
    g = torch.Generator().manual_seed(11)
    checkpoint = official(model)
    state = checkpoint["state_dict"]
    for stage in range(stages):
        state[f"{PREFIX}score_predict.{stage}.1.weight"] = torch.randn(1, dim, generator=g) / dim**0.5
        state[f"{PREFIX}score_predict.{stage}.1.bias"] = torch.randn(1, generator=g)
    for name in [name for name in state if name.removeprefix(PREFIX).startswith(without)]:
        del state[name]
    return checkpoint


def plain_scores(checkpoint: dict, model: PlainSspvs, frames: torch.Tensor, tokens: torch.Tensor | None = None):
    """Methods, section 2, word by word, for one video (T, D): no masks, scores squashed and multiplied."""
    state = {name.removeprefix(PREFIX): tensor for name, tensor in checkpoint["state_dict"].items()}
    text = torch.zeros(frames.shape[1])
    if tokens is not None:
        text = model.project_t_v(model.bert_pooler(model.bert_encoder(model.bert_embeddings(tokens)).last_hidden_state))
    x, score = frames, torch.ones(len(frames))
    for stage in range(sum(name.startswith("score_predict") for name in state) // 2):
        with_cls = torch.cat([model.v_cls.weight, x])[:, None]  # (1 + T, 1, D)
        h = model.transformer_encoder(with_cls + 0.1 * model.pos_encoder.pe[: len(with_cls)])[1:, 0] + x
        h = h + text if stage == 0 else h
        weight, bias = (state[f"score_predict.{stage}.1.{part}"] for part in ("weight", "bias"))
        s = torch.sigmoid(h @ weight[0] + bias)
        x, score = x * s[:, None] + x, score * s
    return score


def held_back(picks: tuple[int, ...], dim: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(21)
    return [torch.randn(length, dim, generator=g).abs() for length in picks]
