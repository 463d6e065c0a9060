"""Named frame encoders, each with its own preprocessing and weights.

    efficientnet-lite0                ImageNet, 1280-D; its weights come with the package: always there
    googlenet                         ImageNet pool5, 1024-D, the community's features; torch hub's cache
    googlenet:/path/to/weights.pth    the same from a file
    open_clip:MODEL/TAG               any open_clip model; the Hugging Face cache
    open_clip:MODEL//path/to/weights  the same from a file (.safetensors, .pt, .pth, .bin)
    open_clip:MODEL/random            random weights from a fixed seed: for speed and tests only
    auto                              the best one here: open_clip ViT-B-32, then googlenet, then efficientnet-lite0

Nothing is downloaded unless `download=True`. Weights are loaded without running code from them. A new backbone is one
class: see `Backbone`.
"""

from collections.abc import Callable, Iterable

from sspvs.errors import WeightsNotFoundError
from sspvs.features.backbones.base import BACKBONES, Backbone, BackboneStatus

__all__ = ["BACKBONES", "Backbone", "BackboneStatus", "list_backbones", "load_backbone"]


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
        name: As `list_backbones` lists them; `auto` takes the best one whose weights are on this machine.
        device: `auto` (a GPU where there is one), `cpu` or `cuda`.
        precision: `auto` (fp16 on a GPU, fp32 on a CPU), `fp32`, `fp16` or `bf16`.
        download: Whether missing weights may be downloaded; never for `auto`.
        threads: CPU threads; None takes all cores this process may use.

    Returns:
        The encoder: `encode` turns (B, H, W, 3) uint8 frames into (B, D) float32 features.

    Raises:
        ValueError: An unknown name, device or precision.
        WeightsNotFoundError: The weights are missing or not what they should be.

    Example:
        >>> backbone = sspvs.load_backbone("efficientnet-lite0", device="cpu")
        >>> backbone.feature_dim
        1280
    """
    if name == "auto":
        best, reason = choose_best(_statuses(backbone for backbone in BACKBONES.values() if backbone.rank))
        backbone = load_backbone(best, device=device, precision=precision, threads=threads)
        backbone.reason = reason
        return backbone
    kind, _, weights = name.partition(":")
    found = BACKBONES.get(kind)
    if found is None or not any(bool(weights) == (":" in form) for form in found.forms or (kind,)):
        forms = [form for known in sorted(BACKBONES) for form in BACKBONES[known].forms or (known,)]
        raise ValueError(f"unknown backbone {name!r}; there are auto, {', '.join(forms)}")
    make: Callable[..., Backbone] = found
    return make(weights, device=device, precision=precision, download=download, threads=threads)


def list_backbones() -> list[BackboneStatus]:
    """The backbones and whether their weights are on this machine, best first; imports nothing heavy.

    Returns:
        One status for each set of weights, with the width of its features where that is known.

    Example:
        >>> "efficientnet-lite0" in [status.name for status in sspvs.list_backbones()]
        True
    """
    return _statuses(BACKBONES.values())


def choose_best(statuses: list[BackboneStatus]) -> tuple[str, str]:
    """The name of the first available backbone, of statuses from best to worst, and a sentence about why."""
    for position, status in enumerate(statuses):
        if status.available:
            missing = ", ".join(better.name for better in statuses[:position])
            why = f"; no weights here for {missing}" if missing else ""
            return status.name, f"the best backbone whose weights are on this machine{why}"
    raise WeightsNotFoundError(f"no backbone has weights on this machine: {statuses[-1].remedy}")


def _statuses(backbones: Iterable[type[Backbone]]) -> list[BackboneStatus]:
    return [status for backbone in sorted(backbones, key=lambda one: -one.rank) for status in backbone.status()]
