"""Words to token ids, one tokenizer for each kind of text tower, by the tower's name."""

from __future__ import annotations

from sspvs.data.tokenizers.base import Tokenizer
from sspvs.data.tokenizers.loading import load_tokenizer

__all__ = ["Tokenizer", "load_tokenizer"]
