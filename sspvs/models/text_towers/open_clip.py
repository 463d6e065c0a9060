"""The text towers of open_clip's models.

A CLIP tower is trained on `[start] text [end]` padded at the end, looks only back (causal), and takes the state of
[end], projected, for the whole text. Here the same projection goes over every token, so that tokens and whole text
lie in one space, that of the model's pictures. Padding, also between the fields of a text, is hidden from every
token unless `attend_padding`: with all padding at the end this gives what open_clip gives, for towers that look back.
Towers that look both ways and were trained on their padding (SigLIP) give it with `attend_padding` and full length.

Axis letters: B batch, L tokens, W the tower's width.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from sspvs.models.text_towers.base import TextEncoder, TextEncoding
from sspvs.weights.clip_model import load_model
from sspvs.weights.clip_source import PREFIX, RANDOM, find_source

_SMALLEST_VISION = {"layers": 1, "width": 64, "head_width": 64, "patch_size": 32, "image_size": 32}


class OpenClipTextEncoder(TextEncoder):
    """The text tower of an open_clip model.

    Args:
        name: `open_clip:MODEL/PRETRAINED`, as backbones are named; `open_clip:MODEL/random` draws the weights.
        config: Sizes instead of stored weights: open_clip's `text_cfg`, and `embed_dim` and `quick_gelu` beside it.
        attend_padding: Attend to the padding too.
        download: Fetch what is not on this machine.
        gradient_checkpointing: Compute layers again in the backward pass instead of keeping what they computed.

    Raises:
        ValueError: An unknown model, or a tower of another kind (Hugging Face's within open_clip, CoCa's).
        WeightsNotFoundError: The weights are not on this machine.
    """

    def __init__(
        self,
        name: str,
        *,
        config: dict[str, Any] | None = None,
        attend_padding: bool = False,
        download: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        from open_clip.transformer import TextTransformer

        tower, sizes = _load(name, download) if config is None else (_from_config(config), config)
        if not isinstance(tower, TextTransformer) or tower.cls_emb is not None:
            raise ValueError(
                f"text encoder '{name}': its text tower is none of open_clip's own kind; give the Hugging Face model "
                "it is made of, or another open_clip model"
            )
        super().__init__(int(tower.output_dim or tower.width), int(tower.vocab_size), sizes)
        self.model = tower
        self.attend_padding = attend_padding
        tower.set_grad_checkpointing(gradient_checkpointing)

    @property
    def context_length(self) -> int:
        """Most tokens that the tower has positions for."""
        return int(self.model.context_length)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the projected state of the last token, [end].

        Raises:
            ValueError: More tokens than the tower has positions.
        """
        tower, length = self.model, tokens.shape[1]
        if length > self.context_length:
            raise ValueError(
                f"the text tower has {self.context_length} positions, got {length} tokens; shorten a field"
            )
        states = tower.token_embedding(tokens) + tower.positional_embedding[:length]  # (B, L, width)
        states = tower.ln_final(tower.transformer(states, attn_mask=self._mask(token_mask, states)))
        projection = tower.text_projection
        if projection is not None:
            states = projection(states) if isinstance(projection, torch.nn.Linear) else states @ projection  # (B, L, W)
        return TextEncoding(states, self._pool(states, token_mask))

    def _mask(self, token_mask: Tensor, states: Tensor) -> Tensor | None:
        """(B * heads, L, L) float, -inf where a token (row) may not look."""
        tower, (batch, length) = self.model, token_mask.shape
        causal = tower.attn_mask[:length, :length].to(states) if tower.attn_mask is not None else None
        if self.attend_padding:
            return causal
        hidden = torch.zeros_like(token_mask, dtype=states.dtype).masked_fill(~token_mask, float("-inf"))
        allowed = hidden[:, None, :].expand(batch, length, length)
        if causal is not None:
            allowed = allowed + causal
        out: Tensor = allowed.repeat_interleave(tower.heads, dim=0)
        return out

    def _pool(self, states: Tensor, token_mask: Tensor) -> Tensor:
        """(B, W) the first state, or the one of the last token."""
        kind = self.model.pool_type
        if kind == "first" or (kind == "last" and self.attend_padding):
            return states[:, 0 if kind == "first" else -1]
        places = torch.arange(token_mask.shape[1], device=token_mask.device)
        last = (token_mask * places).argmax(dim=1)  # (B,)
        return states[torch.arange(states.shape[0], device=states.device), last]  # not len(): an export would fix it


def _load(name: str, download: bool) -> tuple[Any, dict[str, Any]]:
    """The tower with its weights, and what rebuilds it without them."""
    import open_clip

    source = find_source(name, download=download)
    sizes = open_clip.get_model_config(source.model)
    quick_gelu = bool(sizes.get("quick_gelu") or source.settings.get("quick_gelu"))
    text: dict[str, Any] = json.loads(json.dumps(sizes["text_cfg"]))
    config = {**text, "embed_dim": sizes["embed_dim"], "quick_gelu": quick_gelu}
    if source.label == RANDOM:
        return _from_config(config), config
    return load_model(source, download=download, force_custom_text=True).text.float().train(), config


def _from_config(config: dict[str, Any]) -> Any:
    """A tower with drawn weights, from torch's generator."""
    import open_clip

    sizes = dict(config)
    embed_dim, quick_gelu = sizes.pop("embed_dim", None), bool(sizes.pop("quick_gelu", False))
    if embed_dim is None or sizes.get("hf_model_name"):
        raise ValueError(
            f"the config of an {PREFIX} text encoder needs embed_dim beside open_clip's text_cfg, and no hf_model_name"
        )
    vision = open_clip.CLIPVisionCfg(**_SMALLEST_VISION)
    return open_clip.CustomTextCLIP(embed_dim, vision, open_clip.CLIPTextCfg(**sizes), quick_gelu=quick_gelu).text
