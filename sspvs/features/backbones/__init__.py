"""Named frame encoders: a name in, a ready encoder out, each with its own preprocessing and weights.

    efficientnet-lite0                ImageNet, 1280-D; its weights come with the package: always there
    googlenet                         ImageNet pool5, 1024-D, the community's features; torch hub's cache
    googlenet:/path/to/weights.pth    the same from a file
    open_clip:MODEL/TAG               any open_clip model; the Hugging Face cache
    open_clip:MODEL//path/to/weights  the same from a file (.safetensors, .pt, .pth, .bin)
    open_clip:MODEL/random            random weights from a fixed seed: for speed and tests only
    auto                              the best one here: open_clip ViT-B-32, then googlenet, then efficientnet-lite0

Nothing is downloaded unless `download=True`. Weights are loaded without running code from them.
"""

from __future__ import annotations

from sspvs.features.backbones.base import Backbone, BackboneStatus

__all__ = ["Backbone", "BackboneStatus", "available_backbones", "load_backbone"]

NAMES = "auto, efficientnet-lite0, googlenet, googlenet:/path/to/weights.pth, open_clip:MODEL/TAG"


def load_backbone(
    name: str = "auto",
    *,
    device: str = "auto",
    precision: str = "auto",
    download: bool = False,
    threads: int | None = None,
) -> Backbone:
    """Load a backbone by name.

    Args:
        name: See the module; `auto` takes the best one whose weights are on this machine.
        device: `auto` (a GPU where there is one), `cpu` or `cuda`.
        precision: `auto` (fp16 on a GPU, fp32 on a CPU), `fp32`, `fp16` or `bf16`.
        download: Whether missing weights may be downloaded; never for `auto`.
        threads: CPU threads; None takes all cores this process may use.

    Raises:
        ValueError: An unknown name, device or precision.
        WeightsNotFoundError: The weights are missing or not what they should be.
    """
    if name == "auto":
        best, reason = choose_best(available_backbones())
        backbone = load_backbone(best, device=device, precision=precision, threads=threads)
        backbone.reason = reason
        return backbone
    if name == "efficientnet-lite0":
        from sspvs.features.backbones.efficientnet_lite import EfficientNetLite0

        return EfficientNetLite0(device=device, precision=precision, threads=threads)
    kind, _, rest = name.partition(":")
    if kind == "googlenet":
        from sspvs.features.backbones.googlenet import GoogLeNet

        return GoogLeNet(rest, device=device, precision=precision, download=download, threads=threads)
    if kind == "open_clip" and rest:
        from sspvs.features.backbones.clip import OpenClip

        return OpenClip(name, device=device, precision=precision, download=download, threads=threads)
    raise ValueError(f"unknown backbone {name!r}; there are {NAMES}")


def available_backbones() -> list[BackboneStatus]:
    """Which backbones can be used on this machine, best first; imports nothing heavy."""
    from sspvs.features.backbones import clip as clip_status
    from sspvs.features.backbones import efficientnet_lite, googlenet

    return [*clip_status.status(), googlenet.status(), efficientnet_lite.status()]


def choose_best(statuses: list[BackboneStatus]) -> tuple[str, str]:
    """The first available backbone, and why it was taken.

    Args:
        statuses: Best first.

    Returns:
        Its name, and a sentence.

    Raises:
        WeightsNotFoundError: None is available.
    """
    from sspvs.errors import WeightsNotFoundError

    for position, status in enumerate(statuses):
        if status.available:
            missing = ", ".join(better.name for better in statuses[:position])
            why = f"; no weights here for {missing}" if missing else ""
            return status.name, f"the best backbone whose weights are on this machine{why}"
    raise WeightsNotFoundError(f"no backbone has weights on this machine: {statuses[-1].remedy}")
