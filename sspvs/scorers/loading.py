"""Scorers by name, the training-free importance or a checkpoint's, and the backbone whose features each needs."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from sspvs.annotations.captions import reads_sentences
from sspvs.errors import CheckpointError, FingerprintMismatchError
from sspvs.features.backbones import Backbone, load_backbone
from sspvs.importance.contrastive import Post
from sspvs.importance.terms import Combine, term_names
from sspvs.scorers.base import CONTRASTIVE, SYNTHETIC, ContrastiveScorer, Scorer, is_synthetic
from sspvs.sharing import checkpoint_name
from sspvs.table import FeatureKind, check_features
from sspvs.table.streams import FEATURES, parted_fingerprint
from sspvs.tasks.checkpoint import PRETRAIN, REFINE, SUMMARIZE, Checkpoint
from sspvs.types import Fingerprint

DEFAULT_RATE_HZ = 2.0
KINDS = (SUMMARIZE, REFINE)  # checkpoints that score frames
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_scorer(
    name: str | Path,
    *,
    device: str = "auto",
    download: bool = False,
    combine: Combine | None = None,
    post: Post | None = None,
    backbone: Backbone | None = None,
) -> Scorer:
    """What scores frames, by name.

    Args:
        name: `contrastive`, a checkpoint folder, a `.ckpt` file of fine-tuning or refinement, or a Hugging Face hub id.
            Of pretraining with a linear path it scores how well each frame fits a title.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
        download: Fetch a hub id, or a tokenizer, that is not on this machine.
        combine: An expression over terms of importance such as `a*g`, of `contrastive` and of refined checkpoints;
            None: `ag`, or what the checkpoint says.
        post: What follows it, likewise; None: `summe`, or what the checkpoint says.
        backbone: Of `contrastive`, for a title: the one that made the features.

    Returns:
        The scorer: `score` gives the importance of each pick of a video, and the curves it is made of.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there cannot be read, or does not score frames; the message says what it is.
        ValueError: The name can be no scorer's, the device is unknown or not there, or `combine` and `post` are given
            to what has none.

    Example:
        >>> sspvs.load_scorer("contrastive").name
        'contrastive'
    """
    if str(name) == CONTRASTIVE:
        if problem := untrained_problem(combine):
            raise ValueError(problem)
        return ContrastiveScorer(combine or "ag", post or "summe", device, backbone)
    if not may_be_scorer(name):
        raise ValueError(unknown_scorer(name))
    found = Checkpoint.open(name, (*KINDS, PRETRAIN), download=download)
    if found.kind == PRETRAIN and found.settings.get("losses", {}).get("linear_path", "none") == "none":
        raise CheckpointError(
            f"{name}: a checkpoint of pretraining: it compares videos with texts, and has no head that scores frames. "
            f"Fine-tune it first, on annotated videos: `sspvs fit --config` one of configs/finetune/, with "
            f"--model.pretrained {name}; or pretrain with losses.linear_path canonical: it then scores by title"
        )
    how: dict[str, Any] = {
        "name": checkpoint_name(found.source),
        "source": found.source,
        "digest": found.sha256,
        "device": device,
    }
    if found.kind == REFINE:
        from sspvs.scorers.trained import RefinedScorer
        from sspvs.tasks.refine import RefineTask

        return RefinedScorer(RefineTask.from_pretrained(found.path), combine=combine, post=post, **how)
    if combine is not None or post is not None:
        raise ValueError(
            f"combine and post belong to --scorer {CONTRASTIVE} and to refined checkpoints; {found.source} is a "
            "summarizer, which has neither"
        )
    from sspvs.scorers.trained import SummarizerScorer  # Lightning takes seconds to import
    from sspvs.tasks.summarize import SummarizeTask

    if found.kind == PRETRAIN:  # no importance was learned: how well each frame fits the title
        from sspvs.models.summarizer import SummarizerSettings
        from sspvs.table.text import TextSettings

        aligned = SummarizerSettings(head="linear", text_guidance="aligned(share=1)")
        fields = TextSettings(category=8, query=16, title=96, description=0, pad_fields=False)
        task = SummarizeTask(summarizer=aligned, text_fields=fields, pretrained=str(found.path))
        return SummarizerScorer(task, needs_text=True, download=download, **how)
    task = SummarizeTask.from_pretrained(found.path, download=download)
    return SummarizerScorer(task, download=download, **how)


def scorer_of_features(
    name: str | Path,
    made_by: Fingerprint | None,
    where: str,
    *,
    title: str = "",
    backbone: str | None = None,
    device: str = "auto",
    download: bool = False,
    combine: Combine | None = None,
    post: Post | None = None,
) -> tuple[Scorer, str | None]:
    """What scores features that exist already, and a warning where it is unknown what made them.

    As `load_scorer`; for a title, `contrastive` gets the backbone that the features' fingerprint names. `backbone`
    names it where they have none; where they have one, the two are compared.
    """
    loaded, warning = None, None
    if str(name) != CONTRASTIVE and backbone:
        raise ValueError(f"--backbone belongs to --scorer {CONTRASTIVE}; a checkpoint has its own")
    if str(name) == CONTRASTIVE and (title or backbone):
        wanted = backbone or (made_by.backbone if made_by else None)
        if wanted is None:
            raise ValueError(f"{where} does not say which backbone made it; name it with --backbone")
        loaded = load_backbone(wanted, device=device, download=download)
        expected = FeatureKind(fingerprint=loaded.fingerprint(made_by.rate_hz if made_by else DEFAULT_RATE_HZ))
        warning = check_features(FeatureKind(fingerprint=made_by), expected, where, like=f"those of {wanted}")
    scorer = load_scorer(name, device=device, download=download, combine=combine, post=post, backbone=loaded)
    return scorer, warning


def may_be_scorer(name: str | Path) -> bool:
    """Whether a name can be a scorer's: something is there, or it reads like a hub id. Opens nothing."""
    return str(name) == CONTRASTIVE or Path(name).exists() or _HUB_ID.fullmatch(str(name)) is not None


