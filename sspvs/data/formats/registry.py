"""The table of file kinds, in the order in which they are tried; each module is imported only when needed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from sspvs.data.formats.kind import Kind

MODULES: dict[str, str] = {
    "scores": "score_h5",
    "mrhisum": "mrhisum",
    "youtube8m": "youtube8m",
    "community": "community",
    "features": "feature_h5",
    "sspvs": "sspvs_release",
    "sspvs-tokens": "sspvs_tokens",
    "tvsum": "tvsum",
    "summe": "summe",
    "splits": "split_file",
    "mrhisum-metadata": "mrhisum_metadata",
    "videoxum": "videoxum",
    "qvhighlights": "qvhighlights",
    "dsnet": "dsnet",
    "scores-json": "score_json",
    "sspvs-list": "sspvs_list",
    "custom": "custom",
    "manifest": "manifest",
    "shard": "shard",
}
"""Kind -> its module in this folder."""

READ = ("community", "features", "sspvs", "mrhisum", "youtube8m", "videoxum", "dsnet", "custom")
"""What `convert` reads."""
WRITTEN = ("community", "sspvs", "mrhisum", "youtube8m", "videoxum", "dsnet", "custom")
"""What `convert` writes."""


def kind_named(name: str) -> Kind:
    """A kind by its name.

    Raises:
        ValueError: When there is none.
    """
    if name not in MODULES:
        raise ValueError(f"unknown kind '{name}'; expected one of: {', '.join(MODULES)}")
    kind: Kind = import_module(f"sspvs.data.formats.{MODULES[name]}").KIND
    return kind


def kinds() -> Iterator[Kind]:
    """All kinds, in the order in which they are tried."""
    for name in MODULES:
        yield kind_named(name)
