"""Tokenizers of the transformers library, from this machine's files."""

from __future__ import annotations

from typing import Any

from sspvs.errors import WeightsNotFoundError, first_line
from sspvs.weights.hub import hub_offline

_VERY_LONG = 1 << 30


class HuggingFaceTokenizer:
    """The tokenizer of any Hugging Face encoder.

    Args:
        name: Model id or folder.
        download: Fetch what is not on this machine.

    Raises:
        WeightsNotFoundError: Its files are not on this machine.
        ValueError: It has no token that begins, ends or pads a text.
    """

    def __init__(self, name: str, *, download: bool = False) -> None:
        from transformers import AutoTokenizer

        try:
            with hub_offline(not download):
                tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=not download, trust_remote_code=False)
        except (OSError, ValueError, ImportError) as error:
            raise WeightsNotFoundError(
                f"text encoder '{name}': no tokenizer on this machine (looked in the Hugging Face cache and for a "
                f"folder of that name); allow the download, or give a folder: {first_line(error)}"
            ) from error
        tokenizer.model_max_length = _VERY_LONG  # fields are cut later; no warning about long ones
        self.name = name
        self._tokenizer: Any = tokenizer
        self.vocab_size = len(tokenizer)
        self.cls_id = _first_of(tokenizer, name, "cls_token_id", "bos_token_id")
        self.sep_id = _first_of(tokenizer, name, "sep_token_id", "eos_token_id")
        self.pad_id = _first_of(tokenizer, name, "pad_token_id")

    @property
    def end_id(self) -> int:
        """The separator."""
        return self.sep_id

    def encode(self, text: str) -> list[int]:
        """Ids of the text's pieces."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _first_of(tokenizer: Any, name: str, *kinds: str) -> int:
    for kind in kinds:
        value = getattr(tokenizer, kind, None)
        if value is not None:
            return int(value)
    raise ValueError(f"the tokenizer of '{name}' has no {' or '.join(kinds)}; take an encoder that has")
