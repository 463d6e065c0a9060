"""`sspvs import`: a released checkpoint of SSPVS or CTVSUM into a checkpoint folder of ours."""

import argparse
from pathlib import Path
from typing import Any

from sspvs.commands.arguments import options_for
from sspvs.errors import listed

DESCRIPTION = (
    "Turn the official SSPVS checkpoint (pretrained_model.ckpt, or a fine-tuned one), or a Lightning checkpoint of "
    "CTVSUM's code, into a folder with config.json and model.safetensors, and say what became of each tensor. A "
    "fine-tuned one, with stage heads, becomes a summarizer, with the pretraining model in DIR/pretraining when it is "
    "whole; CTVSUM's becomes a refined checkpoint for --scorer; a model of CSTA (split1.pt) a summarizer with the head "
    "csta. Only tensors, plain types and argparse.Namespace are read: a file that holds anything else is refused."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("checkpoint", type=Path, metavar="RELEASED.ckpt", help="the released checkpoint")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--num-heads",
        type=int,
        help="attention heads of the video tower (default: 8 when its width is 1024), or of CTVSUM's layers (default: "
        "one for each 64 of the attention's width)",
    )
    parser.add_argument(
        "--text-num-heads", type=int, help="attention heads of BERT (default: one for each 64 of its width)"
    )
    parser.add_argument(
        "--text-guidance",
        choices=("none", "added"),
        default="none",
        help="of a fine-tuned checkpoint: added when it was trained with text, which the file does not say "
        "(default: none)",
    )
    parser.add_argument(
        "--text-of",
        choices=("summe", "tvsum"),
        default="tvsum",
        help="with --text-guidance added: the dataset that it was trained on, which decides how many tokens each field "
        "of text gets (default: tvsum)",
    )
    parser.add_argument(
        "--post",
        choices=("summe", "tvsum", "none"),
        default="summe",
        help="of CTVSUM's: what follows the product of the terms, by the dataset that is scored (default: summe)",
    )


def run(args: argparse.Namespace) -> int:
    """Import; 0 when all went well."""
    from sspvs.tasks.csta_import import import_csta, is_csta
    from sspvs.tasks.ctvsum_import import import_ctvsum, is_ctvsum
    from sspvs.tasks.official_import import REPORT, import_official

    path = args.checkpoint
    importer: Any = import_ctvsum if is_ctvsum(path) else import_csta if is_csta(path) else import_official
    report = importer(path, **options_for(importer, args))
    print(f"{report.loaded} tensors loaded, none missing, in {args.out}")
    for word, names in (
        ("computed here", report.computed),
        ("unknown and left behind", report.unknown),
        ("of no use here and left behind", report.unused),
    ):
        if names:
            print(f"{len(names)} {word}: {listed(names)}")
    for note in report.notes:
        print(note)
    print(f"the whole report: {args.out / REPORT}")
    return 0
