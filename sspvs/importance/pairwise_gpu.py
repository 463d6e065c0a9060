"""The terms of contrastive importance on a GPU; the same numbers as on the CPU to round-off."""

from __future__ import annotations

import torch

from sspvs.importance.points import Points, Terms


def terms_on_gpu(
    points: Points, anchors: Points | None, neighbours: int, consistency: bool, block_rows: int, device: str
) -> Terms:
    """A and G in one pass over blocks of rows, see `pairwise_terms`.

    Args:
        points: What distances are taken from.
        anchors: What neighbours are chosen by; `points` when None.
        neighbours: Neighbours of a frame, itself included; 0 for no A.
        consistency: Whether to compute G.
        block_rows: Rows in a block.
        device: A torch device, or `auto` for the current GPU.
    """
    place = torch.device("cuda" if device == "auto" else device)
    spread = _Resident(points, place)
    order = spread if anchors is None else _Resident(anchors, place)
    by_rank = anchors is not None or bool(points.absent.any())
    count = len(points.rows)
    dissimilarity = torch.empty(count if neighbours else 0, dtype=torch.float64, device=place)
    density = torch.empty(count if consistency else 0, dtype=torch.float64, device=place)
    for start in range(0, count, block_rows):
        end = min(start + block_rows, count)
        distances = spread.distances(start, end)  # (rows, T)
        if neighbours and not by_rank:
            nearest = distances.topk(neighbours, dim=1, largest=False, sorted=False).values
            dissimilarity[start:end] = nearest.mean(dim=1)
        elif neighbours:
            ranks = order.distances(start, end)
            ranks += order.absent
            ranks[:, start:end].fill_diagonal_(-1)
            columns = ranks.topk(neighbours, dim=1, largest=False, sorted=False).indices
            dissimilarity[start:end] = distances.gather(1, columns).mean(dim=1)
        if consistency:
            density[start:end] = distances.mul_(-2).exp_().mean(dim=1)
    return Terms(dissimilarity.cpu().numpy(), density.log().cpu().numpy())


class _Resident:
    """Points in the GPU's memory."""

    def __init__(self, points: Points, place: torch.device) -> None:
        self.rows = torch.from_numpy(points.rows).to(place)
        self.squares = torch.from_numpy(points.squares).to(place)
        self.absent = torch.from_numpy(points.absent).to(place)

    def distances(self, start: int, end: int) -> torch.Tensor:
        """(end - start, T) squared distances; that of a frame to itself is exactly 0."""
        block = torch.addmm(self.squares, self.rows[start:end], self.rows.T, alpha=-2)
        block += self.squares[start:end, None]
        block.clamp_(min=0)
        block[:, start:end].fill_diagonal_(0)
        return block
