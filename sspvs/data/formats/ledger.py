"""The account of a conversion: what was written, repaired, and left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ledger:
    """What a conversion did, so that nothing is lost silently.

    Attributes:
        source: What was read.
        target: What was written.
        kind: Kind of the source.
        to: Kind of the target.
        written: Keys of the videos that were written.
        left_out: What the target has no place for -> the videos that had it.
        changed: What was derived, resampled or rounded -> videos.
        repaired: What was repaired in reading -> videos.
        skipped: Videos that were left out -> why.
        notes: Sentences about the whole.
    """

    source: str
    target: str
    kind: str
    to: str
    written: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    repaired: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, what: str, key: str) -> None:
        """Note that the target has no place for a part of one video."""
        self.left_out.setdefault(what, []).append(key)

    def change(self, how: str, key: str) -> None:
        """Note that a part of one video was derived, resampled or rounded."""
        self.changed.setdefault(how, []).append(key)

    def repair(self, what: str, key: str) -> None:
        """Note a repair in reading one video."""
        self.repaired.setdefault(what, []).append(key)

    def made_by(self) -> dict[str, Any]:
        """How the target was made, for its own attributes: plain types, no paths of this machine."""
        return {"command": "sspvs data convert", "from": self.kind}

    def lines(self) -> list[str]:
        """The account, a line an item."""
        lines = [f"note: {sentence}" for sentence in self.notes]
        for word, book in (("repaired", self.repaired), ("changed", self.changed), ("left out", self.left_out)):
            lines += [f"{word}: {what} ({_videos(keys, len(self.written))})" for what, keys in book.items()]
        lines += [f"skipped: {key}: {why}" for key, why in self.skipped.items()]
        return lines


def _videos(keys: list[str], total: int) -> str:
    if len(keys) == total:
        return "every video" if total > 1 else keys[0]
    shown = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
    return shown if len(keys) == 1 else f"{len(keys)} videos: {shown}"
