"""What a dataset can be used for, counted over its videos."""

from __future__ import annotations

from dataclasses import dataclass, field

from sspvs.data.formats.inspection import Inspection, Use, number_of, span
from sspvs.types import Annotations


@dataclass
class Tally:
    """What the videos of a dataset have, counted.

    Attributes:
        n_frames: N of each video that can be read.
        n_picks: T of each.
        n_users: U of each.
        with_features: How many have features.
        with_gtscore: How many have a mean annotator.
        unavailable: Protocol -> why it is not available, a reason a video.
    """

    n_frames: list[int] = field(default_factory=list)
    n_picks: list[int] = field(default_factory=list)
    n_users: list[int] = field(default_factory=list)
    with_features: int = 0
    with_gtscore: int = 0
    unavailable: dict[str, list[str]] = field(default_factory=dict)

    def add(self, annotations: Annotations, *, has_features: bool) -> None:
        """Count one video in."""
        from sspvs.evaluation.protocol import PROTOCOLS
        from sspvs.evaluation.requirements import unavailable

        self.n_frames.append(annotations.n_frames)
        self.n_picks.append(len(annotations.picks))
        self.n_users.append(annotations.n_users)
        self.with_features += has_features
        self.with_gtscore += annotations.gtscore is not None
        for name, protocol in PROTOCOLS.items():
            reason = unavailable(protocol, annotations)
            if reason:
                self.unavailable.setdefault(name, []).append(reason)

    def facts(self) -> dict[str, str]:
        """The sizes of the videos."""
        return {
            "frames a video (N)": span(self.n_frames),
            "picks a video (T)": span(self.n_picks),
            "annotators a video (U)": span(self.n_users),
        }

    def uses(self) -> list[Use]:
        """Each protocol, scoring without training, training."""
        from sspvs.evaluation.protocol import PROTOCOLS

        readable = len(self.n_frames)
        uses = []
        for name in PROTOCOLS:
            reasons = self.unavailable.get(name, [])
            why = f"{number_of(len(reasons), 'video')}: {reasons[0]}" if reasons else ""
            uses.append(Use(f"evaluation under {name}", readable > 0 and not reasons, why))
        features = "" if self.with_features == readable else f"{self.with_features} of {readable} videos have features"
        gtscore = "" if self.with_gtscore == readable else f"{self.with_gtscore} of {readable} videos have gtscore"
        lacks = "; ".join(text for text in (features, gtscore) if text)
        scoring = "scoring it without training (sspvs score, --baseline contrastive)"
        return [*uses, Use(scoring, not features, features), Use("training a summarizer on it", not lacks, lacks)]


def note_constant_users(annotations: Annotations, inspection: Inspection) -> None:
    """Annotators who say the same everywhere have no rank correlation with anything."""
    scores = annotations.user_scores_at_picks
    constant = 0 if scores is None else int((scores.min(axis=1) == scores.max(axis=1)).sum())
    if constant:
        inspection.problem(
            f"{number_of(constant, 'annotator')} gave one value at every pick: no rank correlation; left out of the "
            "means and counted",
            annotations.key,
            blocking=False,
        )
