"""The text towers: tokens in, a state per token and one for the whole text out.

Axis letters: B batch, L tokens, W the tower's width.
"""

import json
import re
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sspvs.errors import WeightsNotFoundError, first_line
from sspvs.models.layers import SinusoidalPositions, TransformerStack, masked_mean
from sspvs.models.settings import SmallTextSettings, TextEncoderSettings
from sspvs.schema import shown
from sspvs.weights import digest as minilm
from sspvs.weights.clip import PREFIX, RANDOM, find_source, load_model
from sspvs.weights.digest import hub_offline

SMALL_VOCAB_SIZE = SmallTextSettings().vocab_size
"""Ids of the small tower and of its tokenizer unless the settings say otherwise."""
_RISKY = re.compile(r"_|auto_map|.*(implementation|quantization|kernels|kernel_config|backbone)")
"""Keys of a config with which the library would load more than it builds: code, other models, kernels from the hub."""
_TEXT_MODELS = (
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
)
_NOT_SIZES = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
_MOST_KEPT = 1 << 27  # numbers of encoded texts that a frozen tower keeps, 512 MiB
_AT_A_TIME = 16  # texts that such a tower encodes together
_SMALLEST_VISION = {"layers": 1, "width": 64, "head_width": 64, "patch_size": 32, "image_size": 32}


class TextEncoding(NamedTuple):
    """What a text tower gives."""

    states: Tensor  # (B, L, W) encoded tokens
    pooled: Tensor  # (B, W) the whole text


