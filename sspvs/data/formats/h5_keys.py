"""The keys of an h5 file, explained for an inspection."""

from __future__ import annotations

from pathlib import Path

from sspvs.data.formats.inspection import Inspection, KeyNote, NoSuchVideoError
from sspvs.features.store.h5_survey import Family, guide_of, read_entries, survey_keys


def explain_keys(path: Path, inspection: Inspection, family: Family) -> None:
    """Fill in the keys of all videos, and every dataset of one where one was asked for."""
    for key in survey_keys(path):
        guide = guide_of(key.name, family)
        dtype = ", ".join(sorted(key.dtypes))
        inspection.keys.append(KeyNote(key.name, key.count, key.shape_text, dtype, guide.meaning, guide.made))
        if len(key.n_dims) > 1:
            inspection.problem(
                f"'{key.name}' has {sorted(key.n_dims)} axes in different videos, expected {guide.shape}",
                blocking=False,  # reading each video decides
            )
    if inspection.video is not None:
        try:
            entries = read_entries(path, inspection.video)
        except KeyError:
            raise NoSuchVideoError(inspection.video) from None
        for name, shape, dtype, values in entries:
            inspection.detail[name] = f"{shape} {dtype}" + (f": {values}" if values else "")
