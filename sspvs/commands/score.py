"""`sspvs score`: importance scores for every video of a feature file."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspvs.commands.arguments import add_importance_arguments, add_scorer_argument, add_text_arguments, check_outputs
from sspvs.errors import FeatureFileError, reason
from sspvs.overwriting import SCORES

if TYPE_CHECKING:
    from sspvs.scorers import Scorer
    from sspvs.table import FeatureStore, VideoScores
    from sspvs.table.text import TextFields

DESCRIPTION = (
    "Score every video of a feature file (community h5 layout): dataset `scores` (one a pick) in a group a video. "
    "A video that cannot be read is reported and the rest go on."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("features", type=Path, metavar="FEATURES.h5", help="feature file")
    parser.add_argument("--out", required=True, type=Path, metavar="SCORES.h5", help="file to write")
    add_scorer_argument(parser)
    contrastive = parser.add_argument_group("contrastive importance")
    add_importance_arguments(contrastive)
    contrastive.add_argument(
        "--backbone", help="the backbone that the features must come from (default: what the file says)"
    )
    text = parser.add_argument_group("text, the same for all videos")
    add_text_arguments(text)
    text.add_argument(
        "--use-text",
        action="store_true",
        help="or each video's own: title and category, where the file has them, else its name as the query",
    )
    text.add_argument(
        "--title-as-query",
        action="store_true",
        help="with --use-text: the title as the query, as published for TVSum; checkpoints trained so need no telling",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--download", action="store_true", help="fetch weights that are not on this machine")


def run(args: argparse.Namespace) -> int:
    """Score every video; 0 when all went well, 1 when some failed, 2 when all did."""
    from sspvs.scorers import scorer_of_features
    from sspvs.scorers.scoring import fingerprint_of
    from sspvs.table import read_features, write_scores

    check_outputs(args, out=SCORES)
    failures: list[str] = []
    silent: list[str] = []
    with read_features(args.features) as store:
        scorer, warning = scorer_of_features(
            args.scorer,
            store.fingerprint,
            str(args.features),
            title=args.title,
            backbone=args.backbone,
            device=args.device,
            download=args.download,
            combine=args.combine,
            post=args.post,
        )
        _warn(warning)
        text_of = _texts(scorer, args, silent)
        _warn(scorer.check_features(fingerprint_of(store, scorer), str(args.features)))
        _check_width(store, scorer)
        lacking = Counter[str]()
        scored = _score_all(store, scorer, text_of, failures, lacking)
        first = next(scored, None)
        if first is None:
            raise FeatureFileError(failures[0] if failures else f"{args.features}: no videos in it")
        write_scores(
            args.out,
            chain([first], scored),
            scorer=scorer.name,
            settings={**scorer.settings, **_text_settings(args, scorer)},
            fingerprint=store.fingerprint,
        )
        total = len(store)
    for name, count in lacking.items():
        _warn(f"{count} of {total} videos have no stream '{name}' of features: zeros stand for it")
    if silent:
        _warn(f"{len(silent)} of {total} videos have no text in {args.features}, and were scored as without")
    print(f"{total - len(failures)} of {total} videos scored, in {args.out}")
    return 1 if failures else 0


def _warn(sentence: str | None) -> None:
    if sentence:
        sys.stderr.write(f"warning: {sentence}\n")


def _check_width(store: FeatureStore, scorer: Scorer) -> None:
    """Refuse a whole file at once: the first video that can be read has the width of all."""
    if scorer.feature_dim is None:
        return
    from sspvs.table import FeatureKind, check_features

    width = None
    for name in store:
        with suppress(Exception):  # it is reported when its turn comes
            width = scorer.joined(store[name]).features.shape[1]
            break
    remedy = "take features of the backbone that it was trained on"
    like = f"those {scorer.name} was trained on"
    check_features(FeatureKind(width), FeatureKind(scorer.feature_dim), str(store.path), like=like, remedy=remedy)


def _texts(scorer: Scorer, args: argparse.Namespace, silent: list[str]) -> Callable[[str], TextFields]:
    """The text of each video, by its name in the file: everybody's, or each one's own; `silent` takes those of none."""
    from sspvs.scorers import CONTRASTIVE
    from sspvs.table.text import TextFields

    given = TextFields(category=args.category, query=args.query, title=args.title)
    if args.title_as_query and not args.use_text:
        raise ValueError("--title-as-query goes with --use-text")
    if not args.use_text:
        scorer.check_text(given)
        for note in scorer.notes(given):
            _warn(f"{note}; --title, --query, --category or --use-text give it one")
        return lambda name: given  # noqa: ARG005
    if any(given):
        raise ValueError("--use-text takes each video's own text; leave --title, --query and --category out")
    if scorer.name == CONTRASTIVE or not scorer.text_fields:
        raise ValueError(f"--use-text is for checkpoints that were trained with text, which {scorer.name} was not")
    from sspvs.data.texts import text_of
    from sspvs.table import read_dataset

    dataset = read_dataset(args.features)

    def own(name: str) -> TextFields:
        text = text_of(dataset[name], dataset.name, title_as_query=args.title_as_query or scorer.title_as_query)
        if not any(field.strip() for field_name, field in text._asdict().items() if field_name in scorer.text_fields):
            silent.append(name)
        return text

    return own


def _text_settings(args: argparse.Namespace, scorer: Scorer) -> dict[str, Any]:
    if args.use_text:
        queried = args.title_as_query or scorer.title_as_query
        return {"text": "each video's own" + (", title as query" if queried else "")}
    more = {"query": args.query, "category": args.category}
    return {"title": args.title, **{name: text for name, text in more.items() if text}}


def _score_all(
    store: FeatureStore,
    scorer: Scorer,
    text_of: Callable[[str], TextFields],
    failures: list[str],
    lacking: Counter[str],
) -> Iterator[VideoScores]:
    """Scores video by video; a video that cannot be read or scored is reported and added to `failures`.

    `lacking` counts the streams that videos lack.
    """
    from tqdm import tqdm

    from sspvs.scorers.scoring import scored_video

    for name in tqdm(list(store), desc="scoring", unit="video", disable=None):
        try:
            video = store[name]
            scored = scored_video(scorer, name, video, text_of(name))
            lacking.update(scorer.lacks(video))
        except Exception as error:  # whatever one video meets, the rest go on
            failures.append(f"{name}: {reason(error)}")
            sys.stderr.write(f"error: {failures[-1]}\n")
            continue
        yield scored