class TextEncoder(nn.Module):
    """The interface.

    Attributes:
        text_dim: W.
        vocab_size: Number of token ids.
        config: What `TextEncoderSettings.config` must be for the same tower without its stored weights, plain types;
            None where the settings say all of it. A checkpoint keeps it, and needs no stored weights again.
        frozen: See `freeze`.
        keeps_dropout: Likewise.

    Args:
        text_dim: W.
        vocab_size: Number of token ids.
        config: As above.
    """

    def __init__(self, text_dim: int, vocab_size: int, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.vocab_size = vocab_size
        self.config = config
        self.frozen = self.keeps_dropout = False
        self._known: dict[bytes, TextEncoding] = {}  # what `encode` keeps, by the tokens
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """Encode (B, L) ids, the first of which is [CLS], under a (B, L) mask, True = a token, False = padding."""
        raise NotImplementedError

    def encode(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """As `forward`; of a frozen tower on the CPU each text is encoded once, up to some memory."""
        if not self.frozen or self.training or tokens.device.type != "cpu" or torch.compiler.is_compiling():
            out: TextEncoding = self(tokens, token_mask)
            return out
        lengths = token_mask.shape[1] - token_mask.flip(1).int().argmax(dim=1)  # (B,) places up to the last token
        rows = [slice(0, length) for length in lengths.tolist()]
        keys = [
            b"".join(part[row, cut].numpy().tobytes() for part in (tokens, token_mask)) for row, cut in enumerate(rows)
        ]
        if sum(encoding.states.numel() for encoding in self._known.values()) > _MOST_KEPT:
            self._known.clear()
        new = {key: row for row, key in enumerate(keys) if key not in self._known}
        ordered = sorted(new.items(), key=lambda one: rows[one[1]].stop)  # alike in length: little padding
        for start in range(0, len(ordered), _AT_A_TIME):
            some = ordered[start : start + _AT_A_TIME]
            places, longest = [row for _, row in some], rows[some[-1][1]].stop
            with torch.no_grad():
                states, pooled = self(tokens[places, :longest], token_mask[places, :longest])
            for number, (key, row) in enumerate(some):
                self._known[key] = TextEncoding(states[number, rows[row]].clone(), pooled[number].clone())
        found = [self._known[key] for key in keys]
        padded = nn.utils.rnn.pad_sequence([one.states for one in found], batch_first=True)
        padded = nn.functional.pad(padded, (0, 0, 0, tokens.shape[1] - padded.shape[1]))
        return TextEncoding(padded, torch.stack([one.pooled for one in found]))

    def freeze(self, *, keeps_dropout: bool = False) -> None:
        """Do not train the tower: no gradients, and unless `keeps_dropout` no dropout while the model around trains."""
        self.requires_grad_(False)
        self.frozen, self.keeps_dropout = True, keeps_dropout
        self.train(self.training)

    def train(self, mode: bool = True) -> "TextEncoder":
        """As torch has it, but a frozen tower stays in evaluation mode, unless it keeps its dropout."""
        super().train(mode and (self.keeps_dropout or not self.frozen))
        return self


def _forget(tower: nn.Module, _: object) -> None:
    """Other weights encode otherwise."""
    assert isinstance(tower, TextEncoder)
    tower._known.clear()


class SmallTextEncoder(TextEncoder):
    """A Transformer of the same layers as the video tower; see `TextEncoderSettings` for the switches."""

    def __init__(
        self,
        sizes: SmallTextSettings | None = None,
        *,
        attend_padding: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        sizes = SmallTextSettings() if sizes is None else sizes
        width = sizes.text_dim
        super().__init__(width, sizes.vocab_size)
        self.attend_padding = attend_padding
        self.embedding = nn.Embedding(sizes.vocab_size, width)
        self.positions = SinusoidalPositions(width, weight=sizes.position_weight, dropout=sizes.dropout)
        self.transformer = TransformerStack(
            sizes.num_layers,
            width,
            sizes.num_heads,
            sizes.feedforward_dim or 4 * width,
            sizes.dropout,
            gradient_checkpointing,
        )
        self.pooler = nn.Linear(width, width)
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the tanh-projected state of the first token."""
        mask = torch.ones_like(token_mask) if self.attend_padding else token_mask
        states = self.transformer(self.positions(self.embedding(tokens)), mask)
        return TextEncoding(states, torch.tanh(self.pooler(states[:, 0])))


class HuggingFaceTextEncoder(TextEncoder):
    """Any encoder of the transformers library, such as BERT.

    The whole text is the model's own pooled state where it has one (BERT's pooler), or else the mean of its tokens'
    states, as `minilm` (all-MiniLM-L6-v2, W 384) was trained. With `settings.config` the weights are drawn.

    Args:
        settings: Which one, and its switches.

    Raises:
        MissingExtraError: `minilm` without the package that has it.
        WeightsNotFoundError: The weights are not on this machine.
        ValueError: The model is no encoder of texts, or `config` does not say its `model_type`.
    """

    def __init__(self, settings: TextEncoderSettings) -> None:
        name, mean_pooling = settings.encoder, settings.encoder == "minilm"
        options = {"add_pooling_layer": False} if mean_pooling else {}
        if settings.config is not None:
            model = _bert_from_config(settings.config, options)
        else:
            if mean_pooling:
                name = str(minilm.weights_file("the text encoder 'minilm'").parent)
            model = _load_hugging_face(name, settings.download and not mean_pooling, options)
        sizes = model.config
        if getattr(sizes, "is_encoder_decoder", False) or not hasattr(sizes, "hidden_size"):
            raise ValueError(f"text encoder '{name}' {_no_text_encoder(sizes.model_type)}")
        super().__init__(int(sizes.hidden_size), int(sizes.vocab_size), _plain_sizes(sizes))
        self.model = model
        self.attend_padding, self.mean_pooling = settings.attend_padding, mean_pooling
        if settings.gradient_checkpointing:
            enable = getattr(model, "activation_checkpointing_enable", None)  # its name from transformers 5 on
            if enable is not None:
                enable({"use_reentrant": False})
            else:
                model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the model's own, else the mean of the valid states."""
        mask = torch.ones_like(token_mask) if self.attend_padding else token_mask
        out = self.model(input_ids=tokens, attention_mask=mask.long())
        pooled = None if self.mean_pooling else getattr(out, "pooler_output", None)
        if pooled is None:
            pooled = masked_mean(out.last_hidden_state, mask)
        return TextEncoding(out.last_hidden_state, pooled)


def _bert_from_config(config: dict[str, Any], options: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModel
    from transformers.models.auto import modeling_auto

    if "model_type" not in config:
        raise ValueError('the text encoder\'s config needs its model_type, such as {"model_type": "bert"}')
    kind = config["model_type"]
    if not isinstance(kind, str) or not any(kind in getattr(modeling_auto, names, ()) for names in _TEXT_MODELS):
        raise ValueError(f"the text encoder's config {_no_text_encoder(kind)}")
    if risky := [key for key in config if _RISKY.match(key)]:
        raise ValueError(f"the text encoder's config says more than sizes: {', '.join(risky)}; leave that out")
    sizes = AutoConfig.for_model(**config)
    return AutoModel.from_config(sizes, trust_remote_code=False, **options)  # type: ignore[no-untyped-call]


def _no_text_encoder(kind: object) -> str:
    return f"({shown(kind)}) is no plain text encoder; take one like BERT, RoBERTa, DistilBERT or MPNet"


def _load_hugging_face(name: str, download: bool, options: dict[str, Any]) -> Any:
    from transformers import AutoModel

    try:
        # The weights' own type may be half precision; mixed precision wants float32 to start from.
        with hub_offline(not download):
            return AutoModel.from_pretrained(name, local_files_only=not download, dtype=torch.float32, **options)
    except (OSError, ValueError) as error:
        raise WeightsNotFoundError(
            f"text encoder '{name}': no weights on this machine (looked in the Hugging Face cache and for a folder of "
            f"that name); allow the download, or give a folder: {first_line(error)}"
        ) from error


def _plain_sizes(config: Any) -> dict[str, Any]:
    """A config's differences from its kind's defaults, as plain types."""
    sizes = {key: value for key, value in config.to_diff_dict().items() if key not in _NOT_SIZES}
    plain: dict[str, Any] = json.loads(json.dumps({"model_type": config.model_type, **sizes}))
    return plain


class OpenClipTextEncoder(TextEncoder):
    """The text tower of an open_clip model, named `open_clip:MODEL/PRETRAINED`; `random` for drawn weights.

    Args:
        settings: Which one, and its switches. `config` is open_clip's `text_cfg`, with `embed_dim` and `quick_gelu`.

    Raises:
        ValueError: An unknown model, or a tower of another kind (Hugging Face's within open_clip, CoCa's).
        WeightsNotFoundError: The weights are not on this machine.
    """

    def __init__(self, settings: TextEncoderSettings) -> None:
        from open_clip.transformer import TextTransformer

        name, sizes = settings.encoder, settings.config
        if sizes is None:
            tower, sizes = _load_open_clip(name, settings.download)
        else:
            tower = _clip_from_config(sizes)
        if not isinstance(tower, TextTransformer) or tower.cls_emb is not None:
            raise ValueError(
                f"text encoder '{name}': its text tower is none of open_clip's own kind; give the Hugging Face model "
                "it is made of, or another open_clip model"
            )
        super().__init__(int(tower.output_dim or tower.width), int(tower.vocab_size), sizes)
        self.model = tower
        self.attend_padding = settings.attend_padding
        tower.set_grad_checkpointing(settings.gradient_checkpointing)

    @property
    def context_length(self) -> int:
        """Most tokens that the tower has positions for."""
        return int(self.model.context_length)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the projected state of the last token, [end]."""
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


def _load_open_clip(name: str, download: bool) -> tuple[Any, dict[str, Any]]:
    """The tower with its weights, and what rebuilds it without them."""
    import open_clip

    source = find_source(name, download=download)
    sizes = open_clip.get_model_config(source.model)
    quick_gelu = bool(sizes.get("quick_gelu") or source.settings.get("quick_gelu"))
    text: dict[str, Any] = json.loads(json.dumps(sizes["text_cfg"]))
    config = {**text, "embed_dim": sizes["embed_dim"], "quick_gelu": quick_gelu}
    if source.label == RANDOM:
        return _clip_from_config(config), config
    return load_model(source, download=download, force_custom_text=True).text.float().train(), config


def _clip_from_config(config: dict[str, Any]) -> Any:
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


def build_text_encoder(settings: TextEncoderSettings) -> TextEncoder:
    """The text tower that the settings name; with `settings.config` nothing is looked for on this machine.

    Raises:
        MissingExtraError: `minilm` without the package that has it.
        WeightsNotFoundError: The weights are not on this machine, or not the file they should be.
        ValueError: An unknown model or size.
    """
    encoder: TextEncoder
    if settings.encoder == "small":
        encoder = SmallTextEncoder(
            SmallTextSettings(**settings.small),
            attend_padding=settings.attend_padding,
            gradient_checkpointing=settings.gradient_checkpointing,
        )
    elif settings.encoder.startswith(PREFIX):
        encoder = OpenClipTextEncoder(settings)
    else:
        encoder = HuggingFaceTextEncoder(settings)
    if settings.frozen:
        encoder.freeze()
    return encoder
