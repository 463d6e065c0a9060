"""The parts of a model card that come from the checkpoint alone: what it is, how to use it, which features it takes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from sspvs.data.text import FIELDS, TextSettings
from sspvs.export.card_words import code, place, plain, table
from sspvs.export.source import CheckpointFacts
from sspvs.tasks.settings import settings_from
from sspvs.types import Fingerprint

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
_OPTIM = ("name", "lr", "encoder_lr", "layer_decay", "text_lr", "weight_decay", "schedule")
_SYNTHETIC = "synthetic:"  # how the backbone of drawn worlds begins


def about(facts: CheckpointFacts) -> str:
    """What it is, in a paragraph."""
    summarizer = facts.settings["summarizer"]
    text = "" if summarizer["text_guidance"] == "none" else ", guided by text about the video"
    return (
        f"A video summarizer: it takes features of a video's frames and says how important each frame is, from 0 to 1"
        f"{text}. Made with sspvs {plain(facts.sspvs)}, after *Progressive Video "
        "Summarization via Multimodal Self-supervised Learning* (Li et al., WACV 2023, arXiv 2201.02494)."
    )


def usage(facts: CheckpointFacts, name: str, *, on_hub: bool, onnx: str | None = None) -> str:
    """How to use it: from the shell, from Python, and as an ONNX file where there is one."""
    return "\n\n".join([*_with_sspvs(facts, name, on_hub=on_hub), *([] if onnx is None else [_with_onnx(facts, onnx)])])


def _with_sspvs(facts: CheckpointFacts, name: str, *, on_hub: bool) -> list[str]:
    fetch, flag = (", download=True", " --download") if on_hub else ("", "")
    fields = facts.settings["text_fields"] if facts.settings["summarizer"]["text_guidance"] != "none" else {}
    read = next((name for name in ("title", "query", "category") if fields.get(name)), None)
    text = "" if read is None else f' --{read} "what it is about"'
    word = shlex.quote(name)
    score = f"sspvs score features.h5 --scorer {word}{flag} --out scores.h5"
    if is_synthetic(facts.fingerprint):
        return [_block("bash", score)]
    shell = f"sspvs summarize video.mp4 --scorer {word}{flag}{text} --out summary/\n{score}"
    python = (
        f'import sspvs\n\nsummary = sspvs.summarize("video.mp4", scorer={json.dumps(name)}{fetch})\n'
        'summary.save("summary/")'
    )
    return [_block("bash", shell), _block("python", python)]


def _with_onnx(facts: CheckpointFacts, name: str) -> str:
    """Without sspvs and torch."""
    text = ""
    if facts.settings["summarizer"]["text_guidance"] != "none":
        words = settings_from(TextSettings, facts.settings["text_fields"]).total
        text = (
            f'\ngiven["tokens"] = np.zeros((1, {words}), np.int64)  # the metadata say how to make them\n'
            f'given["token_mask"] = np.zeros((1, {words}), bool)  # no text'
        )
    code_lines = (
        "import numpy as np\nimport onnxruntime\n\n"
        f"session = onnxruntime.InferenceSession({json.dumps(name)})\n"
        'given = {"features": features[None], "mask": np.ones((1, len(features)), bool)}  # features: (T, '
        f"{facts.settings['video']['feature_dim']}) float32{text}\n"
        'scores, stage_scores = session.run(["scores", "stage_scores"], given)  # (1, T), (1, K, T)'
    )
    return f"Without sspvs, as an ONNX file:\n\n{_block('python', code_lines)}"


def settings_table(facts: CheckpointFacts) -> str:
    """What it is made of and how it was trained."""
    settings = facts.settings
    summarizer, video, losses = settings["summarizer"], settings["video"], settings["losses"]
    optim, trained = settings["optim"], "frozen" if settings["freeze_encoder"] else "trained"
    head = _HEADS.get(summarizer["head"], plain(summarizer["head"])).format(stages=summarizer["num_stages"])
    guidance = summarizer["text_guidance"]
    rows = [
        ("head", head),
        ("text guidance", _GUIDANCES.get(guidance, plain(guidance))),
        *(_text_rows(settings) if guidance != "none" else ()),
        ("video tower", _sizes(video, ("feature_dim", "embed_dim", "num_heads", "num_layers", "feedforward_dim"))),
        ("positions", _sizes(video, ("position_weight", "trained_length"))),
        ("weights", f"{facts.n_weights:,} numbers; video tower {trained}"),
        ("losses", _sizes(losses, tuple(losses))),
        ("optimiser", _sizes(optim, _OPTIM)),
        ("longest video at once", f"{summarizer['max_frames']} frames; longer ones in windows that share "
                                  f"{summarizer['overlap']}"),
    ]  # fmt: skip
    return table(("", ""), rows) + "\n\n`config.json` has every setting."


def origin(facts: CheckpointFacts) -> str:
    """What it was initialised from."""
    told: Mapping[str, Any] | None = facts.settings.get("initialised_from")
    if told is None:
        return "Nothing is recorded: its weights were drawn, or it was imported from another program's checkpoint."
    lines = []
    while told is not None:
        counts = [f"{told.get('loaded', 'unknown')} tensors taken over"]
        counts += [f"{len(told[word])} {word}" for word in ("missing", "unexpected") if told.get(word)]
        digest = code(told.get("sha256"))
        lines.append(
            f"{code(place(told.get('source', 'unknown')))}, {plain(told.get('kind'))}, weights SHA-256 {digest}: "
            f"{', '.join(counts)}"
        )
        told = told.get("initialised_from")
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))


def features(facts: CheckpointFacts) -> str:
    """Which features it takes, and how to get them."""
    known, width = facts.fingerprint, facts.settings["video"]["feature_dim"]
    if known is None:
        return (
            f"Unknown: nobody recorded what made the {width}-D features that it was trained on. Features of another "
            "backbone, sampled or normalised otherwise, give scores that mean nothing."
        )
    rows = [
        ("backbone", code(known["backbone"])),
        ("width", width),
        ("weights SHA-256", code(known["weights_digest"])),
        ("frame to input", plain(known["transform"])),
        ("pixel values", plain(known["normalisation"])),
        ("frames looked at", f"{known['rate_hz']:g} per second"),
        ("fingerprint", code(Fingerprint(**known).digest)),
    ]
    return f"{table(('', ''), rows)}\n\n{_how_to_extract(known)}"


def limits(facts: CheckpointFacts) -> str:
    """What it cannot do, as far as its kind tells."""
    lines = [
        "Trained to agree with people's importance, scaled to [0, 1] within each video: scores rank the frames of a "
        "video and compare nothing between videos. People agree little with each other on what is important; read any "
        "figure beside the rows `human` and `random` of the same table.",
        "Which videos it was trained on is in the figures above, if anywhere. How it does on others is unknown, and so "
        "is whom or what it leaves out of a summary more often than it should.",
    ]
    if is_synthetic(facts.fingerprint):
        lines.append(
            "It was trained on a synthetic world, to show that training works; it is of no use for real videos."
        )
    if facts.settings["summarizer"]["text_guidance"] == "added":
        lines.append("Its text shifts all frames of a stage alike.")
    return "\n".join(f"* {line}" for line in lines)


def is_synthetic(fingerprint: Mapping[str, Any] | None) -> bool:
    """Whether features come from a synthetic world, which no backbone gives."""
    return fingerprint is not None and str(fingerprint["backbone"]).startswith(_SYNTHETIC)


def _how_to_extract(known: Mapping[str, Any]) -> str:
    if is_synthetic(known):
        return "These are features of a synthetic world (`sspvs data world` makes one): no backbone gives them."
    backbone = shlex.quote(" ".join(str(known["backbone"]).split()))
    command = f"sspvs extract videos/ --backbone {backbone} --rate {known['rate_hz']:g} --out features.h5"
    return (
        f"{_block('bash', command)}\n\nextracts such features; `sspvs summarize` does so by itself. Features with "
        "another fingerprint are refused."
    )


def _text_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    fields, text = settings["text_fields"], settings["text"]
    told = ", ".join(f"{name} {fields[name]}" for name in FIELDS if fields[name])
    return [("text tower", f"{code(text['encoder'])}, trained: {settings['train_text']}"), ("tokens read", told)]


def _sizes(settings: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {plain(settings[name])}" for name in names if settings.get(name) is not None)


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
