"""BERT's word pieces (bert-base-uncased), without a download: the package of the `text` extra carries them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from sspvs.data.tokenizers.wordpiece import BertTokenizer
from sspvs.errors import MissingExtraError
from sspvs.types import IntArray
from sspvs.weights.minilm import REMEDY, model_folder

NEEDED = f"reading and writing BERT token ids needs the word pieces: {REMEDY}"
_PURPOSE = "reading and writing BERT token ids"


def available() -> bool:
    """Whether the word pieces are on this machine."""
    try:
        model_folder(_PURPOSE)
    except MissingExtraError:
        return False
    return True


def encode(text: str) -> IntArray:
    """(L,) token ids of a text, without [CLS] and [SEP].

    Raises:
        MissingExtraError: When the word pieces are not here.
    """
    return np.asarray(_tokenizer().encode(text), dtype=np.int64)


def decode(ids: IntArray) -> str:
    """The text of token ids: lower case, as BERT reads it; [PAD], [CLS] and [SEP] are dropped.

    Raises:
        MissingExtraError: When the word pieces are not here.
    """
    return _tokenizer().decode(ids.tolist())


def decode_fields(tokens: Mapping[str, IntArray]) -> dict[str, str]:
    """Text of each field; nothing when the word pieces are not here."""
    return {field: decode(ids) for field, ids in tokens.items()} if available() else {}


@lru_cache(maxsize=1)
def _tokenizer() -> BertTokenizer:
    return BertTokenizer("bert-base-uncased", _PURPOSE)
