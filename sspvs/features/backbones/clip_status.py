"""Which open_clip weights that `auto` takes are on this machine, for `sspvs doctor`."""

from __future__ import annotations

from sspvs.features.backbones.base import BackboneStatus
from sspvs.weights.clip_cache import find, hub_folder

# (tag, repository on the Hugging Face hub) of the ViT-B-32 weights that `auto` looks for, best first by the
# ImageNet zero-shot accuracy that open_clip publishes for them
VIT_B_32 = (
    ("datacomp_xl_s13b_b90k", "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K/"),
    ("laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K/"),
    ("openai", "timm/vit_base_patch32_clip_224.openai/"),
)


def status() -> list[BackboneStatus]:
    """Which of the ViT-B-32 weights are on this machine, best first."""
    found = [(f"open_clip:ViT-B-32/{tag}", find(repository)) for tag, repository in VIT_B_32]
    here = [BackboneStatus(name, True, str(path)) for name, path in found if path is not None]
    if here:
        return here
    name = f"open_clip:ViT-B-32/{VIT_B_32[1][0]}"
    return [
        BackboneStatus(
            name,
            False,
            f"{hub_folder()}/models--laion--CLIP-ViT-B-32-*",
            "give a file (open_clip:ViT-B-32//path/to/weights.safetensors) or allow the download (--download)",
        )
    ]
