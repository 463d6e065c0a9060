"""What looks at videos and scores them, loaded once for many."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sspvs.features.backbones import Backbone, load_backbone
from sspvs.features.transnet import weights_path
from sspvs.pipeline.settings import SummarySettings
from sspvs.scorers import CONTRASTIVE, Scorer, backbone_for, load_scorer
from sspvs.weights.digest import file_digest


@dataclass(frozen=True)
class Tools:
    """What looks at videos and scores them, loaded once for many, and the settings they go with.

    Attributes:
        backbone: The frame encoder.
        scorer: What scores the frames.
        settings: With the rate that both agree on.
    """

    backbone: Backbone
    scorer: Scorer
    settings: SummarySettings

    def settings_used(self) -> dict[str, Any]:
        """Plain values of the settings that had a say, for the report."""
        settings, backbone = self.settings, self.backbone
        trained = str(settings.scorer) != CONTRASTIVE
        unused = {
            "kts_penalty": settings.segmenter != "kts",
            "shot_seconds": settings.segmenter != "uniform",
            "shots_unit": settings.segmenter != "given",
            "title": True,  # stands in the summary itself
            "query": not settings.query,
            "category": not settings.category,
            "scorer": trained,
            "combine": True,  # the scorer's own settings say which
            "post": True,
            "device": True,
        }
        used = {name: value for name, value in asdict(settings).items() if value is not None and not unused.get(name)}
        if settings.duration is None and settings.max_shots is None:
            used["ratio"] = settings.budget().ratio
        if settings.shots is not None:
            used["shots"] = Path(settings.shots).name
            used["shots_sha256"] = file_digest(Path(settings.shots))
        return {"backbone": backbone.name, "backbone_reason": backbone.reason, **self.scorer.settings, **used}


def load_tools(
    settings: SummarySettings, backbone: str | Backbone = "auto", *, precision: str = "auto", download: bool = False
) -> Tools:
    """Load the scorer, and the backbone that goes with it.

    Args:
        settings: What decides which frames are kept.
        backbone: As in `summarize`.
        precision: As in `load_backbone`; of the backbone alone.
        download: Whether weights that are not here may be fetched.

    Raises:
        ValueError: The scorer does not read the text, or a backbone must be named.
        FingerprintMismatchError: Backbone and rate are not those that the scorer was trained on.
        SspvsError: The scorer or the weights are missing or broken.
    """
    if settings.segmenter == "transnet":
        weights_path()  # a missing package is told now, not after the video was looked at
    device = settings.device
    if str(settings.scorer) == CONTRASTIVE:
        if isinstance(backbone, str):
            backbone = load_backbone(backbone, device=device, precision=precision, download=download)
        scorer = load_scorer(
            CONTRASTIVE, device=device, combine=settings.combine, post=settings.post, backbone=backbone
        )
    else:
        scorer = load_scorer(
            settings.scorer, device=device, download=download, combine=settings.combine, post=settings.post
        )
    scorer.check_text(settings.text)
    chosen, rate_hz = backbone_for(
        scorer, backbone, settings.rate_hz, device=device, precision=precision, download=download
    )
    return Tools(chosen, scorer, replace(settings, rate_hz=rate_hz))
