"""The protocols in use, by name: no number without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sspvs.registry import Registry

if TYPE_CHECKING:
    from sspvs.types import Annotations, BoolArray, FloatArray

References = Literal["users", "mean-summary", "gtscore"]


@dataclass(frozen=True)
class Protocol:
    """What is correlated with what, or ranked against what.

    Attributes:
        name: As on the command line and in result files.
        prediction: `scores`, the continuous importance, or `summary`, the binary summary made from it.
        clock: `picks` (every 15th frame in the community's files) or `frames` (scores held to every frame).
        reference: `users`: a correlation with each user's scores, then the mean of them. `mean-summary`: one
            correlation with the mean of the users' binary summaries. `gtscore`: one with the mean annotator. A
            function gives references of its own: annotations -> (U, n) finite numbers on the protocol's clock, a
            correlation with each, then the mean of them; None where the annotations lack what it takes.
        sentence: The protocol spelled out, for tables.
        used_by: Who publishes under it.
        figure: `precision`: average precision of the clips that the references, bool, take for highlights, in place of
            tau and rho; the mean over videos of each kind (`category`), then over kinds.
        in_all: Whether it is one of `all`.

    Raises:
        ValueError: The prediction or the reference is on another clock.
    """

    name: str
    prediction: Literal["scores", "summary"]
    clock: Literal["picks", "frames"]
    reference: References | Callable[[Annotations], FloatArray | BoolArray | None]
    sentence: str
    used_by: tuple[str, ...] = ()
    figure: Literal["correlation", "precision"] = "correlation"
    in_all: bool = True

    def __post_init__(self) -> None:
        of_frames = self.prediction == "summary" or self.reference == "mean-summary"
        if (of_frames and self.clock != "frames") or (self.reference == "gtscore" and self.clock != "picks"):
            raise ValueError(
                f"{self.name}: summaries are on the clock 'frames' and gtscore on 'picks', not {self.clock}"
            )

    @property
    def each_user(self) -> bool:
        """Whether there is a correlation with each of several references."""
        return self.reference == "users" or callable(self.reference)


DEFAULT_PROTOCOL = "per-user"

PROTOCOLS: Registry[Protocol] = Registry("protocol")
"""Every protocol by name. `PROTOCOLS.register(own.name)(own)` adds one, and so does an entry point `sspvs.protocols`.

Otani et al., CVPR 2019, is the first: "Rethinking the evaluation of video summaries".
"""


def _highlights(annotations: Annotations) -> BoolArray | None:
    from sspvs.evaluation.average_precision import highlights_of  # numpy: the command line's help does without

    return highlights_of(annotations)


def _block_means(annotations: Annotations) -> FloatArray | None:
    from sspvs.evaluation.requirements import block_means

    return block_means(annotations)


for _protocol in (
    Protocol(
        "per-user",
        "scores",
        "picks",
        "users",
        "scores at the picks against each user's scores at the picks, then the mean over users",
        ("Otani 2019", "CTVSUM (TVSum)", "CA-SUM", "CSTA (TVSum)", "LLMVS (TVSum)", "SummDiff (TVSum)"),
    ),
    Protocol(
        "per-user-frames",
        "scores",
        "frames",
        "users",
        "scores held to every frame against each user's scores at every frame, then the mean over users",
        ("SSPVS",),
    ),
    Protocol(
        "summary-vs-mean",
        "summary",
        "frames",
        "mean-summary",
        "the binary 15 % summary at every frame against the mean of the users' binary summaries",
        ("MSVA", "CSTA (SumMe)", "LLMVS (SumMe)", "SummDiff (SumMe)"),
    ),
    Protocol(
        "mean-annotator",
        "scores",
        "picks",
        "gtscore",
        "scores at the picks against the mean annotator (gtscore)",
        ("VideoSAGE", "AHA"),
    ),
    Protocol(
        "per-user-blocks",
        "scores",
        "picks",
        _block_means,
        "scores at the picks against the share of each pick's frames (15 of them) that each user selected, ratings as "
        "they are at the picks; then the mean over users",
        ("CTVSUM (SumMe)",),
        in_all=False,
    ),
    Protocol(
        "highlight-map",
        "scores",
        "picks",
        _highlights,
        "average precision of the ranked clips against labels, or of the first five against each user's ratings; mean "
        "over kinds",
        ("UMT", "QD-DETR"),
        "precision",
        in_all=False,
    ),
):
    PROTOCOLS.register(_protocol.name)(_protocol)


def protocol_names() -> tuple[str, ...]:
    """What `protocols_named` takes: every protocol's name, and `all`."""
    return (*PROTOCOLS, "all")


def protocols_named(name: str) -> tuple[Protocol, ...]:
    """The protocol of a name, or for `all` those that are in use for correlations, without variants of them.

    Raises:
        ValueError: When there is no such protocol.
    """
    if name == "all":
        return tuple(protocol for protocol in PROTOCOLS.values() if protocol.in_all)
    if name not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)} or all, got {name!r}")
    return (PROTOCOLS[name],)
