"""The pretraining model: both towers, and the heads of the objectives.

Axis letters: B batch, T picks, L tokens, M masked frames, X states that words are compared with, D width, W the text's.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from sspvs.models.canonical import canonical_maps
from sspvs.models.layers import ProjectionHead, SinusoidalPositions, TransformerStack, masked_mean, start_as_released
from sspvs.models.text_towers import TextEncoder
from sspvs.models.video_encoder import VideoEncoder, VideoEncoding


class MatchingHead(nn.Module):
    """Does this text belong to this video? An MLP on both pooled vectors (Li et al., WACV 2023, coarse alignment).

    Args:
        text_dim: Width of the pooled text.
        video_dim: Width of the pooled video.
        hidden_dims: Widths of the two hidden layers.
        dropout: After each of them.
    """

    def __init__(
        self, text_dim: int, video_dim: int, hidden_dims: tuple[int, int] = (1024, 512), dropout: float = 0.1
    ) -> None:
        super().__init__()
        first, second = hidden_dims
        self.layers = nn.Sequential(
            nn.Linear(text_dim + video_dim, first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(second, 1),
        )

    def forward(self, text: Tensor, video: Tensor) -> Tensor:
        """(B, text_dim) and (B, video_dim) -> (B,) logits."""
        logits: Tensor = self.layers(torch.cat([text, video], dim=-1))  # (B, 1)
        return logits.squeeze(-1)


class MaskedFrameHead(nn.Module):
    """Recovers a masked frame from its neighbours and from the whole video, mixed (Li et al., WACV 2023).

    *Local*: the frames around it, zeros beyond the ends, through positions and a one-layer Transformer. *Global*: the
    encoder's state at the mask. A softmax over two logits of that state weighs them.

    Args:
        embed_dim: D.
        feature_dim: Width of what is recovered.
        num_heads: Attention heads of the local Transformer.
        feedforward_dim: Width of its hidden layer.
        dropout: In it and on its positions.
        local_radius: Frames on each side.
        mixing_dim: Width of the hidden layer that weighs.
        residual: Add differences to what copying gives: a share of the way to the mean of the frames that are not
            masked, and what the decoders make, of either sign. Both are zero at the start.
    """

    def __init__(
        self,
        embed_dim: int = 1024,
        feature_dim: int = 1024,
        num_heads: int = 8,
        feedforward_dim: int = 4096,
        dropout: float = 0.1,
        local_radius: int = 4,
        mixing_dim: int = 512,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.local_radius = local_radius
        self.positions = SinusoidalPositions(embed_dim, dropout=dropout)
        self.local_transformer = TransformerStack(1, embed_dim, num_heads, feedforward_dim, dropout)
        self.local_decoder = nn.Sequential(nn.Linear(embed_dim, feature_dim), nn.ReLU())
        self.global_decoder = nn.Sequential(nn.Linear(embed_dim, feature_dim), nn.ReLU())
        self.pull = nn.Linear(embed_dim, 1) if residual else None
        if self.pull is not None:
            nn.init.zeros_(self.pull.weight)
            nn.init.zeros_(self.pull.bias)
            for decoder in (self.local_decoder, self.global_decoder):
                decoder[1] = nn.Identity()
                for parameter in decoder[0].parameters():
                    nn.init.zeros_(parameter)
        self.mixing = nn.Sequential(nn.Linear(embed_dim, mixing_dim), nn.ReLU(), nn.Linear(mixing_dim, 2))

    def forward(self, frames: Tensor, frame_mask: Tensor, encoded: Tensor, masked_index: Tensor) -> Tensor:
        """(B, M, feature_dim) recovered frames.

        Args:
            frames: (B, T, D) what the encoder was given: the mask vector at the masked frames.
            frame_mask: (B, T) bool, True = valid.
            encoded: (B, T, D) the encoder's states of the frames.
            masked_index: (B, M) positions.
        """
        states = encoded.gather(1, masked_index[..., None].expand(-1, -1, encoded.shape[-1]))  # (B, M, D)
        weights = self.mixing(states).softmax(dim=-1)  # (B, M, 2)
        local = self._local(frames * frame_mask[..., None].to(frames.dtype), masked_index)
        out: Tensor = weights[..., :1] * local + weights[..., 1:] * self.global_decoder(states)
        return out

    def _local(self, frames: Tensor, masked_index: Tensor) -> Tensor:
        """(B, M, feature_dim) from the 2 r + 1 frames around each masked one."""
        radius, (batch, count) = self.local_radius, masked_index.shape
        padded = nn.functional.pad(frames, (0, 0, radius, radius))  # (B, T + 2 r, D), zeros beyond the ends
        around = masked_index[..., None] + torch.arange(2 * radius + 1, device=frames.device)  # (B, M, 2 r + 1)
        rows = torch.arange(batch, device=frames.device)[:, None, None]
        windows = rearrange(padded[rows, around], "b m w d -> (b m) w d")
        everything = torch.ones(windows.shape[:2], dtype=torch.bool, device=frames.device)
        centre = self.local_transformer(self.positions(windows), everything)[:, radius]  # (B M, D)
        return torch.unflatten(self.local_decoder(centre), 0, (batch, count))


class CopiedNeighbours(NamedTuple):
    """Guesses of masked frames from the nearest frames that are not masked."""

    mean: Tensor  # (B, M, D) of the one before and the one after; of the only one at an end of the video
    nearest: Tensor  # (B, M, D) the nearer of both; the one before when both are as near
    known: Tensor  # (B, M) bool, whether there is any


def copied_neighbours(frames: Tensor, frame_mask: Tensor, masked_index: Tensor) -> CopiedNeighbours:
    """Guess the (B, M) masked frames of (B, T, D) features by copying frames that are not masked."""
    length = frames.shape[1]
    hidden = torch.zeros_like(frame_mask).scatter(1, masked_index, value=True)
    places = torch.arange(length, device=frames.device).expand(frame_mask.shape)
    open_places = frame_mask & ~hidden
    before = places.masked_fill(~open_places, -1).cummax(dim=1).values.gather(1, masked_index)  # (B, M), -1: none
    after = places.masked_fill(~open_places, length).flip(1).cummin(dim=1).values.flip(1).gather(1, masked_index)
    has_before, has_after = before >= 0, after < length
    left, right = frames_at(frames, before.clamp(min=0)), frames_at(frames, after.clamp(max=length - 1))  # (B, M, D)
    weight = torch.where(has_before & has_after, 0.5, has_before.float())[..., None]
    nearer_left = has_before & (~has_after | (masked_index - before <= after - masked_index))
    return CopiedNeighbours(
        mean=weight * left + (1 - weight) * right,
        nearest=torch.where(nearer_left[..., None], left, right),
        known=has_before | has_after,
    )


def frames_at(frames: Tensor, index: Tensor) -> Tensor:
    """(B, M, D) rows of (B, T, D) frames at (B, M) places."""
    return frames.gather(1, index[..., None].expand(-1, -1, frames.shape[-1]))


class PretrainOutput(NamedTuple):
    """What the losses are computed from."""

    video: VideoEncoding  # the encoded videos, masked or whole
    words: Tensor  # (B, L, D) projected word states
    pooled_text: Tensor  # (B, W) whole texts
    matching_logits: Tensor  # (B,) does this text belong to this video?
    recovered: Tensor  # (B, M, feature_dim) the masked frames' features
    fine: Tensor  # (B, X, D) what words are compared with: see `PretrainModel.fine_frames`
    fine_mask: Tensor  # (B, X) bool, True = valid


class PretrainModel(nn.Module):
    """Multimodal self-supervised pretraining (Li et al., WACV 2023, arXiv 2201.02494).

    Args:
        video_encoder: The video tower.
        text_encoder: The text tower.
        dropout: Of the heads.
        local_radius: Frames on each side that recover a masked one.
        contrastive_dim: Width of the space of the contrastive losses over the batch; None: no such projection.
        frames_alone: Give words single frames to be compared with, through a projection of their own.
        linear_path: Add to a video's vector in that space the mean of its embedded frames, through a projection of its
            own; the pooled state's part starts at zero.
        residual: Recover a masked frame's difference to the mean of its neighbours that are not masked.
        align_whole: Encode the video once more with nothing masked, for all but the recovery of masked frames.
    """

    def __init__(
        self,
        video_encoder: VideoEncoder,
        text_encoder: TextEncoder,
        dropout: float = 0.1,
        local_radius: int = 4,
        contrastive_dim: int | None = None,
        frames_alone: bool = False,
        linear_path: bool = False,
        residual: bool = False,
        align_whole: bool = False,
    ) -> None:
        super().__init__()
        sizes, text_dim = video_encoder.settings, text_encoder.text_dim
        dim = sizes.embed_dim
        self.video_encoder = video_encoder
        self.text_encoder = text_encoder
        self.align_whole = align_whole
        self.mask_vector = nn.Parameter(torch.randn(dim) * 0.02)
        self.text_projection = ProjectionHead(text_dim, dim)
        self.frame_projection = ProjectionHead(video_encoder.frame_dim, dim, hidden_dim=dim) if frames_alone else None
        self.matching_head = MatchingHead(text_dim, dim, hidden_dims=(dim, max(dim // 2, 1)), dropout=dropout)
        self.mask_head = MaskedFrameHead(
            dim,
            sizes.feature_dim,
            sizes.num_heads,
            sizes.feedforward_dim,
            dropout,
            local_radius,
            mixing_dim=max(dim // 2, 1),
            residual=residual,
        )
        if sizes.start == "released":
            nn.init.normal_(self.mask_vector)
            start_as_released(self.mask_head.local_transformer)
        self.contrastive_video = None if contrastive_dim is None else nn.Linear(dim, contrastive_dim)
        self.contrastive_text = None if contrastive_dim is None else nn.Linear(text_dim, contrastive_dim)
        self.contrastive_frames = None
        if self.contrastive_video is not None and linear_path:
            self.contrastive_frames = nn.Linear(dim, self.contrastive_video.out_features, bias=False)
            nn.init.eye_(self.contrastive_frames.weight)
            nn.init.zeros_(self.contrastive_video.weight)
            nn.init.zeros_(self.contrastive_video.bias)

    def forward(
        self, frames: Tensor, frame_mask: Tensor, tokens: Tensor, token_mask: Tensor, masked_index: Tensor
    ) -> PretrainOutput:
        """Encode masked videos and texts.

        Args:
            frames: (B, T, feature_dim) features.
            frame_mask: (B, T) bool, True = a frame of the video.
            tokens: (B, L) ids.
            token_mask: (B, L) bool, True = a token.
            masked_index: (B, M) frames to mask and recover; of equal entries one counts. M may be 0.
        """
        recovered = frames.new_zeros(len(frames), 0, frames.shape[-1])
        if masked_index.shape[1]:
            hidden = torch.zeros_like(frame_mask).scatter(1, masked_index, value=True)  # (B, T)
            seen = self.video_encoder.embed(frames, frame_mask & ~hidden)  # (B, T, D); no mean has what is hidden
            seen = torch.where(hidden[..., None], self.mask_vector.to(seen.dtype), seen)
            video = self.video_encoder(seen, frame_mask)
            recovered = self.mask_head(seen, frame_mask, video.frames, masked_index)
            if self.mask_head.pull is not None:
                copied = copied_neighbours(frames, frame_mask, masked_index).mean  # (B, M, feature_dim)
                visible = masked_mean(frames, frame_mask & ~hidden)[:, None]
                pull = self.mask_head.pull(frames_at(video.frames, masked_index))  # (B, M, 1)
                recovered = recovered + copied + pull * (visible - copied)
        if self.align_whole or not masked_index.shape[1]:
            video = self.video_encoder(self.video_encoder.embed(frames, frame_mask), frame_mask)
        text = self.text_encoder.encode(tokens, token_mask)
        fine, fine_mask = self.fine_frames(frames, frame_mask, video)
        return PretrainOutput(
            video=video,
            words=self.text_projection(text.states),
            pooled_text=text.pooled,
            matching_logits=self.matching_head(text.pooled, video.pooled),
            recovered=recovered,
            fine=fine,
            fine_mask=fine_mask,
        )

    def contrastive_vectors(self, text: Tensor, video: VideoEncoding) -> tuple[Tensor, Tensor] | None:
        """(B, C) videos and texts in the contrastive space, from (B, W) pooled texts; None without such a space."""
        if self.contrastive_video is None or self.contrastive_text is None:
            return None
        vectors = self.contrastive_video(video.pooled)
        if self.contrastive_frames is not None:
            vectors = vectors + self.contrastive_frames(video.mean)
        return vectors, self.contrastive_text(text)

    def start_canonical(self, batches: Iterable[tuple[Tensor, Tensor]], texts: Tensor, **shrinkage: float) -> Tensor:
        """Set the linear path to the canonical correlations of videos and texts, in closed form.

        Args:
            batches: (B, T, feature_dim) features of the videos, and their (B, T) masks.
            texts: (N, W) pooled texts of the same videos.
            **shrinkage: See `canonical_maps`.

        Returns:
            (rank,) the correlations.

        Raises:
            ValueError: The features are not projected; see `canonical_maps` too.
        """
        assert self.contrastive_text is not None
        assert self.contrastive_frames is not None
        linears = [layer for layer in self.video_encoder.input_projection.modules() if isinstance(layer, nn.Linear)]
        if not linears:
            raise ValueError(
                f"losses.linear_path canonical projects the features, and video.embed_dim is their width; set it to "
                f"another, such as {self.video_encoder.settings.feature_dim // 4}"
            )
        inputs: dict[int, Tensor] = {}  # of each projection: streams have their own
        hooks = [
            layer.register_forward_pre_hook(lambda one, given: inputs.update({id(one): given[0]})) for layer in linears
        ]
        means = []
        with torch.no_grad():
            for frames, mask in batches:
                self.video_encoder.embed(frames, mask)
                means.append(torch.cat([masked_mean(inputs[id(layer)].float(), mask) for layer in linears], dim=-1))
        for hook in hooks:
            hook.remove()
        width, space = self.video_encoder.settings.embed_dim, self.contrastive_text.out_features
        maps = canonical_maps(torch.cat(means), texts, min(width, space), **shrinkage)
        scale = len(linears) ** 0.5  # what several streams add up to is divided by it
        parts = torch.split(maps.video_weight, [layer.in_features for layer in linears], dim=1)
        with torch.no_grad():
            for layer, part in zip(linears, parts, strict=True):
                _fill(layer.weight, part * scale)
                _fill(layer.bias, maps.video_bias / scale)
            _fill(self.contrastive_text.weight, maps.text_weight)
            _fill(self.contrastive_text.bias, maps.text_bias)
            nn.init.eye_(self.contrastive_frames.weight)
        return maps.correlations

    def linear_parameters(self) -> Iterator[nn.Parameter]:
        """What `start_canonical` sets."""
        for module in (self.video_encoder.input_projection, self.contrastive_frames, self.contrastive_text):
            if module is not None:
                yield from module.parameters()

    def fine_frames(self, frames: Tensor, frame_mask: Tensor, video: VideoEncoding) -> tuple[Tensor, Tensor]:
        """(B, X, D) what words are compared with, and its (B, X) mask: all states, X = 1 + T, or single frames, X = T.

        Frames that are masked in the video are not masked here.
        """
        if self.frame_projection is None:
            return video.states, video.mask
        return self.frame_projection(self.video_encoder.normalised(frames, frame_mask)), frame_mask


def _fill(parameter: Tensor, values: Tensor) -> None:
    """Copy values, of fewer rows perhaps: the rest is zeros."""
    parameter.zero_()
    parameter[: len(values)] = values.to(parameter)
