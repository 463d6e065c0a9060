"""Named frame encoders: a name in, a ready encoder out.

Names: `efficientnet-lite0` (always there), `auto`. Nothing is downloaded unless `download` is asked for.
"""

from __future__ import annotations

from sspvs.features.backbones.base import Backbone, BackboneStatus

__all__ = ["Backbone", "BackboneStatus", "available_backbones", "load_backbone"]


def load_backbone(
    name: str = "auto",
    *,
    device: str = "auto",
    precision: str = "auto",
    download: bool = False,
    threads: int | None = None,
) -> Backbone:
    """Load a backbone by name."""
    from sspvs.features.backbones.efficientnet_lite import EfficientNetLite0

    if name not in ("auto", "efficientnet-lite0"):
        raise ValueError(f"unknown backbone {name!r}")
    return EfficientNetLite0(device=device, precision=precision, threads=threads)


def available_backbones() -> list[BackboneStatus]:
    """Which backbones can be used on this machine, best first."""
    from sspvs.features.backbones import efficientnet_lite

    return [efficientnet_lite.status()]
