"""The tokenizers of the text towers."""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sspvs.errors import MissingExtraError, WeightsNotFoundError, first_line
from sspvs.models.settings import SmallTextSettings
from sspvs.weights.clip import PREFIX, open_clip_tokenizer
from sspvs.weights.digest import hub_offline, tokenizer_file

N_SPECIAL = 4
_PIECES = re.compile(r"\w+|[^\w\s]")
_VERY_LONG = 1 << 30
_BERT = ("bert-base-uncased", "google-bert/bert-base-uncased")
logger = logging.getLogger(__name__)


class Tokenizer:
    """Words to ids, and the ids that frame them. Picklable: loaders hand it to their worker processes."""

    name: str  # the text tower's name that it was loaded for
    vocab_size: int  # number of ids: all of them are below
    cls_id: int  # first token of every text
    sep_id: int  # between two fields
    end_id: int  # after the last field: the separator again, or the model's own end of a text
    pad_id: int  # where there is no token

    def encode(self, text: str) -> list[int]:
        """The ids of a text's words, without any that frame them."""
        raise NotImplementedError


class ClipTokenizer(Tokenizer):
    """An open_clip model's tokenizer (CLIP's own vocabulary is part of open_clip)."""

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


@dataclass(frozen=True)
class HashingTokenizer(Tokenizer):
    """Lower-cased words and single punctuation marks, each hashed into one of `vocab_size - 4` buckets.

    The same word has the same id on every machine and in every run. Ids 0 to 3 are [PAD], [CLS], [SEP] and one that
    is kept free.
    """

    vocab_size: int
    name: str = "small"
    pad_id: int = 0
    cls_id: int = 1
    sep_id: int = 2
    end_id: int = 2

    def __post_init__(self) -> None:
        if self.vocab_size <= N_SPECIAL:
            raise ValueError(f"vocab_size must be above {N_SPECIAL}, got {self.vocab_size}")

    def encode(self, text: str) -> list[int]:
        """Ids of the words and punctuation marks; compatibility forms of letters count as the same."""
        pieces = _PIECES.findall(unicodedata.normalize("NFKC", text).casefold())
        digests = (hashlib.blake2b(piece.encode("utf-8", "replace"), digest_size=8).digest() for piece in pieces)
        buckets = self.vocab_size - N_SPECIAL
        return [N_SPECIAL + int.from_bytes(digest, "little") % buckets for digest in digests]


class HuggingFaceTokenizer(Tokenizer):
    """The tokenizer of any Hugging Face encoder, by model id or folder; WeightsNotFoundError without its files."""

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
        self.sep_id = self.end_id = _first_of(tokenizer, name, "sep_token_id", "eos_token_id")
        self.pad_id = _first_of(tokenizer, name, "pad_token_id")

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _first_of(tokenizer: Any, name: str, *kinds: str) -> int:
    for kind in kinds:
        value = getattr(tokenizer, kind, None)
        if value is not None:
            return int(value)
    raise ValueError(f"the tokenizer of '{name}' has no {' or '.join(kinds)}; take an encoder that has")


class BertTokenizer(Tokenizer):
    """The vocabulary of bert-base-uncased, 30,522 pieces; `purpose` is what needs it, for messages."""

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
        self.end_id = self.sep_id

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Their text: lower case, as BERT reads it; [PAD], [CLS] and [SEP] are dropped."""
        text: str = self._tokenizer.decode([int(token) for token in ids], skip_special_tokens=True)
        return text


def load_tokenizer(encoder: str, *, download: bool = False, vocab_size: int | None = None) -> Tokenizer:
    """The tokenizer of a text tower (`TextEncoderSettings.encoder`); `vocab_size` is that of `small`."""
    if encoder == "small":
        return HashingTokenizer(SmallTextSettings().vocab_size if vocab_size is None else vocab_size)
    if encoder == "minilm":
        return BertTokenizer(encoder, "the text encoder 'minilm'")
    if encoder.startswith(PREFIX):
        return ClipTokenizer(encoder, download=download)

    try:
        return HuggingFaceTokenizer(encoder, download=download)
    except WeightsNotFoundError as error:
        if encoder not in _BERT:
            raise
        try:  # the same vocabulary, where only the package with MiniLM has it
            tokenizer = BertTokenizer(encoder, f"the vocabulary of '{encoder}', not in the Hugging Face cache,")
        except MissingExtraError as missing:
            raise WeightsNotFoundError(f"{error}; or its vocabulary alone: {missing}") from error
    logger.info("%s: its tokenizer is not in the Hugging Face cache; took the same vocabulary from MiniLM's", encoder)
    return tokenizer
