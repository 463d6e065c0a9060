"""BERT's word pieces (bert-base-uncased), without a download: the package of the `text` extra carries them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from sspvs.errors import MissingExtraError
from sspvs.features.minilm import REMEDY, model_folder
from sspvs.types import IntArray

NEEDED = f"reading and writing BERT token ids needs the word pieces: {REMEDY}"


def available() -> bool:
    """Whether the word pieces are on this machine."""
    try:
        model_folder()
    except MissingExtraError:
        return False
    return True


def encode(text: str) -> IntArray:
    """(L,) token ids of a text, without [CLS] and [SEP].

    Raises:
        MissingExtraError: When the word pieces are not here.
    """
    return np.asarray(_tokenizer().encode(text, add_special_tokens=False).ids, dtype=np.int64)


def decode(ids: IntArray) -> str:
    """The text of token ids: lower case, as BERT reads it; [PAD], [CLS] and [SEP] are dropped.

    Raises:
        MissingExtraError: When the word pieces are not here.
    """
    text: str = _tokenizer().decode([int(i) for i in ids], skip_special_tokens=True)
    return text


def decode_fields(tokens: Mapping[str, IntArray]) -> dict[str, str]:
    """Text of each field; nothing when the word pieces are not here."""
    return {field: decode(ids) for field, ids in tokens.items()} if available() else {}


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
