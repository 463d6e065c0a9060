"""Tokenizers of open_clip's models.

CLIP has no separator: fields are joined by the token of a full stop, and one [end] stands after the last.
"""

from __future__ import annotations

from typing import Any

from sspvs.errors import WeightsNotFoundError
from sspvs.weights.clip_model import open_clip_tokenizer
from sspvs.weights.clip_source import PREFIX


class ClipTokenizer:
    """An open_clip model's tokenizer.

    Args:
        name: `open_clip:MODEL/PRETRAINED`.
        download: Fetch what is not on this machine (CLIP's own vocabulary is part of open_clip).

    Raises:
        ValueError: An unknown model, or a tokenizer of another kind without the tokens that are needed.
        WeightsNotFoundError: Its files are not on this machine.
    """

    def __init__(self, name: str, *, download: bool = False) -> None:
        import open_clip

        model = name.removeprefix(PREFIX).partition("/")[0]
        sizes = open_clip.get_model_config(model)
        if sizes is None:
            raise ValueError(f"open_clip has no model {model!r}; `open_clip.list_models()` names them")
        self.name = name
        self._tokenizer: Any = open_clip_tokenizer(model, download=download)
        self.vocab_size = int(sizes["text_cfg"].get("vocab_size", 49408))
        inner = getattr(self._tokenizer, "tokenizer", None)  # Hugging Face's, inside
        if inner is None:
            self.cls_id, self.end_id = self._tokenizer.sot_token_id, self._tokenizer.eot_token_id
            self.sep_id = self.encode(".")[0]
            self.pad_id = 0
        else:
            self._take_ids(inner)

    def _take_ids(self, inner: Any) -> None:
        """T5's and Gemma's have no first token: their end stands there too."""
        end = next((v for v in (inner.sep_token_id, inner.eos_token_id) if v is not None), None)
        if end is None:
            raise WeightsNotFoundError(f"{self.name}: its tokenizer has no token that ends a text; take another model")
        first = next((v for v in (inner.cls_token_id, inner.bos_token_id) if v is not None), end)
        self.cls_id, self.end_id, self.sep_id = int(first), int(end), int(end)
        self.pad_id = int(inner.pad_token_id if inner.pad_token_id is not None else 0)

    def encode(self, text: str) -> list[int]:
        """Ids of the text's pieces, cleaned as the model was trained."""
        inner = getattr(self._tokenizer, "tokenizer", None)
        if inner is not None:
            return list(inner.encode(self._tokenizer.clean_fn(text), add_special_tokens=False))
        return list(self._tokenizer.encode(self._tokenizer.clean_fn(text)))
