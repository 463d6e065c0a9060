"""Encoders of the transformers library as text towers; `bert-base-uncased` is the published one.

Axis letters: B batch, L tokens, W the tower's width.
"""

from __future__ import annotations

import json
import re
from typing import Any

import torch
from torch import Tensor

from sspvs.errors import WeightsNotFoundError, first_line
from sspvs.models.layers import masked_mean
from sspvs.models.text_towers.base import TextEncoder, TextEncoding
from sspvs.schema import shown
from sspvs.weights.hub import hub_offline

_RISKY = re.compile(r"_|auto_map|.*(implementation|quantization|kernels|kernel_config|backbone)")
"""Keys of a config with which the library would load more than it builds: code, other models, kernels from the hub."""
_TEXT_MODELS = (
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
)
_NOT_SIZES = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


class HuggingFaceTextEncoder(TextEncoder):
    """Any encoder of the transformers library.

    Args:
        name: Model id or folder, read from this machine unless `download`.
        config: Sizes, such as `{"model_type": "bert", "hidden_size": 768}`, instead of stored weights: the weights
            are drawn, or loaded afterwards.
        attend_padding: Attend to the padding too, as the original does.
        download: Fetch what is not on this machine.
        mean_pooling: The whole text is the mean of its tokens' states; otherwise it is the model's own pooled state
            where it has one (BERT's pooler).
        gradient_checkpointing: Compute layers again in the backward pass instead of keeping what they computed.

    Raises:
        WeightsNotFoundError: The weights are not on this machine.
        ValueError: The model is no encoder of texts, or `config` does not say its `model_type`.
    """

    def __init__(
        self,
        name: str = "bert-base-uncased",
        *,
        config: dict[str, Any] | None = None,
        attend_padding: bool = False,
        download: bool = False,
        mean_pooling: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        options = {"add_pooling_layer": False} if mean_pooling else {}
        model = _from_config(config, options) if config is not None else _load(name, download, options)
        sizes = model.config
        if getattr(sizes, "is_encoder_decoder", False) or not hasattr(sizes, "hidden_size"):
            raise ValueError(f"text encoder '{name}' {_no_text_encoder(sizes.model_type)}")
        super().__init__(int(sizes.hidden_size), int(sizes.vocab_size), _plain_sizes(sizes))
        self.model = model
        self.attend_padding = attend_padding
        self.mean_pooling = mean_pooling
        if gradient_checkpointing:
            _checkpoint_layers(model)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> TextEncoding:
        """See `TextEncoder.forward`; `pooled` is the model's own, else the mean of the valid states."""
        mask = torch.ones_like(token_mask) if self.attend_padding else token_mask
        out = self.model(input_ids=tokens, attention_mask=mask.long())
        pooled = None if self.mean_pooling else getattr(out, "pooler_output", None)
        if pooled is None:
            pooled = masked_mean(out.last_hidden_state, mask)
        return TextEncoding(out.last_hidden_state, pooled)


def _from_config(config: dict[str, Any], options: dict[str, Any]) -> Any:
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


def _load(name: str, download: bool, options: dict[str, Any]) -> Any:
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


def _checkpoint_layers(model: Any) -> None:
    enable = getattr(model, "activation_checkpointing_enable", None)  # its name from transformers 5 on
    if enable is not None:
        enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def _plain_sizes(config: Any) -> dict[str, Any]:
    """A config's differences from its kind's defaults, as plain types."""
    sizes = {key: value for key, value in config.to_diff_dict().items() if key not in _NOT_SIZES}
    plain: dict[str, Any] = json.loads(json.dumps({"model_type": config.model_type, **sizes}))
    return plain
