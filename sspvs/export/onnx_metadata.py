"""What an ONNX file says of itself, so that somebody who has nothing else can use it."""

from __future__ import annotations

import json

from sspvs.export.figures import Figures
from sspvs.export.onnx_graph import ExportGraph
from sspvs.export.source import Exported
from sspvs.sharing import named
from sspvs.tasks.checkpoint import VERSION
from sspvs.version import package_version


def onnx_metadata(task: Exported, graph: ExportGraph, figures: Figures | None) -> dict[str, str]:
    """Key -> text; what is structured is JSON.

    Args:
        task: What was exported.
        graph: As what.
        figures: How well it does, when known.
    """
    return {
        "kind": task.kind,
        "version": str(VERSION),
        "sspvs": package_version(),
        "settings": json.dumps(named(task.hparams)),
        "feature_fingerprint": json.dumps(task.feature_fingerprint),
        "features": "as the backbone of feature_fingerprint gives them, not normalised; null: nobody recorded which",
        "protocol": "unknown" if figures is None else figures.protocol,
        "figures": json.dumps(None if figures is None else figures.means),
        **graph.metadata,
    }
