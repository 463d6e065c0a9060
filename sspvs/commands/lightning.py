"""`sspvs fit`, `validate`, `test`, `predict`: training, of whatever task a config names, by LightningCLI."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sspvs.commands.arguments import DEBUG, QUIET, VERBOSE
from sspvs.training.signals import StoppedBySignalError, ending_on_signals, interruptible_imports

if TYPE_CHECKING:
    from sspvs.training.command_line import TrainingCLI


def run_verb(verb: str, arguments: Sequence[str]) -> int:
    """Run a verb with the arguments that follow it.

    Returns:
        0 when all went well, 143 or 129 when SIGTERM or SIGHUP stopped a training that then saved where it was.

    Raises:
        ValueError: For mistakes in arguments and configs, and what Lightning refuses.
        KeyboardInterrupt: The training was interrupted from the keyboard.
    """
    try:
        with ending_on_signals():
            cli = _run(verb, [word for word in arguments if word not in (DEBUG, QUIET, VERBOSE)])
    except StoppedBySignalError as stopped:
        sys.stderr.write(f"{stopped}\n")
        return stopped.status
    except SystemExit as ended:  # --help and --print_config end so
        return int(ended.code or 0)
    run_folder = cli.trainer.log_dir  # agreed upon by all processes: all must ask
    if cli.trainer.is_global_zero:
        _report(cli, run_folder)
    return 0


def _run(verb: str, arguments: Sequence[str]) -> TrainingCLI:
    with interruptible_imports():
        from lightning_fabric.utilities.exceptions import MisconfigurationException

        from sspvs.training.command_line import TrainingCLI
        from sspvs.training.signals import quieten

    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        quieten()
    try:
        return TrainingCLI(verb, arguments)
    except (MisconfigurationException, ModuleNotFoundError) as error:  # of settings, and of an accelerator's package
        raise ValueError(str(error)) from error


def _report(cli: TrainingCLI, run_folder: str | None) -> None:
    trainer = cli.trainer
    if cli.verb == "predict":
        print(cli.settings.out)
        return
    stage = "test" if cli.verb == "test" else "val"
    if cli.verb == "fit":
        print(f"{trainer.global_step} steps, run folder {run_folder or '(none)'}")
    figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith(f"{stage}/")}
    for name in sorted(figures):
        print(f"  {name:<36}{figures[name]:.5g}")
