"""Parameters that no objective reaches: frozen, so that nothing waits for their gradients."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


def freeze_unused(module: nn.Module, losses: Iterable[Tensor]) -> list[str]:
    """Freeze the parameters that the losses do not depend on.

    DDP would wait for their gradients for ever, and an optimiser would decay them. Which they are follows from the
    objectives that are on, and from the text tower: the graph of the losses is walked and nothing is computed.

    Args:
        module: Whose parameters.
        losses: Scalars with their graph.

    Returns:
        The names of the parameters frozen here.
    """
    reached: set[int] = set()
    seen: set[object] = set()
    waiting: list[object] = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)  # of the nodes that accumulate into a leaf
        if variable is not None:
            reached.add(id(variable))
        waiting.extend(following for following, _ in getattr(node, "next_functions", ()) if following is not None)
    frozen = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and id(parameter) not in reached:
            parameter.requires_grad_(False)
            frozen.append(name)
    return frozen
