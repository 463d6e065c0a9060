"""The images: there is no engine where the tests run, so what the Dockerfiles say is taken at its word, and tried."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile.*"))
STEPS = ["system", "user", "torch", "dependencies", "package", "check"]
SCRIPT = "docker/install.sh"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, arguments) of each line, continued lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined if line.strip()]


def arguments_of(dockerfile: Path, wanted: str) -> list[str]:
    return [arguments for name, arguments in instructions(dockerfile) if name == wanted]


def is_sent(path: str) -> bool:
    """Whether a path of the checkout reaches the builder, by the rules of .dockerignore: the last pattern decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        as_regex = re.escape(pattern.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if re.fullmatch(f"{as_regex}(/.*)?", path):  # also all that is in a folder that matches
            ignored = not pattern.startswith("!")
    return not ignored


def shell(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(ROOT / SCRIPT), *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_there_are_two_images() -> None:
    assert [path.name for path in DOCKERFILES] == ["Dockerfile.cpu", "Dockerfile.cuda"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_every_step_is_one_of_the_script(dockerfile: Path) -> None:
    runs = [shlex.split(arguments) for arguments in arguments_of(dockerfile, "RUN")]
    assert all(words[0] == SCRIPT for words in runs)
    assert [step for words in runs for step in words[1:]] == STEPS, "all steps, in this order, each once"
    assert (ROOT / SCRIPT).stat().st_mode & 0o111


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_is_there_and_is_sent(dockerfile: Path) -> None:
    copied: list[str] = []
    for name, arguments in instructions(dockerfile):
        if name == "COPY":
            *sources, target = arguments.split()
            assert all((ROOT / source).exists() and is_sent(source) for source in sources)
            assert target in ("./", sources[-1])  # where the script looks for it
            copied += sources
        elif name == "RUN":
            assert SCRIPT in copied
            assert ("sspvs" in copied) == ("package" in arguments or "check" in arguments), "code must not come early"
    assert "ADD" not in dict(instructions(dockerfile))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_nobody_is_root(dockerfile: Path) -> None:
    names = [name for name, _ in instructions(dockerfile)]
    assert arguments_of(dockerfile, "USER") == ["sspvs"]
    assert "RUN" not in names[names.index("USER") + 2 :], "only the check runs as the user"
    assert "useradd" in shell("--dry-run", "user").stdout


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_base_images_are_official_and_pinned(dockerfile: Path) -> None:
    base = next(word for word in arguments_of(dockerfile, "ARG") if word.startswith("BASE=")).removeprefix("BASE=")
    assert arguments_of(dockerfile, "FROM") == ["${BASE}"]
    image, _, tag = base.partition(":")
    assert image in ("ubuntu", "nvidia/cuda")
    assert re.fullmatch(r"[\d.]+(-base-ubuntu[\d.]+)?", tag)


def test_the_images_differ_in_their_base_and_torch_alone() -> None:
    bodies = []
    for dockerfile in DOCKERFILES:
        bodies.append([(name, text) for name, text in instructions(dockerfile) if name != "ARG"])
        torch = arguments_of(dockerfile, "ARG")[-1]
        assert torch.startswith("TORCH_INDEX=")
        assert ("cpu" in torch) == ("cpu" in dockerfile.name)
    assert bodies[0] == bodies[1]


def test_junk_stays_out() -> None:
    for junk in (
        ".env", ".git/config", "runs/smoke/version_0/checkpoints/last.ckpt", "wandb/run/x.wandb", "data/video.mp4",
        "features.h5", ".venv/bin/python", "build/lib/sspvs/cli.py", "sspvs/__pycache__/cli.cpython-311.pyc",
        "sspvs/data/pretrain/__pycache__/x.pyc", "tests/conftest.py", "docker/compose.yaml", ".hypothesis/x",
    ):  # fmt: skip
        assert not is_sent(junk), junk
    code = [path.relative_to(ROOT).as_posix() for path in (ROOT / "sspvs").rglob("*.py")]
    assert len(code) > 100
    assert all(map(is_sent, [*code, "sspvs/report/report.html", "configs/pretrain/smoke.yaml", "pyproject.toml"]))


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    return loaded


def test_compose() -> None:
    services = compose()["services"]
    assert set(services) == {"train", "cpu"}
    for service in services.values():
        context = (ROOT / "docker" / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]) in DOCKERFILES
        assert {volume.rpartition(":")[2] for volume in service["volumes"]} == {"/work/data", "/work/runs", "/cache"}
        assert service["init"]
        assert not service["user"].endswith(":0")
        assert not any(map(str, filter(None, service["environment"].values()))), "values come from the host"
    (device,) = services["train"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert "deploy" not in services["cpu"]


def test_a_dry_run_does_nothing(tmp_path: Path) -> None:
    done = shell("--dry-run", *STEPS, SSPVS_VENV=str(tmp_path / "venv"), TORCH_INDEX="https://example.org/whl")
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("+ ") for line in done.stdout.splitlines())
    for expected in ("apt-get install", "--index-url https://example.org/whl torch", "[all]", "smoke.yaml", "doctor"):
        assert expected in done.stdout
    assert not list(tmp_path.iterdir())
    assert "--index-url" not in shell("--dry-run", "torch", TORCH_INDEX="").stdout


@pytest.mark.parametrize("words", [[], ["sytem"], ["--dry-run"], ["torch", "everything"]])
def test_mistakes_do_nothing(words: list[str], tmp_path: Path) -> None:
    done = shell(*words, SSPVS_VENV=str(tmp_path / "venv"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert not done.stdout
    assert not list(tmp_path.iterdir())


def test_the_readme_names_what_is_there() -> None:
    said = (ROOT / "docker" / "README.md").read_text()
    for name in re.findall(r"(?:docker|configs)/[\w./]*\w", said):
        assert (ROOT / name).exists(), name
    assert set(re.findall(r"Dockerfile\.\w+", said)) == {path.name for path in DOCKERFILES}
    for dockerfile in DOCKERFILES:
        assert arguments_of(dockerfile, "ARG")[0].removeprefix("BASE=") in said


@pytest.mark.slow
def test_the_script_in_a_fresh_environment(tmp_path: Path) -> None:
    """What the images do after `system` and `user`: minutes, and as much disk as torch needs."""
    venv = tmp_path / "venv"
    steps = ["torch", "dependencies", "package", "check"]
    done = shell(*steps, SSPVS_VENV=str(venv), PYTHONPATH="")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    where = subprocess.run(
        [str(venv / "bin" / "python"), "-c", "import sspvs; print(sspvs.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(venv)
