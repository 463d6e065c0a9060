"""A single `info_embed/ID.h5` of the SSPVS release: one video's texts as BERT token ids."""

from __future__ import annotations

from pathlib import Path

from sspvs.formats import release_layout as word_pieces
from sspvs.formats.inspection import Inspection, KeyNote, Use
from sspvs.formats.kind import Kind
from sspvs.formats.release_layout import TOKEN_FIELDS, read_tokens
from sspvs.table.h5_survey import TOKEN_GUIDE


def inspect(path: Path, inspection: Inspection) -> None:
    """The token ids, and the text they stand for where the word pieces are here."""
    tokens = read_tokens(path)
    inspection.n_videos = 1
    texts = word_pieces.decode_fields(tokens)
    for key, field in TOKEN_FIELDS.items():
        if field in tokens:
            shape, meaning = f"({len(tokens[field])},)", TOKEN_GUIDE[key].meaning
            inspection.keys.append(KeyNote(key, 1, shape, "ids", meaning))
            inspection.facts[f"{field} reads"] = texts.get(field, word_pieces.NEEDED) or "(empty)"
        else:
            inspection.problem(f"no '{key}'", blocking=False)
    inspection.uses = [Use("pretraining, with the features of the same video", True)]


KIND = Kind(
    name="sspvs-tokens",
    what="one video's texts as BERT token ids, a part of the SSPVS release (h5)",
    matches=lambda glimpse: glimpse.family == "tokens",
    inspect=inspect,
    instead="convert the release folder that it lies in",
)
