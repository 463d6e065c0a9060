"""The words of the drawn world: categories and their concepts, each with several names; made-up words beyond them."""

from __future__ import annotations

from typing import NamedTuple


class CategoryWords(NamedTuple):
    """What a category is called, and the words that all its concepts share.

    Attributes:
        names: Names of the category, the first one its own.
        looks: Adjectives for what is seen.
        places: Where it is seen.
        concepts: Names of each concept, the first one its own.
    """

    names: tuple[str, ...]
    looks: tuple[str, ...]
    places: tuple[str, ...]
    concepts: tuple[tuple[str, ...], ...]


def category_words(index: int, concepts: int) -> CategoryWords:
    """The words of a category, with as many concepts as asked for.

    Args:
        index: Which category, 0 or more.
        concepts: How many concepts, 1 or more.
    """
    known = _CATEGORIES[index] if index < len(_CATEGORIES) else None
    if known is None:
        known = CategoryWords(
            tuple(_made_up(index, 900 + form) for form in range(2)),
            tuple(_made_up(index, 910 + form) for form in range(3)),
            tuple(f"near {_made_up(index, 920 + form)}" for form in range(3)),
            (),
        )
    missing = range(len(known.concepts), concepts)
    more = tuple(tuple(_made_up(index, 3 * number + form) for form in range(3)) for number in missing)
    return known._replace(concepts=(*known.concepts, *more)[:concepts])


_ONSETS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def _made_up(category: int, number: int) -> str:
    """A word of three syllables or more, another one for each pair of numbers below 1000."""
    code, syllables = 1000 * category + number + 7_000_000, []
    while code:
        code, rest = divmod(code, len(_ONSETS) * len(_VOWELS))
        onset, vowel = divmod(rest, len(_VOWELS))
        syllables.append(_ONSETS[onset] + _VOWELS[vowel])
    return "".join(syllables)


def _category(names: str, looks: str, places: str, concepts: str) -> CategoryWords:
    return CategoryWords(
        tuple(names.split()),
        tuple(looks.split()),
        tuple(places.split(", ")),
        tuple(tuple(group.split()) for group in concepts.split(", ")),
    )


_CATEGORIES = (
    _category(
        "cooking food kitchen",
        "fresh hot homemade",
        "in the kitchen, on the table, at the stove",
        "pancake flapjack hotcake, soup broth stew, bread loaf toast, noodles pasta spaghetti, salad greens lettuce, "
        "cake tart dessert, steak beef roast, coffee espresso latte",
    ),
    _category(
        "animals pets wildlife",
        "small wild playful",
        "on the farm, by the river, behind the fence",
        "dog puppy hound, cat kitten tabby, horse pony mare, bird sparrow finch, rabbit bunny hare, "
        "snake python viper, bear cub grizzly, fish trout salmon",
    ),
    _category(
        "sport sports athletics",
        "fast fierce final",
        "in the arena, at practice, before the crowd",
        "football soccer goalkeeper, skating skater rink, surfing surfer surfboard, boxing boxer punches, "
        "climbing climber boulder, cycling cyclist bicycle, tennis racket volley, rowing rower paddle",
    ),
    _category(
        "vehicles traffic transport",
        "loud old heavy",
        "on the road, at the depot, in the garage",
        "truck lorry pickup, train locomotive railway, plane aircraft jet, boat ship ferry, "
        "motorcycle scooter moped, tractor harvester plough, bus coach minibus, taxi cab limousine",
    ),
    _category(
        "music concert songs",
        "live slow famous",
        "on stage, in the studio, at rehearsal",
        "guitar chords strings, piano keyboard keys, drums drummer percussion, violin fiddle cello, "
        "singer vocalist choir, dance dancer ballet, trumpet horn brass, flute whistle clarinet",
    ),
    _category(
        "crafts handmade workshop",
        "simple careful fine",
        "at the bench, by hand, step by step",
        "knitting yarn wool, pottery clay kiln, painting canvas brush, carpentry carving lathe, "
        "sewing stitching fabric, origami folding paper, jewelry beads bracelet, welding sparks torch",
    ),
    _category(
        "nature landscape outdoors",
        "wide quiet distant",
        "at dawn, from the air, after rain",
        "waterfall cascade rapids, mountain peak summit, forest woods trees, beach shore dunes, "
        "storm thunder lightning, snow blizzard ice, volcano lava crater, desert sand cactus",
    ),
    _category(
        "city travel urban",
        "busy bright crowded",
        "downtown, at night, in the old town",
        "market stalls bazaar, bridge viaduct span, parade procession carnival, fountain plaza statue, "
        "subway metro station, skyline towers skyscraper, fireworks rockets sparklers, harbour docks pier",
    ),
    _category(
        "technology gadgets devices",
        "new clever tiny",
        "in the lab, on the desk, unboxed",
        "robot android machine, drone quadcopter rotor, phone smartphone handset, printer toner scanner, "
        "camera lens tripod, server rack datacenter, console joystick gamepad, laptop notebook touchpad",
    ),
    _category(
        "garden gardening plants",
        "green tall early",
        "in the greenhouse, along the path, in spring",
        "roses rosebush petals, tomatoes tomato vines, compost mulch soil, lawn grass mower, "
        "orchard apples pears, hedge shrubs pruning, pond lilies koi, beehive bees honey",
    ),
)
