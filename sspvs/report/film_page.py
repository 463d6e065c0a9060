"""The page of a film from many videos, `report.html`: a player, and for each video what is shown of it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sspvs.atomic import write_text
from sspvs.report.page import MIME, render
from sspvs.report.sentences import clock_text


def write_film_page(document: Mapping[str, Any], path: Path, *, film: Path, thumbnails: Sequence[bytes]) -> None:
    """Write the page of a film.

    Args:
        document: What its `summary.json` holds.
        path: The HTML file to write.
        film: The film as a video that browsers play, embedded whole.
        thumbnails: A small JPEG of each piece.

    Raises:
        OutputError: The file cannot be written.
    """
    pictures = [base64.b64encode(picture).decode("ascii") for picture in thumbnails]
    pieces = [{**piece, "picture": picture} for piece, picture in zip(document["pieces"], pictures, strict=True)]
    videos = [
        {**video, "pieces": [piece for piece in pieces if piece["video"] == number]}
        for number, video in enumerate(document["videos"])
    ]
    page = render(
        "film_page.html",
        {"mime": MIME[film.suffix]},
        styles=["report.css", "film_page.css"],
        scripts=["media.js", "film_page.js"],
        policy=["media-src blob:"],
        filters={"clock": clock_text},
        media=base64.b64encode(film.read_bytes()).decode("ascii"),
        film=document,
        videos=videos,
        pieces=pieces,
    )
    write_text(path, page)
