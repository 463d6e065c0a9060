"""Options that several verbs have, declared once."""

from __future__ import annotations

import argparse


def add_importance_arguments(group: argparse._ArgumentGroup) -> None:
    """Options of the contrastive importance."""
    group.add_argument(
        "--combine",
        choices=("a", "ag"),
        default="ag",
        help="a: local dissimilarity; ag: times global consistency (default)",
    )
    group.add_argument(
        "--post",
        choices=("summe", "tvsum", "none"),
        default="summe",
        help="after the product p: p + 0.05 (summe, default) or exp(p - 1) (tvsum), smoothed; or nothing",
    )


def add_extraction_arguments(group: argparse._ArgumentGroup) -> None:
    """Options of decoding and feature extraction."""
    group.add_argument("--backbone", default="auto", help="frame encoder by name (default: auto; see `sspvs doctor`)")
    group.add_argument("--rate", type=float, default=2.0, metavar="HZ", help="frames looked at per second (default: 2)")
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
