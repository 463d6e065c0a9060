"""Every video looked at once before training: widths, lengths, values that are not finite, who made the features.

What was found is kept beside the data (`.sspvs-survey.json`, by path, size and time of modification), so that the next
run reads only what has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from sspvs.data.manifest_rows import Problems
from sspvs.data.pretrain.items import Entry, FeatureRef, PretrainItem
from sspvs.data.pretrain.reading import FeatureReader
from sspvs.data.pretrain.survey_notes import SURVEY, Fact, SurveyNotes
from sspvs.errors import FeatureFileError
from sspvs.types import Fingerprint


def survey(entries: Sequence[Entry], where: Path, *, progress: bool = False) -> tuple[list[PretrainItem], Problems]:
    """Look at the features of all entries.

    Args:
        entries: With features, none with raw videos.
        where: The manifest or list they come from; the survey is kept in its folder.
        progress: Show a progress bar; quiet when stderr is no terminal.

    Returns:
        The good ones, in their order, and what is wrong with the others: features that cannot be read, NaN, widths and
        fingerprints that most others do not have.
    """
    notes = SurveyNotes(where.parent / SURVEY)
    reader, problems = FeatureReader(), Problems(where)
    facts: list[tuple[Entry, FeatureRef, Fact]] = []
    for entry in tqdm(entries, desc="looking at the features", leave=False, disable=None if progress else True):
        assert isinstance(entry.source, FeatureRef)
        try:
            facts.append((entry, entry.source, notes.fact(entry.source) or notes.add(entry.source, reader)))
        except FeatureFileError as error:
            problems.add(entry.where, f"{entry.id}: {error}")
    reader.close()
    notes.keep()
    odd = _same_throughout(facts, problems)
    return [
        PretrainItem(entry.id, ref, entry.text, fact.n_frames, fact.feature_dim, entry.part)
        for entry, ref, fact in facts
        if entry.id not in odd
    ], problems


def common_fingerprint(items: Sequence[PretrainItem]) -> Fingerprint | None:
    """What made all the features, of items that were surveyed; None where it is not known of all."""
    reader = FeatureReader()
    first = reader.fingerprint(items[0].features) if items else None
    known = first is not None and all(
        reader.fingerprint(ref) == first for ref in {item.features.path: item.features for item in items}.values()
    )
    reader.close()
    return first if known else None


def _same_throughout(facts: Sequence[tuple[Entry, FeatureRef, Fact]], problems: Problems) -> set[str]:
    """Ids of those whose width or fingerprint differs from that of most."""
    odd: set[str] = set()
    if not facts:
        return odd
    width = Counter(fact.feature_dim for *_, fact in facts).most_common(1)[0][0]
    known = Counter(fact.fingerprint for *_, fact in facts if fact.fingerprint is not None).most_common(1)
    for entry, _, fact in facts:
        if fact.feature_dim != width:
            odd.add(entry.id)
            problems.add(entry.where, f"{entry.id}: features {fact.feature_dim} wide, most others {width}")
        elif known and fact.fingerprint not in (None, known[0][0]):
            assert fact.fingerprint is not None
            odd.add(entry.id)
            mine, most = fact.fingerprint.as_dict(), known[0][0].as_dict()
            differing = ", ".join(
                f"{key} {mine[key]!r} against {most[key]!r}" for key in mine if mine[key] != most[key]
            )
            problems.add(entry.where, f"{entry.id}: features made otherwise than most others' ({differing})")
    return odd
