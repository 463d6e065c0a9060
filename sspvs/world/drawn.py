"""Clips that are drawn by a seed: concept vectors, what hides them, and the words of their captions."""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sspvs.types import Fingerprint, FloatArray
from sspvs.world.clips import Clip, ClipSource, Concept
from sspvs.world.settings import DrawnSettings

_WORLD, _CLIP, _CAPTION = 11, 12, 13  # what a generator is for, beside the seed
_LIGHTING_MEMORY = 0.6
_KEPT = 256  # clips whose walks are kept
_ONSETS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_VOCABULARY = """
cooking food kitchen; fresh hot homemade; in the kitchen, on the table, at the stove;
  pancake flapjack hotcake, soup broth stew, bread loaf toast, noodles pasta spaghetti, salad greens lettuce, cake
  tart dessert, steak beef roast, coffee espresso latte

animals pets wildlife; small wild playful; on the farm, by the river, behind the fence;
  dog puppy hound, cat kitten tabby, horse pony mare, bird sparrow finch, rabbit bunny hare, snake python viper,
  bear cub grizzly, fish trout salmon

sport sports athletics; fast fierce final; in the arena, at practice, before the crowd;
  football soccer goalkeeper, skating skater rink, surfing surfer surfboard, boxing boxer punches, climbing climber
  boulder, cycling cyclist bicycle, tennis racket volley, rowing rower paddle

vehicles traffic transport; loud old heavy; on the road, at the depot, in the garage;
  truck lorry pickup, train locomotive railway, plane aircraft jet, boat ship ferry, motorcycle scooter moped,
  tractor harvester plough, bus coach minibus, taxi cab limousine

music concert songs; live slow famous; on stage, in the studio, at rehearsal;
  guitar chords strings, piano keyboard keys, drums drummer percussion, violin fiddle cello, singer vocalist choir,
  dance dancer ballet, trumpet horn brass, flute whistle clarinet

crafts handmade workshop; simple careful fine; at the bench, by hand, step by step;
  knitting yarn wool, pottery clay kiln, painting canvas brush, carpentry carving lathe, sewing stitching fabric,
  origami folding paper, jewelry beads bracelet, welding sparks torch

nature landscape outdoors; wide quiet distant; at dawn, from the air, after rain;
  waterfall cascade rapids, mountain peak summit, forest woods trees, beach shore dunes, storm thunder lightning,
  snow blizzard ice, volcano lava crater, desert sand cactus

city travel urban; busy bright crowded; downtown, at night, in the old town;
  market stalls bazaar, bridge viaduct span, parade procession carnival, fountain plaza statue, subway metro
  station, skyline towers skyscraper, fireworks rockets sparklers, harbour docks pier

technology gadgets devices; new clever tiny; in the lab, on the desk, unboxed;
  robot android machine, drone quadcopter rotor, phone smartphone handset, printer toner scanner, camera lens
  tripod, server rack datacenter, console joystick gamepad, laptop notebook touchpad

garden gardening plants; green tall early; in the greenhouse, along the path, in spring;
  roses rosebush petals, tomatoes tomato vines, compost mulch soil, lawn grass mower, orchard apples pears, hedge
  shrubs pruning, pond lilies koi, beehive bees honey
"""
"""A paragraph a category: its names; looks; places; its concepts, each with several names."""


class CategoryWords(NamedTuple):
    """What a category is called, and the words that all its concepts share."""

    names: tuple[str, ...]  # names of the category, the first one its own
    looks: tuple[str, ...]  # adjectives for what is seen
    places: tuple[str, ...]  # where it is seen
    concepts: tuple[tuple[str, ...], ...]  # names of each concept, the first one its own


def category_words(index: int, concepts: int) -> CategoryWords:
    """The words of a category with so many concepts; made-up ones beyond those that are known."""

    def made_up(first: int, count: int) -> tuple[str, ...]:
        return tuple(_made_up(index, first + form) for form in range(count))

    groups: tuple[tuple[str, ...], ...] = ()
    paragraphs = _VOCABULARY.split("\n\n")
    if index < len(paragraphs):
        names, looks, places, known = (part.split(",") for part in paragraphs[index].split(";"))
        groups = tuple(tuple(group.split()) for group in known)
        words = tuple(names[0].split()), tuple(looks[0].split()), tuple(place.strip() for place in places)
    else:
        words = made_up(900, 2), made_up(910, 3), tuple(f"near {word}" for word in made_up(920, 3))
    more = (made_up(3 * number, 3) for number in range(len(groups), concepts))
    return CategoryWords(*words, (*groups, *more)[:concepts])


def _made_up(category: int, number: int) -> str:
    """A word of three syllables or more, another one for each pair of numbers below 1000."""
    code, syllables = 1000 * category + number + 7_000_000, []
    while code:
        code, rest = divmod(code, len(_ONSETS) * len(_VOWELS))
        onset, vowel = divmod(rest, len(_VOWELS))
        syllables.append(_ONSETS[onset] + _VOWELS[vowel])
    return "".join(syllables)


class DrawnClips(ClipSource):
    """Clips drawn by a seed. Features are made when they are needed, so memory does not grow."""

    def __init__(self, settings: DrawnSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed
        generator = np.random.default_rng([seed, _WORLD])
        width, signal, nuisance = settings.feature_dim, settings.signal_dim, settings.nuisance_dim
        self._vectors = _concept_vectors(settings, generator)  # (concepts, signal)
        # A vector of length 1 gives features of variance 1 on average.
        self._signal_map = generator.standard_normal((signal, width)).astype(np.float32)
        self._nuisance_map = generator.standard_normal((nuisance, width)).astype(np.float32)
        self._bias = np.abs(generator.standard_normal(width)).astype(np.float32)
        per_category, n_clips = settings.concepts_per_category, settings.clips_per_concept
        self._words = [category_words(category, per_category) for category in range(settings.categories)]
        self.concepts = tuple(
            Concept(names[0], words.names[0], names, words.names) for words in self._words for names in words.concepts
        )
        concepts = range(len(self.concepts))
        self.clips = tuple(self._clip(concept, number) for concept in concepts for number in range(n_clips))
        self._numbers = {clip.name: number for number, clip in enumerate(self.clips)}
        self._latents = lru_cache(maxsize=_KEPT)(self._draw_latents)
        self.feature_dim = width
        self.rate_hz = float(settings.rate_hz)
        self.description = {"kind": "drawn"}
        made_by = json.dumps({"drawn": asdict(settings), "seed": seed}, sort_keys=True)
        self.fingerprint = Fingerprint(  # of this world alone: features of two worlds are not comparable
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
        words = self._words[concept // self._settings.concepts_per_category]
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
