"""The four text fields of a video, and their way into one row of tokens.

Published (Li et al., WACV 2023): `[CLS] category [SEP] query [SEP] title [SEP] description [SEP]`, the fields cut (at
random while training) or padded with [PAD] to 2, 2, 5 and 50 tokens: 64 in all. In the released fine-tuning there is
no description: `[CLS] category [SEP] query [SEP] title [SEP]`.

Axis letters: L tokens.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

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
    description: TokenCount | None = 50
    """Tokens of the description; null: there is no such field, nor a [SEP] of it."""
    pad_fields: bool = True
    """Pad each field to its length with [PAD], as published; false: all padding at the end."""
    padding_counts: bool = False
    """[PAD] is a token like any other: attended to and compared with frames, as in the released code."""
    cut: Literal["drawn", "first"] = "drawn"
    """What training keeps of a field that is too long: a run of tokens that is `drawn`, or the `first` ones."""
    whole: bool = False
    """Outside of training, give fields of more than 0 tokens whole, neither cut nor padded, as in the released
    fine-tuning; rows then have the lengths of their texts."""

    @property
    def lengths(self) -> tuple[int, int, int, int]:
        """Tokens of the four fields, in their order; 0 of a field that does not exist."""
        return self.category, self.query, self.title, self.description or 0

    @property
    def total(self) -> int:
        """L: the fields, [CLS] and a [SEP] after each field."""
        return sum(self.lengths) + self.n_fields + 1

    @property
    def n_fields(self) -> int:
        """4, or 3 without a description."""
        return len(FIELDS) - (self.description is None)


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
    """(L,) ids and (L,) bool, True = a token: a row of training with a `generator`, of anything else without one."""
    tokens: list[int] = [tokenizer.cls_id]
    valid: list[bool] = [True]
    whole = settings.whole and generator is None
    drawn = generator if settings.cut == "drawn" else None
    last = settings.n_fields - 1
    for number, (ids, length) in enumerate(zip(tokenize(fields, tokenizer), settings.lengths, strict=True)):
        if number > last:
            break
        kept = ids if whole and length else _cut(ids, length, drawn)
        padding = length - len(kept) if settings.pad_fields and not whole else 0
        tokens += [*kept, *[tokenizer.pad_id] * padding, tokenizer.end_id if number == last else tokenizer.sep_id]
        valid += [True] * len(kept) + [settings.padding_counts] * padding + [True]
    missing = 0 if whole else settings.total - len(tokens)
    return (
        np.array(tokens + [tokenizer.pad_id] * missing, np.int64),
        np.array(valid + [settings.padding_counts] * missing, np.bool_),
    )


def _cut(ids: tuple[int, ...], length: int, generator: np.random.Generator | None) -> tuple[int, ...]:
    if len(ids) <= length:
        return ids
    start = 0 if generator is None else int(generator.integers(len(ids) - length + 1))
    return ids[start : start + length]
