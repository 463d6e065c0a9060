"""`sspvs fit`, `validate`, `test`, `predict`: training, of whatever task a config names, by LightningCLI."""

from collections.abc import Sequence

from sspvs.commands.arguments import DEBUG, QUIET, VERBOSE
from sspvs.training.signals import exit_status, interruptible_imports, quieten


def run_verb(verb: str, arguments: Sequence[str]) -> int:
    """Run a verb with the arguments that follow it; see `exit_status`."""
    return exit_status(lambda: _run(verb, [word for word in arguments if word not in (DEBUG, QUIET, VERBOSE)]))


def _run(verb: str, arguments: Sequence[str]) -> None:
    with interruptible_imports():
        from sspvs.training.command_line import TrainingCLI

    quieten()
    cli = TrainingCLI(verb, arguments)
    trainer = cli.trainer
    run_folder = trainer.log_dir  # a collective, which every process must call
    if not trainer.is_global_zero:
        return
    if verb == "predict":
        print(cli.settings.out)
        return
    if verb == "fit":
        print(f"{trainer.global_step} steps, run folder {run_folder or '(none)'}")
    stage = "test" if verb == "test" else "val"
    for name, value in sorted(trainer.callback_metrics.items()):
        if name.startswith(f"{stage}/"):
            print(f"  {name:<36}{float(value):.5g}")
