"""Options that several verbs have, declared once."""

from __future__ import annotations

import argparse


def add_scorer_argument(parser: argparse._ActionsContainer) -> None:
    """What scores the frames."""
    parser.add_argument(
        "--scorer",
        default="contrastive",
        metavar="NAME",
        help="contrastive (default; without training), or a checkpoint, fine-tuned or refined: a folder, a .ckpt file "
        "or a hub id",
    )


def add_text_arguments(group: argparse._ArgumentGroup) -> None:
    """What is known about a video in words."""
    group.add_argument("--title", default="", help="text that says what matters; guides the scores")
    group.add_argument("--query", default="", help="search query, for a checkpoint that was trained with text")
    group.add_argument("--category", default="", help="category, for a checkpoint that was trained with text")


def add_importance_arguments(group: argparse._ArgumentGroup) -> None:
    """Options of the contrastive importance, of features as they are or refined."""
    group.add_argument(
        "--combine",
        choices=("a", "g", "h", "ag", "ah", "gh", "agh"),
        help="terms that are multiplied: a local dissimilarity, g global consistency, and, with a refined checkpoint "
        "only, h uniqueness (default: ag, or as the checkpoint says)",
    )
    group.add_argument(
        "--post",
        choices=("summe", "tvsum", "none"),
        help="after the product p: p + 0.05 (summe) or exp(p - 1) (tvsum), smoothed; or nothing (default: summe, or as "
        "the checkpoint says)",
    )


def add_extraction_arguments(group: argparse._ArgumentGroup, *, rate_hz: float | None = 2.0) -> None:
    """Options of decoding and feature extraction.

    Args:
        group: Takes them.
        rate_hz: The default rate; None leaves it to the scorer.
    """
    group.add_argument("--backbone", default="auto", help="frame encoder by name (default: auto; see `sspvs doctor`)")
    default = "2, or as the checkpoint was trained" if rate_hz is None else f"{rate_hz:g}"
    group.add_argument(
        "--rate", type=float, default=rate_hz, metavar="HZ", help=f"frames looked at per second (default: {default})"
    )
    group.add_argument("--decoder", default="auto", choices=("auto", "pyav", "decord"), help="default: auto")
    group.add_argument(
        "--time-limit", type=float, default=60.0, metavar="SECONDS", help="stop a decoder that gives nothing this long"
    )
    group.add_argument(
        "--max-damaged", type=float, metavar="SHARE", help="refuse a video with more damaged frames (default: 0.33)"
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    group.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"), help="default: auto")
    group.add_argument("--download", action="store_true", help="fetch weights that are not on this machine")
