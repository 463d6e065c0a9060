"""The demo: the whole line of the package on painted pictures, offline, in minutes on a CPU; or the short one.

folder.py       what is made, how much of it, and where it is
films.py        the drawn videos; run_short(out): one summarised without training, in seconds
whole.py        run_whole(settings): clips, world, pretraining, fine-tuning, the table, the summaries
pretrain.yaml, finetune.yaml    the configs of both trainings
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sspvs.lazy import attach

if TYPE_CHECKING:
    from sspvs.demo.folder import DemoSettings, run_short
    from sspvs.demo.whole import WholeDemo, run_whole

__all__ = ["DemoSettings", "WholeDemo", "run_short", "run_whole"]

__getattr__, __dir__ = attach(
    __name__, {"DemoSettings": "folder", "WholeDemo": "whole", "run_short": "films", "run_whole": "whole"}
)
