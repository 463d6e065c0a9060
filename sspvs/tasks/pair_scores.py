"""Every video against every text: what retrieval ranks.

Axis letters: N videos, P texts, V and W their widths, H the matching head's first hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.heads import MatchingHead


def cosine_scores(video: Tensor, text: Tensor) -> Tensor:
    """(N, D) and (P, D) -> (N, P) cosines in float32."""
    return functional.normalize(video.float(), dim=-1) @ functional.normalize(text.float(), dim=-1).T


def matching_scores(head: MatchingHead, video: Tensor, text: Tensor, *, max_elements: int = 1 << 24) -> Tensor:
    """The matching head's logit for every pair.

    Its first layer is linear in [text ; video]: it is computed once for each text and once for each video and added.

    Args:
        head: In evaluation mode: its dropout is not applied.
        video: (N, V) pooled videos.
        text: (P, W) pooled texts.
        max_elements: Most hidden values held at a time.

    Returns:
        (N, P) logits in float32.
    """
    first = head.layers[0]
    assert isinstance(first, nn.Linear)
    of_text, of_video = first.weight[:, : text.shape[1]], first.weight[:, text.shape[1] :]
    texts = functional.linear(text, of_text, first.bias)  # (P, H)
    videos = functional.linear(video, of_video)  # (N, H)
    at_a_time = max(1, max_elements // (len(text) * first.out_features))
    rest = [layer for layer in list(head.layers)[1:] if not isinstance(layer, nn.Dropout)]
    rows = []
    for start in range(0, len(videos), at_a_time):
        hidden = videos[start : start + at_a_time, None] + texts  # (n, P, H)
        for layer in rest:
            hidden = layer(hidden)
        rows.append(hidden.squeeze(-1).float())
    return torch.cat(rows)
