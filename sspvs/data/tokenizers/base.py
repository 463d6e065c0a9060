"""What a tokenizer is."""

from __future__ import annotations

from typing import Protocol


class Tokenizer(Protocol):
    """Words to ids, and the ids that frame them. Picklable: loaders hand it to their worker processes."""

    @property
    def name(self) -> str:
        """The text tower's name that it was loaded for."""

    @property
    def vocab_size(self) -> int:
        """Number of ids: all of them are below."""

    @property
    def cls_id(self) -> int:
        """First token of every text."""

    @property
    def sep_id(self) -> int:
        """Between two fields."""

    @property
    def end_id(self) -> int:
        """After the last field: the separator again, or the model's own end of a text."""

    @property
    def pad_id(self) -> int:
        """Where there is no token."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text's words, without any that frame them."""
