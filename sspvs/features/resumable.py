"""The part of an extraction that does not depend on the engine: what to do, what was done, in one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sspvs.features.parts import Job, open_parts
from sspvs.types import Fingerprint


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes:
        job: The job.
        packed: The features as a part file; empty when it failed.
        reason: Why it failed, in one line; empty when it did not.
        n_frames: Frames decoded.
        n_picks: Features made.
        warnings: Sentences about the video.
    """

    job: Job
    packed: bytes = b""
    reason: str = ""
    n_frames: int = 0
    n_picks: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction of many videos did.

    Attributes:
        out: The feature file.
        extracted: Groups made in this run.
        kept: Groups that were there already, from unchanged videos.
        failed: (path, reason) of each video that could not be used.
        warnings: (group, sentence) of each thing decoding met.
        n_frames: Frames decoded in this run.
        n_picks: Features made in this run.
        seconds: How long the run took.
    """

    out: Path
    extracted: tuple[str, ...]
    kept: tuple[str, ...]
    failed: tuple[tuple[Path, str], ...]
    warnings: tuple[tuple[str, str], ...]
    n_frames: int
    n_picks: int
    seconds: float


def run_jobs(
    paths: Sequence[Path],
    out: Path,
    fingerprint: Fingerprint,
    produce: Callable[[Sequence[Job]], Iterator[Outcome]],
    *,
    overwrite: bool = False,
) -> ExtractionReport:
    """Extract what is not there yet, keep each video as soon as it is finished, and merge at the end.

    Args:
        paths: The videos.
        out: The feature file to make or add to.
        fingerprint: What makes the features.
        produce: The engine: turns jobs into outcomes, in any order.
        overwrite: Replace `out` instead of adding to it.

    Returns:
        What was done, kept and refused.
    """
    began = time.perf_counter()
    outcomes: list[Outcome] = []
    with open_parts(out, fingerprint, overwrite=overwrite) as parts:
        to_do, done, failed = parts.plan(paths)
        if to_do:
            for outcome in produce(to_do):
                if outcome.reason:
                    failed.append((outcome.job.path, outcome.reason))
                    continue
                parts.add(outcome.job, outcome.packed)
                outcomes.append(replace(outcome, packed=b""))
        parts.merge(only=[job.group for job in (*to_do, *done)] if overwrite else None)
    return ExtractionReport(
        out=out,
        extracted=tuple(sorted(outcome.job.group for outcome in outcomes)),
        kept=tuple(sorted(job.group for job in done)),
        failed=tuple(sorted(failed)),
        warnings=tuple((o.job.group, warning) for o in outcomes for warning in o.warnings),
        n_frames=sum(outcome.n_frames for outcome in outcomes),
        n_picks=sum(outcome.n_picks for outcome in outcomes),
        seconds=time.perf_counter() - began,
    )
