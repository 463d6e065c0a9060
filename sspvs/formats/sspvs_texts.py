"""What is written about videos in the SSPVS release: BERT token ids, a file a video, and text-info files of words."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from sspvs.annotations.record import Problems
from sspvs.errors import DatasetError, MissingExtraError, first_line
from sspvs.files import read_json
from sspvs.formats.format import FORMATS, Format, Ledger
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection
from sspvs.formats.manifest import texts_in
from sspvs.table import LoadedVideo
from sspvs.table.h5_file import H5_ERRORS, open_h5
from sspvs.table.h5_survey import TOKEN_GUIDE, TOKEN_KEYS
from sspvs.table.text import FIELDS, TextFields, TokenFields
from sspvs.types import IntArray
from sspvs.weights.digest import REMEDY, model_folder

if TYPE_CHECKING:
    from sspvs.models.tokenizers import BertTokenizer

FIELD_OF = dict(zip(TOKEN_KEYS, FIELDS, strict=True))  # key in a token file -> text field
VOCABULARY = 30522  # tokens of bert-base-uncased
_FRAMING = (101, 102, 0)  # [CLS], [SEP], [PAD]
_PURPOSE = "reading and writing BERT token ids"
NEEDED = f"{_PURPOSE} needs the word pieces: {REMEDY}"
_EXPECTED = f"expected {{video: {{{', '.join(FIELDS)}}}}}, each a text"


@FORMATS.register("sspvs-tokens")
class SspvsTokens(Format):
    """A single `info_embed/ID.h5`."""

    what = "one video's texts as BERT token ids, a part of the SSPVS release (h5)"
    family = "tokens"
    order = 70
    instead = "convert the release folder that it lies in"
    names_videos = False

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read the token ids, as text too where the word pieces are here."""
        tokens = read_tokens(path)
        found.n_videos = 1
        texts = words_of(tokens)
        for key, field in FIELD_OF.items():
            if field in tokens:
                found.key(key, 1, f"({len(tokens[field])},)", "ids", TOKEN_GUIDE[key].meaning)
                found.facts[f"{field} reads"] = texts.get(field, NEEDED) or "(empty)"
            else:
                found.problem(f"no '{key}'", blocking=False)
        found.use("pretraining, with the features of the same video", True)


@FORMATS.register("sspvs-texts")
class SspvsTexts(Format):
    """`SumMe_text_info.json`, `TVSum_text_info.json`, or `info_preprocessed.json` beside the lists."""

    what = "what is written about videos, as in the SSPVS release (JSON)"
    order = 155
    instead = "its texts are read as they are: --data.texts THIS"

    def matches(self, head: PathHead) -> bool:
        """An object whose first value is an object with one of the text fields."""
        first = head.first if isinstance(head.json, dict) else None
        return isinstance(first, dict) and not set(first).isdisjoint((*FIELDS, *FIELD_OF))

    def inspect(self, path: Path, found: Inspection) -> None:
        texts = read_text_info(path)
        found.n_videos = len(texts)
        filled = Counter(name for text in texts.values() for name, words in text._asdict().items() if words)
        for name in FIELDS:
            found.key(name, filled[name], "text", "text", f"the video's {name}")
        for key in (key for key, text in texts.items() if not any(text)):
            found.problem("no text at all", key, blocking=False)
        if found.video in texts:
            found.detail = texts[found.video]._asdict()
        found.use("text guidance in fine-tuning (--data.texts THIS)", True)


def read_tokens(path: str | os.PathLike[str]) -> dict[str, IntArray]:
    """Token ids of one video, by text field."""
    try:
        with open_h5(path) as file:
            found = {field: _read_ids(path, key, file[key]) for key, field in FIELD_OF.items() if key in file}
            others = ", ".join(sorted(file)) or "nothing"
    except H5_ERRORS as error:
        raise DatasetError(f"{path}: cannot read token ids: {first_line(error)}; fetch the file again") from error
    if not found:
        raise DatasetError(f"{path}: expected token ids under {', '.join(TOKEN_KEYS)}, found {others}")
    return found


def token_fields(path: str | os.PathLike[str]) -> TokenFields:
    """The same without [CLS], [SEP] and [PAD], as text towers are given them."""
    tokens = read_tokens(path)
    return TokenFields(*(tuple(int(n) for n in tokens.get(field, ()) if n not in _FRAMING) for field in FIELDS))


def read_text_info(path: str | os.PathLike[str]) -> dict[str, TextFields]:
    """The texts of a text-info file, by the key, name or id that it has for each video; all problems at once."""
    path = Path(path)
    try:
        videos = read_json(path, once=True)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read the texts: {first_line(error)}; {_EXPECTED}") from error
    if not isinstance(videos, dict) or not videos:
        found = "nothing" if videos in ({}, []) else type(videos).__name__
        raise DatasetError(f"{path}: {_EXPECTED}; found {found}")
    problems, texts = Problems(path), dict[str, TextFields]()
    for name, fields in videos.items():
        given: dict[str, Any] = fields if isinstance(fields, dict) else {}
        row = {FIELD_OF.get(key, key): text for key, text in given.items()}
        if set(row).isdisjoint(FIELDS):
            problems.add(f"'{name}'", f"{_EXPECTED}; found {', '.join(row) or type(fields).__name__}")
        elif (cells := texts_in(row, FIELDS, f"'{name}'", problems)) is not None:
            texts[name] = TextFields(**cells)
    problems.raise_any()
    return texts


def available() -> bool:
    """Whether BERT's word pieces are on this machine."""
    try:
        model_folder(_PURPOSE)
    except MissingExtraError:
        return False
    return True


def words_of(tokens: Mapping[str, IntArray]) -> dict[str, str]:
    """Text of each field, lower case and without special tokens, as BERT reads it; empty without the word pieces."""
    return {field: _tokenizer().decode(ids.tolist()) for field, ids in tokens.items()} if available() else {}


def tokens_of(video: LoadedVideo, ledger: Ledger) -> dict[str, IntArray]:
    """Token ids as the source had them, else of its texts, without [CLS] and [SEP]."""
    tokens = {name: np.asarray(ids, dtype=np.int64) for name, ids in video.tokens.items()}
    fresh = [name for name in FIELDS if getattr(video.text, name) and name not in tokens]
    if fresh and not available():
        ledger.leave_out(f"{', '.join(fresh)} ({NEEDED})", video.id)
        return tokens
    encoded = {name: _tokenizer().encode(getattr(video.text, name)) for name in fresh}
    return tokens | {name: np.asarray(ids, dtype=np.int64) for name, ids in encoded.items()}


def _read_ids(path: str | os.PathLike[str], key: str, data: Any) -> IntArray:
    is_dataset = isinstance(data, h5py.Dataset)
    if is_dataset and not data.size:
        return np.zeros(0, np.int64)
    if not is_dataset or data.dtype.kind not in "iuf":
        raise DatasetError(f"{path}: '{key}': expected token ids, found {data.dtype if is_dataset else 'a group'}")
    ids = np.asarray(data[()]).reshape(-1)
    whole = ids.astype(np.int64)
    if (whole != ids).any() or (whole < 0).any() or (whole >= VOCABULARY).any():
        raise DatasetError(
            f"{path}: '{key}': expected ids 0..{VOCABULARY - 1} of bert-base-uncased, found {ids.min()}..{ids.max()}"
        )
    return whole


@lru_cache(maxsize=1)
def _tokenizer() -> BertTokenizer:
    from sspvs.models.tokenizers import BertTokenizer

    return BertTokenizer("bert-base-uncased", _PURPOSE)
