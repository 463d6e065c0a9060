"""What lies where in the demo's folder.

    report.html, summary.mp4, ...   the summary of demo.mp4 by the trained model
    contrastive/                    the same without training
    demo.mp4                        the video that was summarised
    comparison.html .txt .json      the table, and all its figures
    training/                       what it took; may be deleted
        demo.json                   what all of it follows from
        clips.h5                    painted clips: features and captions
        world/                      videos made of them
        pretrained/                 the pretraining, as a checkpoint folder
        crossval/                   a folder a row of the table

What is there is whole, and is used when the demo runs again; what is made anew takes with it what was made from it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sspvs.atomic import write_text
from sspvs.data.synthetic.writing import TRUTH
from sspvs.errors import OutputError
from sspvs.output import check_folder
from sspvs.overwriting import DRAWN_VIDEO, EVALUATION, EVALUATION_PAGE, check_output

_STAMP = "demo.json"
_REPORT = "report.html"


class DemoFolder:
    """The demo's folder.

    Args:
        out: Where it is, or shall be.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.training = out / "training"
        self.clips = self.training / "clips.h5"
        self.world = self.training / "world"
        self.pretrained = self.training / "pretrained"
        self.crossval = self.training / "crossval"
        self.video = out / "demo.mp4"
        self.contrastive = out / "contrastive"

    @property
    def report(self) -> Path:
        """The page of the trained model's summary."""
        return self.out / _REPORT

    @property
    def contrastive_report(self) -> Path:
        """The page of the summary that was made without training."""
        return self.contrastive / _REPORT

    def comparison(self, ending: str) -> Path:
        """The table, as `txt`, `json` or `html`."""
        return self.out / f"comparison.{ending}"

    @property
    def has_clips(self) -> bool:
        """Whether the clips are there."""
        return self.clips.is_file()

    @property
    def has_world(self) -> bool:
        """Whether the world is there; its last file says so."""
        return (self.world / TRUTH).is_file()

    @property
    def has_pretrained(self) -> bool:
        """Whether the pretraining is there; its folder got its name when it was whole."""
        return self.pretrained.is_dir()

    def check(self, *, whole: bool) -> None:
        """Refuse a folder that has files of others in the places of ours.

        Args:
            whole: Whether the whole demo is written, or the short one.

        Raises:
            OutputError: It has, or cannot be written to.
        """
        check_folder(self.out)
        if self.video.exists():
            check_output(self.video, DRAWN_VIDEO)
        if not whole:
            return
        check_folder(self.contrastive)
        made = {"json": EVALUATION, "html": EVALUATION_PAGE}
        for ending, kind in made.items():
            if self.comparison(ending).exists():
                check_output(self.comparison(ending), kind)
        if self.comparison("txt").exists() and not self.comparison("json").exists():
            raise OutputError(
                f"cannot write {self.comparison('txt')}: it exists and is not part of a demo; choose another --out"
            )

    def identify(self, identity: str) -> None:
        """Go on with what was made from the same settings; remove what was made from others.

        Args:
            identity: Everything that it follows from.

        Raises:
            OutputError: The folder `training` is somebody else's, or cannot be written to.
        """
        stamp = self.training / _STAMP
        try:
            found = stamp.read_text(encoding="utf-8") if stamp.is_file() else None
            if found == identity:
                return
            if found is None and self.training.exists() and any(self.training.iterdir()):
                raise OutputError(
                    f"{self.training} is there, and is not of a demo: nothing is written; choose another --out"
                )
            if found is not None:
                shutil.rmtree(self.training)
            self.training.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {self.out}: {error.strerror or error}; choose another --out") from error
        write_text(stamp, identity)

    def forget_from(self, product: Path) -> None:
        """Remove a product that is to be made, and all that was made from it."""
        products = [self.clips, self.world, self.pretrained, self.crossval]
        for path in products[products.index(product) :]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
