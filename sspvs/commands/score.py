"""`sspvs score`: importance scores for every video of a feature file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspvs.commands.arguments import add_importance_arguments
from sspvs.errors import FeatureFileError, one_line

if TYPE_CHECKING:
    from sspvs.features.backbones import Backbone
    from sspvs.features.store import FeatureStore, VideoScores
    from sspvs.types import FrameFeatures

DESCRIPTION = (
    "Score every video of a feature file (community h5 layout): dataset `scores` (one a pick) in a group a video. "
    "A video that cannot be read is reported and the rest go on."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("features", type=Path, metavar="FEATURES.h5", help="feature file")
    parser.add_argument("--out", required=True, type=Path, metavar="SCORES.h5", help="file to write")
    parser.add_argument("--scorer", default="contrastive", help="what scores the frames (default: contrastive)")
    add_importance_arguments(parser.add_argument_group("contrastive importance"))
    text = parser.add_argument_group("text")
    text.add_argument("--title", default="", help="text that guides the scores; needs the backbone of the features")
    text.add_argument("--backbone", help="the backbone that the features must come from (default: what the file says)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--download", action="store_true", help="fetch weights that are not on this machine")


def run(args: argparse.Namespace) -> int:
    """Score every video; 0 when all went well, 1 when some failed, 2 when all did."""
    from sspvs.features.store import read_features, write_scores

    if args.scorer != "contrastive":
        raise ValueError(f"scorer must be 'contrastive', got '{args.scorer}'")
    if args.out.exists() and args.features.exists() and args.out.samefile(args.features):
        raise ValueError(f"--out {args.out} is the feature file itself; choose another file for the scores")
    settings = {"combine": args.combine, "post": args.post, "title": args.title}
    failures: list[str] = []
    with read_features(args.features) as store:
        backbone = _text_backbone(store, args)
        if store.fingerprint is None:
            _warn(f"{args.features}: no feature fingerprint; nobody can tell what made these features")
        scored = _score_all(store, backbone, args, failures)
        first = next(scored, None)
        if first is None:
            raise FeatureFileError(failures[0] if failures else f"{args.features}: no videos in it")
        write_scores(
            args.out, chain([first], scored), scorer=args.scorer, settings=settings, fingerprint=store.fingerprint
        )
        total = len(store)
    print(f"{total - len(failures)} of {total} videos scored, in {args.out}")
    return 1 if failures else 0


def _warn(sentence: str) -> None:
    sys.stderr.write(f"warning: {sentence}\n")


def _text_backbone(store: FeatureStore, args: argparse.Namespace) -> Backbone | None:
    """The backbone for the title, or to hold the features against; None when neither is wanted."""
    from sspvs.features.backbones import load_backbone
    from sspvs.features.store import check_fingerprint

    found = store.fingerprint
    name = args.backbone or (found.backbone if found else None)
    if not args.title and not args.backbone:
        return None
    if name is None:
        raise ValueError(f"{args.features} does not say which backbone made it; name it with --backbone")
    backbone = load_backbone(name, device=args.device, download=args.download)
    warning = check_fingerprint(found, backbone.fingerprint(found.rate_hz if found else 2.0), str(args.features))
    if warning:
        _warn(warning)
    return backbone


def _score_all(
    store: FeatureStore, backbone: Backbone | None, args: argparse.Namespace, failures: list[str]
) -> Iterator[VideoScores]:
    """Scores video by video; a video that cannot be read or scored is reported and added to `failures`."""
    from tqdm import tqdm

    from sspvs.features.store import VideoScores

    for name in tqdm(list(store), desc="scoring", unit="video", disable=None):
        try:
            video = store[name]
            scores = _score_video(video, backbone, args)
        except (FeatureFileError, ValueError) as error:
            failures.append(f"{name}: {error}")
            sys.stderr.write(f"error: {name}: {one_line(error)}\n")
            continue
        yield VideoScores(name, scores, video.picks, video.n_frames, video.name)


def _score_video(video: FrameFeatures, backbone: Backbone | None, args: argparse.Namespace) -> Any:
    from sspvs.importance.contrastive import contrastive_importance

    similarity = backbone.text_similarity(video.features, args.title) if backbone and args.title else None
    return contrastive_importance(
        video.features, combine=args.combine, post=args.post, text_similarity=similarity, device=args.device
    ).scores
