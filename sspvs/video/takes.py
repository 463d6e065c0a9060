"""How the stretches of a film follow each other: where each begins, and what it shares with the one before.

Two stretches that are blended play together for a while. That time comes half from each side, out of what the source
has beyond the stretch as far as that may be shown, and the rest out of the stretches: only the rest shortens the film.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sspvs.video.footage import TOUCHING_SECONDS, Stretch


@dataclass(frozen=True)
class Take:
    """A stretch as a film plays it.

    Attributes:
        start: Where it begins, in seconds of the source.
        end: Where it ends.
        speed: Seconds of the source that pass in a second of the film; without sound unless 1.
        lead: Seconds of the film in which its pictures are blended with those before.
        tail: Seconds of the film in which its pictures are blended with those after.
        sound_lead: Seconds of the film in which its sound is blended with that before.
        sound_tail: Seconds of the film in which its sound is blended with that after.
    """

    start: float
    end: float
    speed: float = 1.0
    lead: float = 0.0
    tail: float = 0.0
    sound_lead: float = 0.0
    sound_tail: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it lasts in the film, with what it shares."""
        return (self.end - self.start) / self.speed

    @property
    def heard_lead(self) -> float:
        """Seconds of the film from its first picture to where its sound is alone; the other half lies before it."""
        return self.sound_lead if self.lead else self.sound_lead / 2

    @property
    def heard_tail(self) -> float:
        """Seconds of the film from where its sound stops to be alone to its last picture."""
        return self.sound_tail if self.tail else self.sound_tail / 2


def takes_of(
    stretches: Sequence[tuple[int, Stretch]], ends: Sequence[float], crossfade: float, sound_crossfade: float
) -> list[Take]:
    """The takes of a film.

    Args:
        stretches: The number of the source of each stretch, and the stretch.
        ends: Where each source ends, in its own seconds.
        crossfade: Seconds that pictures and sound are blended at a join, less where stretches are shorter than two.
        sound_crossfade: Seconds that the sound is blended where pictures are not.

    Returns:
        One for each stretch; empty ones of what lies behind the end of its source.
    """
    takes = [Take(one.start, max(one.start, min(one.end, ends[source])), one.speed) for source, one in stretches]
    full = [take.seconds for take in takes]
    for index in range(len(takes) - 1):
        (source, stretch), (next_source, following) = stretches[index : index + 2]
        one, other = takes[index : index + 2]
        most = min(full[index], full[index + 1]) / 2
        goes_on = source == next_source and abs(stretch.end - following.start) < TOUCHING_SECONDS
        if goes_on and one.speed == other.speed:
            continue
        shared = 0.0 if goes_on else min(crossfade, most)
        if shared:
            after = min(stretch.after, shared / 2 * one.speed, ends[source] - one.end)
            before = min(following.before, shared / 2 * other.speed, other.start)
            one = replace(one, end=one.end + after, tail=shared, sound_tail=shared)
            other = replace(other, start=other.start - before, lead=shared, sound_lead=shared)
        else:
            heard = min(sound_crossfade, most)
            one, other = replace(one, sound_tail=heard), replace(other, sound_lead=heard)
        takes[index], takes[index + 1] = one, other
    return takes


def film_seconds(takes: Sequence[Take]) -> float:
    """How long takes last together."""
    return sum(take.seconds - take.tail for take in takes)
