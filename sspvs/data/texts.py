"""What is written about the videos of datasets: the annotations' fields, a video's own name, or a manifest."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sspvs.annotations.record import Problems
from sspvs.annotations.video_names import VideoRef, short_name, spelling
from sspvs.data.folds import Stores
from sspvs.errors import DatasetError
from sspvs.formats.manifest import PATHS, misspelled, read_rows, texts_in
from sspvs.formats.sspvs_texts import VOCABULARY, read_text_info, token_fields
from sspvs.models.tokenizers import Tokenizer, load_tokenizer
from sspvs.table import Video
from sspvs.table.text import FIELDS, TextFields, TokenFields
from sspvs.types import Annotations

TVSUM_CATEGORIES = {
    "VT": "vehicle tire",
    "VU": "vehicle unstuck",
    "GA": "animal grooming",
    "MS": "sandwich making",
    "PK": "parkour",
    "PR": "parade",
    "FM": "flash mob",
    "BK": "beekeeping",
    "BT": "bike tricks",
    "DS": "dog show",
}
"""What the letters in TVSum's annotations stand for (Song et al., CVPR 2015): a text tower cannot read letters."""

_SEPARATORS = re.compile(r"[_\-.+\s]+")
_HUMPS = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def text_of(annotations: Annotations, dataset: str, *, title_as_query: bool = False) -> TextFields:
    """Title and category; without a title, the video's name as the query (SumMe). `title_as_query`: as for TVSum."""
    category, title = annotations.category.strip(), annotations.title.strip()
    if short_name(dataset) == "tvsum":
        category = TVSUM_CATEGORIES.get(category.upper(), category)
    query = "" if title or annotations.video_name == annotations.key else name_as_text(annotations.video_name)
    if title_as_query and title:
        query, title = title, ""
    return TextFields(category=category, query=query, title=title)


def name_as_text(name: str) -> str:
    """The words of a video's name: "Bus in Rock Tunnel" of `videos/Bus_in_RockTunnel.mp4`."""
    last = re.split(r"[/\\]", name.strip())[-1]
    return " ".join(_HUMPS.sub(" ", _SEPARATORS.sub(" ", spelling(last))).split())


def read_texts(path: Path, stores: Stores) -> dict[str, TextFields | TokenFields]:
    """The four fields of videos by `dataset/key`.

    They come from a manifest in CSV or JSON lines, from a text-info JSON of the SSPVS release, or from its folder of
    token ids, a file a video. The `id`, name or file name is a video's key or name, of the tested dataset unless a
    dataset stands before it (`tvsum/video_3`).
    """
    if not path.exists():
        raise DatasetError(
            f"{path}: no such file or folder; expected a manifest (.csv, .jsonl), or a text-info .json or a folder of "
            "token ids of the SSPVS release"
        )
    problems, texts = Problems(path), dict[str, TextFields | TokenFields]()
    for place, name, fields in _written(path, problems):
        video = (stores.find(VideoRef("", name)) or stores.find(VideoRef.parse(name))) if name else None
        if video is None:
            problems.add(place, f"no video '{name}' in {', '.join(stores)}" if name else "no id")
            continue
        if str(video) in texts:
            problems.add(place, f"a second line about {video}")
        texts[str(video)] = fields
    problems.raise_any()
    return texts


def load_tokenizer_of(
    videos: Iterable[Video], encoder: str, *, download: bool = False, vocab_size: int | None = None
) -> Tokenizer:
    """A text tower's tokenizer; token ids of the SSPVS release need BERT's."""
    tokenizer = load_tokenizer(encoder, download=download, vocab_size=vocab_size)
    if tokenizer.vocab_size != VOCABULARY and any(isinstance(video.text, TokenFields) for video in videos):
        raise DatasetError(
            f"the texts are token ids of BERT's vocabulary, which the text tower '{encoder}' does not have; take "
            "bert-base-uncased or minilm, or give the texts themselves (a manifest, a text-info JSON)"
        )
    return tokenizer


def _written(path: Path, problems: Problems) -> Iterator[tuple[str, str, TextFields | TokenFields]]:
    """Place, id and text of everything that is written in a file or folder."""
    if path.is_dir():
        files = sorted(path.glob("*.h5"))
        if not files:
            problems.add("", "expected token ids, one .h5 a video, found none")
        for file in files:
            yield file.name, file.stem, token_fields(file)
    elif path.suffix.lower() == ".json":
        for name, text in read_text_info(path).items():
            yield f"'{name}'", name, text
    else:
        rows = list(read_rows(path, problems))
        names = {name for _, row in rows for name in row}
        missing = ([] if "id" in names else ["'id'"]) + ([] if names & set(FIELDS) else [f"one of {', '.join(FIELDS)}"])
        if missing:
            found = ", ".join(sorted(names)[:10]) or "nothing"
            problems.add("", f"expected a column {' and '.join(missing)}, found {found}")
        problems.extend(("", sentence) for sentence in misspelled(names, ("id", *FIELDS), (*PATHS, "split")))
        for place, row in () if missing else rows:
            cells = texts_in(row, ("id", *FIELDS), place, problems)
            if cells is not None:
                yield place, cells.pop("id").strip(), TextFields(**cells)
