"""The same extraction on Ray Data, on this machine or a cluster: same parts, same file.

A Ray data set of jobs, one a block, goes through a pool of actors that each hold the backbone. What comes back is
the part file's bytes; this process alone writes, so that resuming and merging are those of the local engine. On a
cluster, the videos must lie under the same paths on every node, and this package must be installed there.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sspvs.errors import MissingExtraError, SspvsError
from sspvs.features.backbones import Backbone
from sspvs.features.extract import extract_job
from sspvs.features.parts import Job
from sspvs.features.progress import VideosBar
from sspvs.features.resumable import ExtractionReport, Outcome, run_jobs
from sspvs.features.store import SourceStamp
from sspvs.types import Fingerprint

CPUS_PER_ACTOR = 2
"""One for the network and one for the decoder's own process."""


def extract_with_ray(
    paths: Sequence[Path],
    out: Path,
    load: Callable[[], Backbone],
    fingerprint: Fingerprint,
    *,
    address: str | None = None,
    workers: int | None = None,
    on_gpu: bool = False,
    decoder: str = "auto",
    batch_size: int = 32,
    time_limit_seconds: float = 60.0,
    overwrite: bool = False,
    progress: bool = False,
) -> ExtractionReport:
    """Features of many videos, into one file, computed by Ray.

    Args:
        paths: The videos.
        out: The feature file to make or add to.
        load: Loads the backbone; called once in each actor, so it must be picklable.
        fingerprint: What that backbone makes, with the sampling rate; an actor whose backbone differs is refused.
        address: A running cluster (`auto`, `host:6379`, `ray://host:10001`); None starts Ray on this machine.
        workers: The most actors; None takes as many as there is room for.
        on_gpu: Give each actor a GPU.
        decoder: `auto`, `pyav` or `decord`.
        batch_size: Frames encoded at a time.
        time_limit_seconds: Longest time a decoder may give nothing before it is stopped.
        overwrite: Replace `out` instead of adding to it.
        progress: Show a progress bar; quiet when stderr is no terminal.

    Returns:
        What was done, kept and refused.

    Raises:
        MissingExtraError: Ray is not installed.
        SspvsError: Ray cannot be reached, or an actor failed; and whatever `extract_to_file` raises.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'the ray engine needs Ray Data, which is not installed; pip install "sspvs[ray]", or use --engine local'
        ) from error
    settings = {
        "rate_hz": fingerprint.rate_hz,
        "decoder": decoder,
        "batch_size": batch_size,
        "time_limit_seconds": time_limit_seconds,
    }

    def produce(jobs: Sequence[Job]) -> Iterator[Outcome]:
        with _ray_running(address), VideosBar(len(jobs), show=progress) as bar:
            for row in _rows(jobs, load, fingerprint, settings, workers, on_gpu):
                job = jobs[row["index"]]
                with bar.video(job.path.name):
                    yield _outcome(job, row)

    return run_jobs(paths, out, fingerprint, produce, overwrite=overwrite)


class _Actor:
    """Holds the backbone and extracts one video a call."""

    def __init__(self, load: Callable[[], Backbone], fingerprint: Fingerprint, settings: dict[str, Any]) -> None:
        self._backbone = load()
        self._settings = settings
        found = self._backbone.fingerprint(fingerprint.rate_hz)
        if found != fingerprint:
            raise SspvsError(
                f"a Ray worker has another {fingerprint.backbone} (weights {found.weights_digest[:16]}, expected "
                f"{fingerprint.weights_digest[:16]}); put the same weights on every node"
            )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        job = Job(Path(row["path"]), row["group"], SourceStamp(**json.loads(row["source"])))
        outcome = extract_job(job, self._backbone, **self._settings)
        return {
            "index": row["index"],
            "packed": outcome.packed,
            "reason": outcome.reason,
            "n_frames": outcome.n_frames,
            "n_picks": outcome.n_picks,
            "warnings": json.dumps(outcome.warnings),
        }


def _outcome(job: Job, row: dict[str, Any]) -> Outcome:
    return Outcome(
        job,
        packed=bytes(row["packed"]),
        reason=str(row["reason"]),
        n_frames=int(row["n_frames"]),
        n_picks=int(row["n_picks"]),
        warnings=tuple(json.loads(row["warnings"])),
    )


def _rows(
    jobs: Sequence[Job],
    load: Callable[[], Backbone],
    fingerprint: Fingerprint,
    settings: dict[str, Any],
    workers: int | None,
    on_gpu: bool,
) -> Iterator[dict[str, Any]]:
    """What the actors made of the jobs, in the order in which they finish."""
    import ray

    items = [
        {"index": i, "path": str(job.path.resolve()), "group": job.group, "source": json.dumps(asdict(job.source))}
        for i, job in enumerate(jobs)
    ]
    resources = ray.cluster_resources()
    cpus = min(CPUS_PER_ACTOR, max(1, int(resources.get("CPU", 1))))
    room = int(resources.get("GPU", 0)) if on_gpu else int(resources.get("CPU", 1)) // cpus
    most = max(1, min(room, len(jobs), workers or len(jobs)))
    # One job a block: a block is what is scheduled, what is retried when a node dies, and what comes back.
    jobs_set = ray.data.from_items(items, override_num_blocks=len(items))
    made = jobs_set.map(
        _Actor,
        fn_constructor_kwargs={"load": load, "fingerprint": fingerprint, "settings": settings},
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=cpus,
        **({"num_gpus": 1} if on_gpu else {}),
    )
    try:
        yield from made.iter_rows()
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        text = str(cause or error).strip().splitlines()
        raise SspvsError(f"a Ray worker failed: {text[-1] if text else type(error).__name__}") from error


@contextmanager
def _ray_running(address: str | None) -> Iterator[None]:
    """Ray, quiet; what was running before goes on running afterwards."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless the user wants it
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ core writes past Python's logging
    import ray

    before = ray.is_initialized()
    if not before:
        local = {"include_dashboard": False} if address is None else {"address": address}
        try:
            ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (OSError, RuntimeError, ValueError) as error:
            raise SspvsError(f"cannot start or reach Ray at {address or 'this machine'}: {error}") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        if not before:
            ray.shutdown()
