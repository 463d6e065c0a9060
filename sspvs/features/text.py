"""How well frames fit a text, without a text tower: ConSE on ImageNet classes.

ConSE (Norouzi et al., ICLR 2014, arXiv 1312.5650, section 3.2) places an image among sentences by the convex
combination of the embeddings of its most probable classes. Here the classes are ImageNet's 1000, embedded with
their WordNet glosses by MiniLM, so that no training and no download is needed.

It is weak. It knows what looks like one of the 1000 classes (many animals and household things; no people, no
actions) and only guesses at the rest. On 77 short clips of everyday footage, a random clip of the named concept
is ranked above a random other clip 81 times in 100, where chance is 50. Use a CLIP backbone when it matters.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sspvs.features.backbones.base import Classifier
from sspvs.features.minilm import embed_sentences
from sspvs.types import FloatArray

TOP_CLASSES = 10
"""How many of its most probable classes stand for a frame: T in the paper, which reports 1, 10 and 1000."""


def conse_similarity(
    features: FloatArray, classifier: Classifier, text: str, top_classes: int = TOP_CLASSES
) -> FloatArray:
    """Cosine between each frame's place among sentences and a text.

    Args:
        features: (T, D) pooled features of an ImageNet classifier.
        classifier: Its last layer.
        text: A title or sentence.
        top_classes: How many classes stand for a frame, 1 to 1000.

    Returns:
        (T,) float32 in [-1, 1].

    Raises:
        MissingExtraError: MiniLM is not installed.
        ValueError: Features of another width, an empty text or a number of classes outside the range.
    """
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


def class_probabilities(features: FloatArray, classifier: Classifier) -> FloatArray:
    """Softmax of the classifier's logits.

    Args:
        features: (T, D).
        classifier: Of width D.

    Returns:
        (T, 1000) float32, rows sum to 1.

    Raises:
        ValueError: The widths differ.
    """
    if features.ndim != 2 or features.shape[1] != classifier.weight.shape[1]:
        raise ValueError(f"features must be (T, {classifier.weight.shape[1]}), got {features.shape}")
    logits = features.astype(np.float32) @ classifier.weight.T + classifier.bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: FloatArray = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def top_weights(probabilities: FloatArray, top_classes: int) -> FloatArray:
    """Weights of the convex combination: the most probable classes' probabilities, scaled to sum to 1.

    Args:
        probabilities: (T, C).
        top_classes: How many classes of each row keep a weight, 1 to C.

    Returns:
        (T, C), zero outside each row's most probable classes.

    Raises:
        ValueError: `top_classes` is out of range.
    """
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
    """ImageNet's 1000 classes in words, in the order of the classifiers, from timm's tables.

    A class reads `tench, Tinca tinca: freshwater dace-like game fish of Europe ...`. With these glosses the ranking
    figure above is 81, with the bare names 78.
    """
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return tuple(info.index_to_description(index, detailed=True) for index in range(info.num_classes()))
