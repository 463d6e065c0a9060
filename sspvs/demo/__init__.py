"""The demo: the whole line of the package on painted pictures, offline, in minutes on a CPU; or the short one.

settings.py       how much of everything, and what identifies what was made
pretrain.yaml, finetune.yaml    the configs of both trainings
folder.py         what lies where; what is made anew, and what goes on
film.py           the video that is summarised: things the training never saw in these variants
training.py       clips, world, pretraining, fine-tuning: each made unless it is there
comparison.py     the table and the sentences under it
whole.py          run_whole(settings): all of it
short.py          run_short(out): a drawn video, summarised without training, in seconds
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspvs.demo.folder import DemoSettings
    from sspvs.demo.whole import WholeDemo, run_short, run_whole

__all__ = ["DemoSettings", "WholeDemo", "run_short", "run_whole"]

_HOME = {"DemoSettings": "folder", "WholeDemo": "whole", "run_short": "whole", "run_whole": "whole"}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562): the short demo needs no torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
