"""How well frames, and what is spoken, fit a text without a text tower: by ImageNet's classes, MiniLM and words.

Frames have two measures.

ConSE (Norouzi et al., ICLR 2014, arXiv 1312.5650, section 3.2) places an image among sentences by the convex
combination of the embeddings of its most probable classes. Here the classes are ImageNet's 1000, embedded with
their WordNet glosses by MiniLM, so that no training and no download is needed.

It is weak. It recognises what looks like one of the 1000 classes (many animals and household things; no people, no
actions) and only guesses at the rest. On 77 short clips of everyday footage, a random clip of the named concept
is ranked above a random other clip 81 times in 100, where chance is 50. Use a CLIP backbone when it matters.

`class_fit` is how far the classes that a text names stand out among all classes of a frame. On the same clips it ranks
83 in 100 right (of their captions 88, where ConSE has 85), and it has a scale: an unrelated text gives about 0 to 4
whatever the video, so that a text that fits nothing is seen to fit nothing. It guides the choice of pieces.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sspvs.errors import MissingExtraError
from sspvs.types import FloatArray
from sspvs.weights.digest import model_folder, tokenizer_file, weights_file

TOP_CLASSES = 10
"""How many of its most probable classes stand for a frame: T in the paper, which reports 1, 10 and 1000."""
WIDTH, LAYERS, HEADS, MAX_TOKENS = 384, 6, 12, 256
NORM_EPSILON = 1e-12
LIKELY_CLASSES = 150
"""How many classes are compared with a text as sentences: those whose words are most like its own."""
_SHARPNESS = 0.08  # of a cosine: classes that are less alike by so much count 1/e
PURPOSE = "comparing frames with a text without a CLIP backbone"


@dataclass(frozen=True)
class Classifier:
    """The last layer of an ImageNet classifier, from pooled features to 1000 logits."""

    weight: FloatArray  # (1000, D) float32
    bias: FloatArray  # (1000,) float32


def conse_similarity(
    features: FloatArray, classifier: Classifier, text: str, top_classes: int = TOP_CLASSES
) -> FloatArray:
    """(T,) cosine in [-1, 1] between each frame's place among sentences and a text, from (T, D) pooled features."""
    if not text.strip():
        raise ValueError("the text to compare frames with is empty")
    weights = top_weights(class_probabilities(features, classifier), top_classes)  # (T, 1000)
    used = np.flatnonzero(weights.any(axis=0))  # few: a video shows little of ImageNet
    descriptions = class_descriptions()
    embeddings = embed_sentences([descriptions[index] for index in used])  # (used, 384)
    places = weights[:, used] @ embeddings  # (T, 384)
    norms = np.maximum(np.linalg.norm(places, axis=1), 1e-12)
    similarity: FloatArray = (places @ embed_sentences([text])[0] / norms).astype(np.float32)
    return similarity


def class_fit(features: FloatArray, classifier: Classifier, text: str) -> FloatArray:
    """(T,) how far the classes that a text names stand out in each frame, in their standard deviations.

    A frame's (1000,) logits z are standardised; of classes with similarity s_c to the text the fit is sum_c w_c z_c,
    w_c = exp(s_c / 0.08) scaled to unit length: for independent classes of another kind it has variance 1.

    Args:
        features: (T, D) pooled features.
        classifier: The network's last layer.
        text: A title or sentence.
    """
    logits = features.astype(np.float32) @ classifier.weight.T + classifier.bias
    standard = (logits - logits.mean(axis=1, keepdims=True)) / np.maximum(
        logits.std(axis=1, keepdims=True), NORM_EPSILON
    )
    descriptions = class_descriptions()
    if has_minilm():
        likely = _likely_classes(text)
        alike = embed_sentences([descriptions[index] for index in likely]) @ embed_sentences([text])[0]
    else:
        likely, alike = np.arange(len(descriptions)), shared_words(text, descriptions)
    weights = np.exp((alike - alike.max()) / _SHARPNESS)
    fit: FloatArray = standard[:, likely] @ (weights / np.linalg.norm(weights)).astype(np.float32)
    return fit


def sentence_similarity(text: str, sentences: Sequence[str]) -> FloatArray:
    """(n,) how alike a text and n sentences are, at most 1: the share of words or, where it is larger, MiniLM's cosine.

    MiniLM is of English; shared words find names, and other languages.
    """
    shared = shared_words(text, sentences)
    if not has_minilm() or not sentences:
        return shared
    alike: FloatArray = np.maximum(shared, embed_sentences(sentences) @ embed_sentences([text])[0])
    return alike


