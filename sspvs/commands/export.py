"""`sspvs export`: a summarizer or a refiner for others: an ONNX file, a model card, the Hugging Face hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.commands.arguments import check_outputs, file_name
from sspvs.overwriting import ONNX, refuse_inputs
from sspvs.schema import refuse

if TYPE_CHECKING:
    from sspvs.export.figures import Figures
    from sspvs.export.onnx import OnnxReport

DESCRIPTION = (
    "Give a fine-tuned summarizer or a refined checkpoint to others. CHECKPOINT is a folder "
    "(runs/NAME/version_0/pretrained/best), a .ckpt file of fine-tuning or refinement, or a hub id on this machine. An "
    "ONNX file is run beside torch, and gets its name when both give the same; of a refined checkpoint it gives "
    "features and uniqueness, which the card says how to score by. Of a folder only config.json, model.safetensors and "
    "README.md are uploaded."
)
_FOLDER = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("checkpoint", type=file_name, metavar="CHECKPOINT", help="what to export")
    parser.add_argument(
        "--onnx", type=Path, metavar="FILE.onnx", help="write an ONNX file; its metadata say which features it takes"
    )
    parser.add_argument(
        "--card",
        nargs="?",
        const=_FOLDER,
        metavar="FILE.md",
        help="write a model card, README.md in the checkpoint's folder unless named",
    )
    parser.add_argument("--push-to-hub", metavar="USER/NAME", help="upload it to the Hugging Face hub; log in first")
    details = parser.add_argument_group("details")
    details.add_argument(
        "--results",
        nargs="+",
        default=[],
        type=Path,
        metavar="R.json",
        help="its figures: result.json of `sspvs crossval` or `sspvs evaluate`, the fold's fold.json, or both",
    )
    details.add_argument("--license", metavar="ID", help="of the weights, such as cc-by-nc-4.0 (default: unknown)")
    details.add_argument("--overwrite", action="store_true", help="replace a model card that is there")
    details.add_argument("--private", action="store_true", help="upload to a private repository only")
    details.add_argument("--opset", type=int, help="of the ONNX file (default: 17)")
    details.add_argument("--no-check", action="store_true", help="do not run the ONNX file (needs no onnxruntime)")


def run(args: argparse.Namespace) -> int:
    """Export; 0 when all went well."""
    _check(args)
    check_outputs(args, onnx=ONNX)
    from sspvs.atomic import together
    from sspvs.export.figures import Figures
    from sspvs.export.hub import push_to_hub
    from sspvs.export.model_card import CARD, write_model_card
    from sspvs.export.onnx import OPSET, export_onnx
    from sspvs.export.source import CheckpointFacts, find_exported, load_exported

    path = None if args.card is None else Path(args.card) if args.card != _FOLDER else Path(args.checkpoint) / CARD
    if path is not None:
        refuse_inputs([path], [Path(args.checkpoint), *args.results])
    find_exported(args.checkpoint)
    figures = Figures.read(args.results, CheckpointFacts.of(args.checkpoint)) if args.results else None
    report = None
    with together():
        if args.onnx is not None:
            opset = OPSET if args.opset is None else args.opset
            task = load_exported(args.checkpoint)
            report = export_onnx(task, args.onnx, opset=opset, check=not args.no_check, figures=figures)
        if path is not None:
            write_model_card(path, _card(args, figures), overwrite=args.overwrite)
    if report is not None:
        _show(report)
    if path is not None:
        print(f"model card: {path}")
    if args.push_to_hub is not None:
        anew = path is not None or figures is not None or args.license is not None
        card = _card(args, figures) if anew else None
        address = push_to_hub(args.checkpoint, args.push_to_hub, private=args.private, card=card, onnx=args.onnx)
        print(f"uploaded: {address}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot be meant, all at once."""
    onnx, card, hub = (place is not None for place in (args.onnx, args.card, args.push_to_hub))
    rules = {
        "nothing to do: give --onnx FILE.onnx, --card or --push-to-hub USER/NAME": onnx or card or hub,
        "--opset and --no-check belong to --onnx": onnx or (args.opset is None and not args.no_check),
        "--private belongs to --push-to-hub": hub or not args.private,
        "--license belongs to --card and --push-to-hub": card or hub or args.license is None,
        "--overwrite belongs to --card": card or not args.overwrite,
        f"{args.checkpoint} is no folder that a card could go into; name it: --card FILE.md": args.card != _FOLDER
        or Path(args.checkpoint).is_dir(),
    }
    refuse("", [message for message, holds in rules.items() if not holds])


def _show(report: OnnxReport) -> None:
    print(
        f"ONNX: {report.path}, {report.n_bytes / 1e6:.1f} MB, opset {report.opset}; {', '.join(report.inputs)} -> "
        f"{', '.join(report.outputs)}"
    )
    check = report.check
    if check is None:
        print("not checked against torch")
        return
    print(
        f"checked with onnxruntime {check.runtime} on videos of {', '.join(map(str, check.picks))} frames: all "
        f"within {check.max_difference:.1g} of torch's (allowed: {check.tolerance:g})"
    )


def _card(args: argparse.Namespace, figures: Figures | None) -> str:
    from sspvs.export.hub import ONNX
    from sspvs.export.model_card import UNKNOWN_LICENSE, model_card

    beside = None if args.onnx is None else args.onnx.name
    return model_card(
        args.checkpoint,
        name=args.push_to_hub,
        on_hub=args.push_to_hub is not None or not Path(args.checkpoint).exists(),
        license=args.license or UNKNOWN_LICENSE,
        figures=figures,
        onnx=beside if args.push_to_hub is None or beside is None else ONNX,
    )
