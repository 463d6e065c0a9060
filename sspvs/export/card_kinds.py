"""What a model card says about a summarizer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sspvs.export.card_parts import OPTIMISER, CardKind, code, plain, sizes
from sspvs.export.onnx_graph import FEATURES, UNIQUENESS
from sspvs.export.source import CheckpointFacts
from sspvs.importance.terms import formula
from sspvs.table.text import FIELDS, TextSettings
from sspvs.tasks.settings import settings_from

_HEADS = {
    "progressive": "progressive, stages: {stages}; they share a Transformer, each stresses what mattered before it",
    "linear": "linear: one linear layer on each frame's features; no frame sees another",
    "attention": "attention: one layer of self-attention over the frames",
    "csta": "csta: attention over frames and channels from a 2-D CNN, after CSTA; its CNN started from drawn weights",
}
_GUIDANCES = {
    "none": "none: it reads no text",
    "added": "added: the text is added to all frames of the first stage alike; it cannot say which frames it is about",
    "gate": "gate: how well each frame fits the text's words is added to every stage",
    "cross-attention": "cross-attention: every stage attends to the text's words",
}


def summarizer_card(facts: CheckpointFacts) -> CardKind:
    """Of a checkpoint of fine-tuning."""
    summarizer = facts.settings["summarizer"]
    guidance = summarizer["text_guidance"]
    guided = guidance != "none"
    fields = facts.settings["text_fields"] if guided else {}
    first = ("query", "title") if facts.settings.get("title_as_query") else ("title", "query")
    read = next((name for name in (*first, "category") if fields.get(name)), None)
    text = ", guided by text about the video" if guided else ""
    return CardKind(
        about=(
            "A video summarizer: it takes features of a video's frames and says how important each frame is, from 0 "
            f"to 1{text}. Made with sspvs {plain(facts.sspvs)}, after *Progressive Video Summarization via Multimodal "
            "Self-supervised Learning* (Li et al., WACV 2023, arXiv 2201.02494)."
        ),
        tags=(summarizer["head"], *(("multimodal",) if guided else ())),
        option="" if read is None else f' --{read} "what it is about"',
        onnx_without="sspvs",
        onnx_lines=_summarizer_onnx_lines(facts),
        rows=_rows(facts),
        limits=(
            "Trained to agree with people's importance, scaled to [0, 1] within each video: scores rank the frames of "
            "a video and compare nothing between videos. People agree little with each other on what is important; "
            "read any figure beside the rows `human` and `random` of the same table.",
            *(("Its text shifts all frames of a stage alike.",) if guidance == "added" else ()),
        ),
        sections={},
    )


def _summarizer_onnx_lines(facts: CheckpointFacts) -> str:
    text = ""
    if facts.settings["summarizer"]["text_guidance"] != "none":
        words = settings_from(TextSettings, facts.settings["text_fields"]).total
        text = (
            f'given["tokens"] = np.zeros((1, {words}), np.int64)  # the metadata say how to make them\n'
            f'given["token_mask"] = np.zeros((1, {words}), bool)  # no text\n'
        )
    return f'{text}scores, stage_scores = session.run(["scores", "stage_scores"], given)  # (1, T), (1, K, T)'


def _rows(facts: CheckpointFacts) -> tuple[tuple[str, str], ...]:
    settings = facts.settings
    summarizer, video, losses = settings["summarizer"], settings["video"], settings["losses"]
    trained = "frozen" if settings["freeze_encoder"] else "trained"
    head = _HEADS.get(summarizer["head"], plain(summarizer["head"])).format(stages=summarizer["num_stages"])
    guidance = summarizer["text_guidance"]
    return (
        ("head", head),
        ("text guidance", _GUIDANCES.get(guidance, plain(guidance))),
        *(_text_rows(settings) if guidance != "none" else ()),
        ("video tower", sizes(video, ("feature_dim", "embed_dim", "num_heads", "num_layers", "feedforward_dim"))),
        ("positions", sizes(video, ("position_weight", "trained_length"))),
        ("weights", f"{facts.n_weights:,} numbers; video tower {trained}"),
        ("losses", sizes(losses, tuple(losses))),
        ("optimiser", sizes(settings["optim"], OPTIMISER)),
        ("longest video at once", f"{summarizer['max_frames']} frames; longer ones in windows that share "
                                  f"{summarizer['overlap']}"),
    )  # fmt: skip


def _text_rows(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    fields, text = settings["text_fields"], settings["text"]
    told = ", ".join(f"{name} {fields[name]}" for name in FIELDS if fields[name])
    return ("text tower", f"{code(text['encoder'])}, trained: {settings['train_text']}"), ("tokens read", told)


_SMOOTHED = "then smoothed by a Gaussian filter of sigma 1 frame"
_POSTS = {"summe": f"p + 0.05, {_SMOOTHED}", "tvsum": f"exp(p - 1), {_SMOOTHED}", "none": "p itself"}
_UNIT_LENGTH = (
    "The features given to it are L2-normalised by the network itself, frame by frame, as those that it was trained on "
    "were: their length does not matter. "
)
_SIZES = ("feature_dim", "embed_dim", "num_layers", "num_heads", "head_dim", "feedforward_dim")


def refined_card(facts: CheckpointFacts) -> CardKind:
    """Of a checkpoint of refinement."""
    settings = facts.settings
    refiner, losses = settings["refiner"], settings["losses"]
    head = f"a layer more, hidden width {refiner['uniqueness_dim']}" if refiner["uniqueness"] else "none"
    return CardKind(
        about=(
            "A refiner of frame features: it takes features of a video's frames and gives others, from which "
            "contrastive importance says how important each frame is. It was trained without anybody's summaries. Made "
            f"with sspvs {plain(facts.sspvs)}, after *Contrastive Losses Are Natural Criteria for Unsupervised Video "
            "Summarization* (Pang et al., WACV 2023, arXiv 2211.10056)."
        ),
        tags=("unsupervised", "contrastive"),
        option="",
        onnx_without="torch",
        onnx_lines=_refiner_onnx_lines(settings),
        rows=(
            ("terms of a score", plain(settings["combine"])),
            ("what follows the product p", _POSTS.get(settings["post"], plain(settings["post"]))),
            ("rows of features", "L2-normalised first" if settings.get("unit_length") else "as they are given"),
            ("network", sizes(refiner, _SIZES)),
            ("uniqueness head", head),
            ("weights", f"{facts.n_weights:,} numbers"),
            ("losses", sizes(losses, tuple(losses))),
            ("optimiser", sizes(settings["optim"], OPTIMISER)),
        ),
        limits=(
            "Nobody told it what people find important: it was trained to bring frames together that are alike and to "
            "move the others apart. Scores rank the frames of a video and compare nothing between videos. Read any "
            "figure beside the rows `human`, `random` and `contrastive`, which needs no training, of the same table.",
            f"In videos of fewer than {_fewest(losses['neighbour_fraction'])} frames each frame is its own only "
            "neighbour, and local dissimilarity says nothing.",
        ),
        sections={"Scores": _scores(settings)},
    )


def _fewest(share: float) -> int:
    """T of the shortest video whose frames have another frame as neighbour."""
    return math.ceil(2 / share - 1e-9)


def _scores(settings: Mapping[str, Any]) -> str:
    share = settings["losses"]["neighbour_fraction"]
    unique = "what the uniqueness head says of the frame, which learned how unlike the frames of all videos it is."
    lines = (
        f"`a`, local dissimilarity: the mean of |z_t - z_j|^2 over the floor({share:g} T) frames j, at least one, that "
        "are nearest to frame t by cosine similarity of the features *as they were given*, t itself included.",
        "`g`, global consistency: the logarithm of the mean of exp(-2 |z_t - z_j|^2) over all frames j.",
        f"`h`, uniqueness: {unique if settings['losses']['uniqueness'] else 'not learned here.'}",
    )
    combined = formula(settings["combine"])
    terms = f"`{combined}`" if "+" in combined else " times ".join(f"`{term}`" for term in combined.split("*"))
    post = _POSTS.get(settings["post"], plain(settings["post"]))
    return (
        "It gives features and, with a uniqueness head, the uniqueness of each frame; scores are computed from these. "
        + (_UNIT_LENGTH if settings.get("unit_length") else "")  # older checkpoints do not say
        + "z_t is the L2-normalised refined feature of frame t of T:\n\n"
        + "\n".join(f"* {line}" for line in lines)
        + f"\n\nEach term is scaled to [0, 1] over the video; one that is the same for all frames counts as 1. The "
        f"{'combination' if '+' in combined else 'product'} here is p = {terms}, and the score {post}. "
        "`sspvs score --combine` takes other terms; in Python it is "
        "`sspvs.importance.contrastive.contrastive_importance`."
    )


def _refiner_onnx_lines(settings: Mapping[str, Any]) -> str:
    """How its outputs become scores: numpy and scipy."""
    head = settings["refiner"]["uniqueness"]
    names, shapes = [FEATURES, *([UNIQUENESS] if head else [])], "(1, T, E)" + (", (1, T)" if head else "")
    found = f"refined{', uniqueness' if head else ','}"
    return (
        f"{found} = session.run({json.dumps(names)}, given)  # {shapes}\n\n"
        "from sspvs.importance.contrastive import contrastive_importance\n\n"
        "scores = contrastive_importance(\n"
        f"    refined[0], raw=features, uniqueness={'uniqueness[0]' if head else 'None'},\n"
        f"    combine={json.dumps(settings['combine'])}, post={json.dumps(settings['post'])}, "
        f"neighbour_fraction={settings['losses']['neighbour_fraction']},\n"
        ").scores  # (T,)"
    )
