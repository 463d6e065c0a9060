"""Clips that are drawn: concepts as vectors, hidden by nuisance that is stronger than they are.

A pick's feature is `relu(bias + S s + N n + noise)` with S (D, signal) and N (D, nuisance) drawn once a world:

    s = concept + clip's own offset + AR(1) walk          concept = category's part + its own part, length 1
    n = style (the video's) + camera (the clip's) + lighting (AR(1) within the clip)

The nuisance lies in few directions, which are the same in all videos: a linear map can remove it, and whoever has seen
many clips, or text, can find that map. Cosine similarity of the features as they are cannot.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache

import numpy as np

from sspvs.data.synthetic.clip_source import Clip, Concept
from sspvs.data.synthetic.settings import DrawnSettings
from sspvs.data.synthetic.vocabulary import category_words
from sspvs.types import Fingerprint, FloatArray

_WORLD, _CLIP, _CAPTION = 11, 12, 13  # what a generator is for, beside the seed
_LIGHTING_MEMORY = 0.6
_KEPT = 256  # clips whose walks are kept


class DrawnClips:
    """Clips drawn by a seed; a `ClipSource`. Features are made when asked for, so memory does not grow.

    Args:
        settings: How.
        seed: Another seed is another world: other concepts, other features.
    """

    def __init__(self, settings: DrawnSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed
        generator = np.random.default_rng([seed, _WORLD])
        width, signal, nuisance = settings.feature_dim, settings.signal_dim, settings.nuisance_dim
        n_concepts = settings.categories * settings.concepts_per_category
        self._vectors = _concept_vectors(settings, generator)  # (concepts, signal)
        # A vector of length 1 gives features of variance 1 on average.
        self._signal_map = generator.standard_normal((signal, width)).astype(np.float32)
        self._nuisance_map = generator.standard_normal((nuisance, width)).astype(np.float32)
        self._bias = np.abs(generator.standard_normal(width)).astype(np.float32)
        self.concepts = _concepts(settings)
        assert len(self.concepts) == n_concepts
        self.clips = tuple(
            self._clip(concept, number) for concept in range(n_concepts) for number in range(settings.clips_per_concept)
        )
        self._numbers = {clip.name: number for number, clip in enumerate(self.clips)}
        self._latents = lru_cache(maxsize=_KEPT)(self._draw_latents)
        self.feature_dim = width
        self.rate_hz = float(settings.rate_hz)
        self.description: dict[str, object] = {"kind": "drawn"}

    @property
    def fingerprint(self) -> Fingerprint:
        """Says that the features are drawn, and by what: features of two worlds are not comparable."""
        made_by = json.dumps({"drawn": asdict(self._settings), "seed": self._seed}, sort_keys=True)
        return Fingerprint(
            backbone="synthetic:drawn",
            weights_digest=hashlib.sha256(made_by.encode()).hexdigest(),
            transform=f"drawn {self.feature_dim}-D, {len(self.concepts)} concepts, no pictures",
            normalisation="none",
            rate_hz=self.rate_hz,
        )

    def draw_style(self, generator: np.random.Generator) -> FloatArray:
        """(nuisance,) the video's own lighting and camera."""
        style: FloatArray = self._nuisance(self._settings.nuisance_style, generator)
        return style

    def window(
        self, clip: Clip, start: int, stop: int, style: FloatArray, generator: np.random.Generator
    ) -> FloatArray:
        """As `ClipSource.window`; the noise is another one at each showing."""
        signal, nuisance = self._latents(self._numbers[clip.name])
        features = self._bias + signal[start:stop] @ self._signal_map
        features += (nuisance[start:stop] + style) @ self._nuisance_map
        features += np.float32(self._settings.noise) * generator.standard_normal(features.shape, dtype=np.float32)
        return np.maximum(features, 0) if self._settings.nonnegative else features

    def _clip(self, concept: int, number: int) -> Clip:
        generator = np.random.default_rng([self._seed, _CAPTION, concept, number])
        own = self.concepts[concept]
        words = category_words(*_indices(concept, self._settings))
        names = own.names[1:] if generator.random() < self._settings.caption_synonyms else own.names[:1]
        name, look, place = (str(generator.choice(choices)) for choices in (names, words.looks, words.places))
        article = "an" if look[0] in "aeiou" else "a"
        shortest, longest = self._settings.clip_seconds
        picks = round(float(generator.uniform(shortest, longest)) * self._settings.rate_hz)
        return Clip(f"{own.name}_{number:03d}", concept, f"{article} {look} {name} {place}", max(picks, 1))

    def _draw_latents(self, number: int) -> tuple[FloatArray, FloatArray]:
        """(T, signal) and (T, nuisance) of a whole clip, without the video's style."""
        settings, clip = self._settings, self.clips[number]
        generator = np.random.default_rng([self._seed, _CLIP, number])
        width = settings.signal_dim
        offset = settings.clip_spread * generator.standard_normal(width) / np.sqrt(width)
        walk = settings.drift * _walk(clip.n_picks, width, settings.drift_memory, generator) / np.sqrt(width)
        signal = self._vectors[clip.concept] + offset + walk
        camera = self._nuisance(settings.nuisance_camera, generator)
        lighting = _walk(clip.n_picks, settings.nuisance_dim, _LIGHTING_MEMORY, generator)
        share = max(1 - settings.nuisance_style - settings.nuisance_camera, 0.0)
        lighting *= settings.nuisance * np.sqrt(share / settings.nuisance_dim)
        return signal.astype(np.float32), (camera + lighting).astype(np.float32)

    def _nuisance(self, share: float, generator: np.random.Generator) -> FloatArray:
        """(nuisance,) a vector with its share of the nuisance."""
        width = self._settings.nuisance_dim
        drawn: FloatArray = generator.standard_normal(width) * self._settings.nuisance * np.sqrt(share / width)
        return drawn.astype(np.float32)


def _concept_vectors(settings: DrawnSettings, generator: np.random.Generator) -> FloatArray:
    """(concepts, signal) vectors of length 1, those of a category nearer to each other."""
    width, per_category = settings.signal_dim, settings.concepts_per_category
    centres = _unit(generator.standard_normal((settings.categories, width)))
    own = _unit(generator.standard_normal((settings.categories, per_category, width)))
    share = settings.category_share
    vectors: FloatArray = _unit(np.sqrt(share) * centres[:, None] + np.sqrt(1 - share) * own).reshape(-1, width)
    return vectors


def _unit(vectors: FloatArray) -> FloatArray:
    scaled: FloatArray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return scaled


def _walk(length: int, width: int, memory: float, generator: np.random.Generator) -> FloatArray:
    """(length, width) stationary AR(1) walk of variance 1."""
    steps: FloatArray = generator.standard_normal((length, width))
    steps[1:] *= np.sqrt(1 - memory**2)
    for pick in range(1, length):
        steps[pick] += memory * steps[pick - 1]
    return steps


def _indices(concept: int, settings: DrawnSettings) -> tuple[int, int]:
    """A concept's category, and how many concepts that has."""
    return concept // settings.concepts_per_category, settings.concepts_per_category


def _concepts(settings: DrawnSettings) -> tuple[Concept, ...]:
    concepts = []
    for category in range(settings.categories):
        words = category_words(category, settings.concepts_per_category)
        concepts += [Concept(names[0], words.names[0], names, words.names) for names in words.concepts]
    return tuple(concepts)
