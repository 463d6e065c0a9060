"""The same extraction on Ray Data, on this machine or a cluster: same parts, same file.

A Ray data set of jobs, one a block, goes through a pool of actors that each hold the backbone. What comes back is
the part file's bytes; this process alone writes, so that resuming and merging are those of the local engine. On a
cluster, the videos must lie under the same paths on every node, and this package must be installed there.
"""

import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sspvs.errors import MissingExtraError, SspvsError
from sspvs.features.backbones import Backbone
from sspvs.features.extract import DEFAULT_SAMPLING, Sampling, VideosBar, extract_job
from sspvs.features.resumable import ExtractionReport, Job, Outcome, run_jobs
from sspvs.types import Fingerprint

CONNECT_SECONDS = 10.0
CPUS_PER_ACTOR = 2  # one for the network and one for the decoder's own process


def extract_with_ray(
    paths: Sequence[Path],
    out: Path,
    load: Callable[[], Backbone],
    fingerprint: Fingerprint,
    sampling: Sampling = DEFAULT_SAMPLING,
    *,
    address: str | None = None,
    workers: int | None = None,
    on_gpu: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> ExtractionReport:
    """Features of many videos, into one file, as `extract_to_file` makes them, but computed by Ray.

    `load` makes the backbone in each actor, so it must be picklable; an actor whose backbone has another fingerprint is
    refused. `address` is a running cluster (`auto`, `host:6379`, `ray://host:10001`); None starts Ray on this machine.
    `workers` is the most actors; None takes as many as there is room for, each with a GPU where `on_gpu` is set.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'the ray engine needs Ray Data, which is not installed; pip install "sspvs[ray]", or use --engine local'
        ) from error

    def produce(jobs: Sequence[Job]) -> Iterator[Outcome]:
        with _ray_running(address), VideosBar(len(jobs), show=progress) as bar:
            for row in _rows(jobs, load, fingerprint, sampling, workers, on_gpu):
                job = jobs[row["index"]]
                with bar.video(job.path.name):
                    yield replace(_outcome(row), job=job)

    return run_jobs(paths, out, fingerprint, produce, overwrite=overwrite)


class _Actor:
    """Holds the backbone; errors come back as text, for an exception would make Ray try again."""

    def __init__(self, load: Callable[[], Backbone], fingerprint: Fingerprint, sampling: Sampling) -> None:
        self._load, self._fingerprint, self._sampling = load, fingerprint, sampling
        self._backbone: Backbone | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        job: Job = pickle.loads(row["job"])
        outcome, fatal = Outcome(job), ""
        try:
            if self._backbone is None:
                self._backbone = self._checked()
            outcome = extract_job(job, self._backbone, self._sampling)
        except Exception as error:
            fatal = str(error) if isinstance(error, SspvsError) else f"{type(error).__name__}: {error}"
        return {"index": row["index"], "fatal": " ".join(fatal.split()), "outcome": pickle.dumps(outcome)}

    def _checked(self) -> Backbone:
        backbone, expected = self._load(), self._fingerprint
        found = backbone.fingerprint(expected.rate_hz)
        if found != expected:
            raise SspvsError(
                f"another {expected.backbone} (weights {found.weights_digest[:16]}, expected "
                f"{expected.weights_digest[:16]}); put the same weights and version of sspvs on every node"
            )
        return backbone


def _outcome(row: dict[str, Any]) -> Outcome:
    if row["fatal"]:
        raise SspvsError(f"a Ray worker failed: {row['fatal']}")
    outcome: Outcome = pickle.loads(row["outcome"])
    return outcome


def _rows(
    jobs: Sequence[Job],
    load: Callable[[], Backbone],
    fingerprint: Fingerprint,
    sampling: Sampling,
    workers: int | None,
    on_gpu: bool,
) -> Iterator[dict[str, Any]]:
    """What the actors made of the jobs, in the order in which they finish."""
    import ray

    whole = (replace(job, path=job.path.resolve()) for job in jobs)
    items = [{"index": index, "job": pickle.dumps(job)} for index, job in enumerate(whole)]
    resources = ray.cluster_resources()
    cpus = min(CPUS_PER_ACTOR, max(1, int(resources.get("CPU", 1))))
    room = int(resources.get("GPU", 0)) if on_gpu else int(resources.get("CPU", 1)) // cpus
    most = max(1, min(room, len(jobs), workers or len(jobs)))
    # One job a block: a block is what is scheduled, what is retried when a node dies, and what comes back.
    jobs_set = ray.data.from_items(items, override_num_blocks=len(items))
    made = jobs_set.map(
        _Actor,
        fn_constructor_kwargs={"load": load, "fingerprint": fingerprint, "sampling": sampling},
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=cpus,
        **({"num_gpus": 1} if on_gpu else {}),
    )
    try:
        yield from made.iter_rows()
    except ray.exceptions.RayError as error:
        text = str(error).strip().splitlines()
        raise SspvsError(f"Ray failed: {text[-1] if text else type(error).__name__}") from error


@contextmanager
def _ray_running(address: str | None) -> Iterator[None]:
    """Ray, quiet; what was running before goes on running afterwards."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless the user wants it
    import ray

    before = ray.is_initialized()
    if not before:
        _check_reachable(address)
        local = {"include_dashboard": False} if address is None else {"address": address}
        try:
            ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (OSError, RuntimeError, ValueError) as error:
            raise SspvsError(f"cannot start or reach Ray at {address or 'this machine'}: {error}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    log = logging.getLogger("ray.data")
    level = log.level
    log.setLevel(logging.CRITICAL)  # a failure is reported once, as an error of ours
    try:
        yield
    finally:
        log.setLevel(level)
        if not before:
            ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Fail in seconds where nothing answers; Ray itself goes on trying for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise SspvsError(
            f"no Ray cluster answers at {address} ({error}); start one, or leave --ray-address out"
        ) from error