def has_minilm() -> bool:
    """Whether the extra `text` is installed."""
    try:
        model_folder(PURPOSE)
    except MissingExtraError:
        return False
    return True


def shared_words(text: str, sentences: Sequence[str]) -> FloatArray:
    """(len(sentences),) share of a text's words that each sentence has, rare ones counting more, in [0, 1]."""
    wanted, rows = set(stems(text)), [set(stems(sentence)) for sentence in sentences]
    count = Counter(word for row in rows for word in row)
    rarity = {word: math.log((2 + len(rows)) / (1 + count[word])) for word in wanted}
    total = sum(rarity.values()) or 1.0
    return np.array([sum(rarity[word] for word in wanted & row) / total for row in rows])


def stems(text: str) -> list[str]:
    """Words in lower case without common English endings; letters of scripts without spaces one by one."""
    words = re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+", text.casefold())
    return [re.sub(r"(?<=\w{3})(?:ing|ed|es|s|e)$", "", word) for word in words]


def class_probabilities(features: FloatArray, classifier: Classifier) -> FloatArray:
    """(T, 1000) softmax of the classifier's logits for (T, D) features."""
    if features.ndim != 2 or features.shape[1] != classifier.weight.shape[1]:
        raise ValueError(f"features must be (T, {classifier.weight.shape[1]}), got {features.shape}")
    logits = features.astype(np.float32) @ classifier.weight.T + classifier.bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: FloatArray = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def top_weights(probabilities: FloatArray, top_classes: int) -> FloatArray:
    """(T, C) weights of the combination: each row's most probable classes, scaled to sum to 1; the others are 0."""
    n_classes = probabilities.shape[1]
    if not 1 <= top_classes <= n_classes:
        raise ValueError(f"top_classes must be between 1 and {n_classes}, got {top_classes}")
    top = np.argpartition(-probabilities, top_classes - 1, axis=1)[:, :top_classes]  # (T, top)
    weights = np.zeros_like(probabilities)
    np.put_along_axis(weights, top, np.take_along_axis(probabilities, top, axis=1), axis=1)
    scaled: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return scaled


@lru_cache(maxsize=1)
def class_descriptions() -> tuple[str, ...]:
    """ImageNet's 1000 classes in timm's words, such as `tench, Tinca tinca: freshwater dace-like game fish ...`."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()  # with its glosses the ranking figure above is 81, with the bare names 78
    return tuple(info.index_to_description(index, detailed=True) for index in range(info.num_classes()))


def _likely_classes(text: str) -> npt.NDArray[np.intp]:
    """(150,) the classes whose words are most like a text's: comparing all as sentences takes many times as long."""
    import torch

    tokenizer, _ = _load()
    vectors, rarity, places = _class_words()
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    place = torch.tensor(rarity[tokens]) @ vectors[tokens]
    near: npt.NDArray[np.intp] = (places @ place.numpy()).argsort()[::-1][:LIKELY_CLASSES]
    return near


@lru_cache(maxsize=1)
def _class_words() -> tuple[Any, FloatArray, FloatArray]:
    """MiniLM's vectors of word pieces, how rare these are in the classes, and (1000, 384) sums over each class."""
    import safetensors.torch

    tokenizer, _ = _load()
    vectors = safetensors.torch.load_file(weights_file(PURPOSE))["embeddings.word_embeddings.weight"]
    rows = [sorted(set(tokenizer.encode(one, add_special_tokens=False).ids)) for one in class_descriptions()]
    count = Counter(piece for row in rows for piece in row)
    rarity = np.log((1 + len(rows)) / (1 + np.array([count[piece] for piece in range(len(vectors))]))).astype(
        np.float32
    )
    places = np.stack([rarity[row] @ vectors[row].numpy() for row in rows])
    return vectors, rarity, places / np.linalg.norm(places, axis=1, keepdims=True)


def embed_sentences(sentences: Sequence[str], batch_size: int = 64) -> FloatArray:
    """(len(sentences), 384) float32 embeddings of unit length; each sentence is cut at 256 tokens."""
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

    path = weights_file(PURPOSE)
    tokenizer = Tokenizer.from_file(str(tokenizer_file(PURPOSE)))
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