def unknown_scorer(name: str | Path) -> str:
    """What a scorer can be, where a name is none."""
    return (
        f"scorer must be '{CONTRASTIVE}', or a checkpoint: a folder, a .ckpt file of fine-tuning or refinement, or a "
        f"hub id; there is no '{name}'"
    )


def untrained_problem(combine: str | None) -> str | None:
    """Why an expression over terms cannot be computed without a refined checkpoint; None where it can."""
    try:
        names = () if combine is None else term_names(combine)
    except ValueError as error:
        return str(error)
    if "uniqueness" not in names:
        return None
    return (
        f"combine must be of a and g without training, got {combine}: h, uniqueness, needs a refined checkpoint, which "
        "`sspvs fit` makes with a config of `task: refine`"
    )


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
        FeatureWidthError: It gives features of another width.
        ValueError: A backbone must be named and is not.
        WeightsNotFoundError: The backbone's weights are not on this machine.
    """
    if (expects := scorer.expects) is not None and is_synthetic(expects):
        what = "drawn features" if expects.backbone == f"{SYNTHETIC}:drawn" else "features of videos composed of clips"
        raise FingerprintMismatchError(
            f"{scorer.name} was trained on {what} ('{expects.backbone}'), which no backbone gives: it cannot look at "
            "real videos; train one on features that a backbone extracts (`sspvs extract`), or take "
            "--scorer contrastive"
        )
    _, width, expects = taken_streams(scorer)[0]
    if reads_sentences(expects):  # any backbone looks at the video; what is spoken is scored
        expects, width = None, None
    elif backbone == "auto" and width is not None and expects is None:
        raise ValueError(
            f"{scorer.name} does not say which backbone made the {width}-D features it was trained on; "
            "name it with --backbone, and the rate with --rate"
        )
    rate = rate_hz or (expects.rate_hz if expects is not None else 0) or DEFAULT_RATE_HZ
    expected = FeatureKind(width, expects)
    if not isinstance(backbone, str):
        loaded = backbone
    elif backbone == "auto" and expects is not None:
        loaded = load_backbone(expects.backbone, device=device, precision=precision, download=download)
        loaded.reason = f"what {scorer.name} was trained on"
    else:
        if expects is not None and backbone.partition(":")[0] != expects.backbone.partition(":")[0]:
            # before its weights are looked for
            _check(scorer, FeatureKind(fingerprint=replace(expects, backbone=backbone)), expected, backbone)
        loaded = load_backbone(backbone, device=device, precision=precision, download=download)
    gives = FeatureKind(loaded.feature_dim, None if expects is None else loaded.fingerprint(rate))
    _check(scorer, gives, expected, loaded.name)
    return loaded, rate


def taken_streams(scorer: Scorer) -> list[tuple[str, int | None, Fingerprint | None]]:
    """Name, width and fingerprint of each stream that a scorer takes; None for what goes unchecked or is unknown."""
    if len(scorer.streams) < 2:
        (name,) = scorer.streams or {FEATURES: 0}
        return [(name, scorer.feature_dim, parted_fingerprint(scorer.expects)[0][1])]
    made = dict(parted_fingerprint(scorer.expects))
    return [(name, width or None, made.get(name)) for name, width in scorer.streams.items()]


def further_backbones(
    scorer: Scorer, rate_hz: float, *, device: str = "auto", precision: str = "auto", download: bool = False
) -> tuple[dict[str, Backbone], tuple[str, ...]]:
    """The backbones of the further streams that a scorer takes, by stream, and a sentence for each that has none.

    Streams of sentences have none either, and no sentence.
    """
    found, notes = dict[str, Backbone](), list[str]()
    for name, width, made in taken_streams(scorer)[1:]:
        if reads_sentences(made):
            continue
        if made is None:
            notes.append(f"{scorer.name} does not say what made its stream '{name}': zeros stand for it")
            continue
        found[name] = load_backbone(made.backbone, device=device, precision=precision, download=download)
        gives = FeatureKind(found[name].feature_dim, found[name].fingerprint(rate_hz))
        _check(scorer, gives, FeatureKind(width, made), f"{made.backbone}, stream '{name}'")
    return found, tuple(notes)


def takes_sentences(scorer: Scorer) -> bool:
    """Whether one of the streams that a scorer takes is made of sentences."""
    return any(reads_sentences(made) for _, _, made in taken_streams(scorer))


def _check(scorer: Scorer, gives: FeatureKind, expected: FeatureKind, backbone: str) -> None:
    """Refuse a backbone that gives other features than those the scorer was trained on."""
    remedy = "leave --backbone and --rate out, or name those it was trained on"
    check_features(gives, expected, backbone, like=f"those {scorer.name} was trained on", remedy=remedy)
