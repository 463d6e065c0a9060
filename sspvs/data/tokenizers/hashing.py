"""The tokenizer of the small text tower: words hashed into buckets, no vocabulary to keep.

Two words may share a bucket: among n different words in V buckets a given word is alone with probability
(1 - 1/V)^(n - 1). With V = 8192 that is 88 % of the words of a vocabulary of 1000, and 54 % of one of 5000. The tower
tells such words apart by what stands around them, or not at all; a larger `vocab_size` makes it rarer.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

N_SPECIAL = 4
_PIECES = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class HashingTokenizer:
    """Lower-cased words and single punctuation marks, each hashed into one of `vocab_size - 4` buckets.

    The same word has the same id on every machine and in every run. Ids 0 to 3 are [PAD], [CLS], [SEP] and one that
    is kept free.

    Args:
        vocab_size: Number of ids, special ones included.
        name: The text tower's.
    """

    vocab_size: int
    name: str = "small"
    pad_id: int = 0
    cls_id: int = 1
    sep_id: int = 2

    def __post_init__(self) -> None:
        if self.vocab_size <= N_SPECIAL:
            raise ValueError(f"vocab_size must be above {N_SPECIAL}, got {self.vocab_size}")

    @property
    def end_id(self) -> int:
        """The separator."""
        return self.sep_id

    def encode(self, text: str) -> list[int]:
        """Ids of the words and punctuation marks; compatibility forms of letters count as the same."""
        pieces = _PIECES.findall(unicodedata.normalize("NFKC", text).casefold())
        return [N_SPECIAL + _bucket(piece, self.vocab_size - N_SPECIAL) for piece in pieces]


def _bucket(piece: str, buckets: int) -> int:
    digest = hashlib.blake2b(piece.encode("utf-8", errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % buckets
