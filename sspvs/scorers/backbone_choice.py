"""The backbone and the rate that make the features a scorer needs."""

from __future__ import annotations

from sspvs.errors import FingerprintMismatchError
from sspvs.features.backbones import Backbone, load_backbone
from sspvs.scorers.base import Scorer
from sspvs.table import differences
from sspvs.types import Fingerprint

DEFAULT_RATE_HZ = 2.0
SYNTHETIC = "synthetic"
"""How the backbone of a world's features begins: no frame of a video was looked at."""


def backbone_for(
    scorer: Scorer,
    backbone: str | Backbone = "auto",
    rate_hz: float | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    download: bool = False,
) -> tuple[Backbone, float]:
    """The backbone and the rate that give the features a scorer needs.

    Args:
        scorer: A trained one needs features like those it was trained on; any suit the others.
        backbone: By name, or loaded; `auto` leaves the choice to the scorer, or else to what is on this machine.
        rate_hz: Picks per second of video; None leaves the choice to the scorer, or else 2.
        device: As in `load_backbone`, like `precision` and `download`.
        precision: As in `load_backbone`.
        download: As in `load_backbone`.

    Raises:
        FingerprintMismatchError: `backbone` gives other features than those the scorer was trained on, or these are of
            no backbone at all.
        ValueError: A backbone must be named and is not, or gives features of another width.
        WeightsNotFoundError: The backbone's weights are not on this machine.
    """
    expects = scorer.expects
    if expects is not None and is_synthetic(expects):
        raise FingerprintMismatchError(synthetic_refusal(scorer))
    unknown = scorer.feature_dim is not None and expects is None
    if backbone == "auto" and unknown:
        raise ValueError(
            f"{scorer.name} does not say which backbone made the {scorer.feature_dim}-D features it was trained on; "
            "name it with --backbone, and the rate with --rate"
        )
    rate = rate_hz or (DEFAULT_RATE_HZ if expects is None else expects.rate_hz)
    if not isinstance(backbone, str):
        loaded = backbone
    elif backbone == "auto" and expects is not None:
        loaded = load_backbone(expects.backbone, device=device, precision=precision, download=download)
        loaded.reason = f"what {scorer.name} was trained on"
    else:
        if expects is not None and backbone.partition(":")[0] != expects.backbone.partition(":")[0]:
            raise FingerprintMismatchError(_other(scorer, f"of {backbone}"))  # before its weights are looked for
        loaded = load_backbone(backbone, device=device, precision=precision, download=download)
    if expects is not None:
        _check(scorer, loaded, rate)
    if scorer.feature_dim not in (None, loaded.feature_dim):
        raise ValueError(
            f"{scorer.name} was trained on features of width {scorer.feature_dim}, and {loaded.name} gives "
            f"{loaded.feature_dim}; name the backbone it was trained on with --backbone"
        )
    return loaded, rate


def is_synthetic(fingerprint: Fingerprint) -> bool:
    """Whether features come from a synthetic world: no backbone can give them."""
    return fingerprint.backbone.startswith(SYNTHETIC)


def synthetic_refusal(scorer: Scorer) -> str:
    """Why a scorer that was trained on a synthetic world does not look at videos."""
    assert scorer.expects is not None
    made_by = scorer.expects.backbone
    what = "drawn features" if made_by == f"{SYNTHETIC}:drawn" else "features of videos composed of clips"
    return (
        f"{scorer.name} was trained on {what} ('{made_by}'), which no backbone gives: it cannot look at real videos; "
        "train one on features that a backbone extracts (`sspvs extract`), or take --scorer contrastive"
    )


def _check(scorer: Scorer, backbone: Backbone, rate_hz: float) -> None:
    """Refuse a backbone that is loaded, or its rate, where the scorer was trained on others."""
    expects = scorer.expects
    assert expects is not None
    if backbone.name != expects.backbone:
        raise FingerprintMismatchError(_other(scorer, f"of {backbone.name}"))
    if differing := differences(backbone.fingerprint(rate_hz), expects):
        raise FingerprintMismatchError(_other(scorer, f"these ({differing})"))


def _other(scorer: Scorer, these: str) -> str:
    assert scorer.expects is not None
    return (
        f"{scorer.name} was trained on features of {scorer.expects.backbone} at {scorer.expects.rate_hz:g} Hz, not on "
        f"{these}; leave --backbone and --rate out, or name those"
    )
