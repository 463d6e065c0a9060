"""The four text fields of a video, and their way into one row of tokens.

Published (Li et al., WACV 2023): `[CLS] category [SEP] query [SEP] title [SEP] description [SEP]`, the fields cut (at
random while training) or padded with [PAD] to 2, 2, 5 and 50 tokens: 64 in all.

Axis letters: L tokens.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs.models.tokenizers import Tokenizer
from sspvs.schema import Range, Settings
from sspvs.types import IntArray

FIELDS = ("category", "query", "title", "description")  # in the order in which they are given to the text tower


class TextFields(NamedTuple):
    """What is written about a video; each may be empty."""

    category: str = ""
    query: str = ""
    title: str = ""
    description: str = ""


class TokenFields(NamedTuple):
    """The same as token ids, of files that have nothing else (the SSPVS release), without [CLS], [SEP] and [PAD]."""

    category: tuple[int, ...] = ()
    query: tuple[int, ...] = ()
    title: tuple[int, ...] = ()
    description: tuple[int, ...] = ()


TokenCount = Annotated[int, Range(least=0, most=16_384)]  # of one field; 0 leaves it out


@dataclass(frozen=True)
class TextSettings(Settings):
    """How many tokens each field gets."""

    group = "text_fields"

    category: TokenCount = 2
    """Tokens of the category."""
    query: TokenCount = 2
    """Tokens of the search query."""
    title: TokenCount = 5
    """Tokens of the title."""
    description: TokenCount = 50
    """Tokens of the description."""
    pad_fields: bool = True
    """Pad each field to its length with [PAD], as published; false: all padding at the end."""

    @property
    def lengths(self) -> tuple[int, int, int, int]:
        """Tokens of the four fields, in their order."""
        return self.category, self.query, self.title, self.description

    @property
    def total(self) -> int:
        """L: the fields, [CLS] and four [SEP]."""
        return sum(self.lengths) + len(FIELDS) + 1


def only_field(text: TextFields | TokenFields, field: str) -> TextFields | TokenFields:
    """One of the fields, the others empty."""
    return type(text)(**{field: getattr(text, field)})


def tokenize(fields: TextFields | TokenFields, tokenizer: Tokenizer) -> TokenFields:
    """The fields as token ids; those that are already are kept."""
    if isinstance(fields, TokenFields):
        return fields
    return TokenFields(*(tuple(tokenizer.encode(text)) for text in fields))


def assemble_tokens(
    fields: TextFields | TokenFields,
    tokenizer: Tokenizer,
    settings: TextSettings,
    generator: np.random.Generator | None = None,
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """(L,) ids and (L,) bool, True = a token; fields too long keep a run that `generator` draws, or their start."""
    tokens: list[int] = [tokenizer.cls_id]
    valid: list[bool] = [True]
    last = len(FIELDS) - 1
    for number, (ids, length) in enumerate(zip(tokenize(fields, tokenizer), settings.lengths, strict=True)):
        kept = _cut(ids, length, generator)
        padding = length - len(kept) if settings.pad_fields else 0
        tokens += [*kept, *[tokenizer.pad_id] * padding, tokenizer.end_id if number == last else tokenizer.sep_id]
        valid += [True] * len(kept) + [False] * padding + [True]
    missing = settings.total - len(tokens)
    return (
        np.array(tokens + [tokenizer.pad_id] * missing, np.int64),
        np.array(valid + [False] * missing, np.bool_),
    )


def _cut(ids: tuple[int, ...], length: int, generator: np.random.Generator | None) -> tuple[int, ...]:
    if len(ids) <= length:
        return ids
    start = 0 if generator is None else int(generator.integers(len(ids) - length + 1))
    return ids[start : start + length]
