"""Scores of one video's features, or of every video of a feature file."""

import os
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

from sspvs.errors import SspvsError
from sspvs.importance.terms import Combine
from sspvs.overwriting import SCORES, check_output
from sspvs.scorers.base import Scorer
from sspvs.scorers.loading import scorer_of_features
from sspvs.scorers.pretrained import Summarizer, frame_features
from sspvs.table import FeatureStore, VideoScores, read_features, write_scores
from sspvs.table.streams import FEATURES
from sspvs.table.text import TextFields
from sspvs.types import Fingerprint, FloatArray, FrameFeatures


@overload
def score(
    features: str | os.PathLike[str],
    scorer: str | Path = ...,
    *,
    out: str | os.PathLike[str] | None = ...,
    title: str = ...,
    query: str = ...,
    category: str = ...,
    combine: Combine | None = ...,
    post: Literal["summe", "tvsum", "none"] | None = ...,
    backbone: str | None = ...,
    device: str = ...,
    download: bool = ...,
) -> dict[str, FloatArray]: ...
@overload
def score(
    features: Any,
    scorer: str | Path = ...,
    *,
    title: str = ...,
    query: str = ...,
    category: str = ...,
    combine: Combine | None = ...,
    post: Literal["summe", "tvsum", "none"] | None = ...,
    backbone: str | None = ...,
    device: str = ...,
    download: bool = ...,
) -> FloatArray: ...
def score(
    features: Any,
    scorer: str | Path = "contrastive",
    *,
    out: str | os.PathLike[str] | None = None,
    title: str = "",
    query: str = "",
    category: str = "",
    combine: Combine | None = None,
    post: Literal["summe", "tvsum", "none"] | None = None,
    backbone: str | None = None,
    device: str = "auto",
    download: bool = False,
) -> FloatArray | dict[str, FloatArray]:
    """Importance of the frames of one video, or of all videos of a feature file.

    Args:
        features: (T, D) array or tensor or `FrameFeatures` of one video, or the path of a feature file (h5).
        scorer: `contrastive`, which needs no training, or a checkpoint: a folder, a `.ckpt` file, or a hub id.
        out: Of a feature file: score file (h5) to write as well, as `sspvs score --out` does.
        title: Text that guides the scores, the same for all videos.
        query: Likewise: what somebody might search for to find the video.
        category: Likewise: the kind of video, in a word or two.
        combine: Terms of contrastive importance that are multiplied; None: `ag`, or what the checkpoint has.
        post: What follows the product: `summe`, `tvsum` or `none`; None: `summe`, or what the checkpoint has.
        backbone: Of contrastive importance with a title, where the features do not say which backbone made them.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
        download: Fetch a hub id, or a tokenizer, that is not on this machine.

    Returns:
        (T,) importance at the picks; of a feature file by the video's key in the file.

    Raises:
        FeatureFileError: The file, or one of its videos, cannot be read, or has another width than the scorer needs.
        FingerprintMismatchError: The features were made by another backbone than the scorer needs.
        CheckpointError: The checkpoint cannot be read, or does not score frames.
        ValueError: A setting is out of its range, or there is text that the scorer does not read.

    Example:
        >>> import numpy as np, sspvs
        >>> frames = np.random.default_rng(0).standard_normal((8, 16))
        >>> sspvs.score(frames).shape
        (8,)
    """
    scorer_of = partial(
        scorer_of_features,
        scorer,
        title=title,
        backbone=backbone,
        device=device,
        download=download,
        combine=combine,
        post=post,
    )
    if not isinstance(features, (str, os.PathLike)):
        if out is not None:
            raise ValueError("out is for feature files; the scores of one video are returned")
        one = frame_features(features)
        loaded, unchecked = scorer_of(one.fingerprint, one.name)
        _warn(unchecked)
        return Summarizer(loaded).score(one, title=title, query=query, category=category)
    text, path = TextFields(category=category, query=query, title=title), Path(features)
    if out is not None:
        check_output(Path(out), SCORES, inputs=[path])
    with read_features(path) as store:
        loaded, unchecked = scorer_of(store.fingerprint, str(path))
        _warn(unchecked)
        loaded.check_text(text)
        _warn(loaded.check_features(fingerprint_of(store, loaded), str(path)))
        found = {key: scored_video(loaded, key, store[key], text) for key in store}
        if out is not None:
            settings = {**loaded.settings, **{name: words for name, words in text._asdict().items() if words}}
            write_scores(
                Path(out), list(found.values()), scorer=loaded.name, settings=settings, fingerprint=store.fingerprint
            )
    return {key: video.scores for key, video in found.items()}


def fingerprint_of(store: FeatureStore, scorer: Scorer) -> Fingerprint | None:
    """What made the features of a file that a scorer takes: of several streams, those of the first video it can use."""
    if list(scorer.streams) != [FEATURES]:
        for key in store:
            with suppress(SspvsError):  # it is reported when its turn comes
                return scorer.joined(store[key]).fingerprint
    return store.fingerprint


def scored_video(scorer: Scorer, key: str, video: FrameFeatures, text: TextFields) -> VideoScores:
    """The scores of one video of a feature file, with what a score file keeps of it; refused where not finite."""
    scored = VideoScores(key, scorer.score(video, text).scores, video.picks, video.n_frames, video.name)
    scored.check()
    return scored


def _warn(sentence: str | None) -> None:
    if sentence:
        warnings.warn(sentence, stacklevel=3)
