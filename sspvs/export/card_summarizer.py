"""What a model card says about a summarizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sspvs.data.text import FIELDS, TextSettings
from sspvs.export.card_kind import CardKind
from sspvs.export.card_words import OPTIMISER, code, plain, sizes
from sspvs.export.source import CheckpointFacts
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
        onnx_lines=_onnx_lines(facts),
        rows=_rows(facts),
        limits=(
            "Trained to agree with people's importance, scaled to [0, 1] within each video: scores rank the frames of "
            "a video and compare nothing between videos. People agree little with each other on what is important; "
            "read any figure beside the rows `human` and `random` of the same table.",
            *(("Its text shifts all frames of a stage alike.",) if guidance == "added" else ()),
        ),
        sections={},
    )


def _onnx_lines(facts: CheckpointFacts) -> str:
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
