"""The rank-correlation protocols in use, by name: no number without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Protocol:
    """What is correlated with what.

    Attributes:
        name: As on the command line and in result files.
        prediction: `scores`, the continuous importance, or `summary`, the binary summary made from it.
        clock: `picks` (every 15th frame in the community's files) or `frames` (scores held to every frame).
        reference: `users`: a correlation with each user's scores, then the mean of them. `mean-summary`: one
            correlation with the mean of the users' binary summaries. `gtscore`: one with the mean annotator.
        sentence: The protocol spelled out, for tables.
        used_by: Who publishes under it.
    """

    name: str
    prediction: Literal["scores", "summary"]
    clock: Literal["picks", "frames"]
    reference: Literal["users", "mean-summary", "gtscore"]
    sentence: str
    used_by: tuple[str, ...] = ()


DEFAULT_PROTOCOL = "per-user"

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol(
                "per-user",
                "scores",
                "picks",
                "users",
                "scores at the picks against each user's scores at the picks, then the mean over users",
                ("Otani 2019", "CTVSUM", "CA-SUM", "CSTA (TVSum)", "LLMVS (TVSum)", "SummDiff (TVSum)"),
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
        )
    }
)
"""Otani et al., CVPR 2019, is the first: "Rethinking the evaluation of video summaries"."""


def protocols_named(name: str) -> tuple[Protocol, ...]:
    """The protocol of a name, or all of them for `all`.

    Raises:
        ValueError: When there is no such protocol.
    """
    if name == "all":
        return tuple(PROTOCOLS.values())
    if name not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)} or all, got {name!r}")
    return (PROTOCOLS[name],)
