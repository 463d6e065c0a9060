"""A checkpoint onto the Hugging Face hub: one commit of config, weights and card.

It comes back with `from_pretrained("user/name", download=True)` of its task, or `--scorer user/name --download`.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from sspvs.atomic import temporary_folder
from sspvs.errors import ExportError, OutputError, first_line
from sspvs.export.model_card import CARD, model_card
from sspvs.export.source import Exported, find_exported, load_exported
from sspvs.files import read_json
from sspvs.sharing import named
from sspvs.tasks.checkpoint import CONFIG, WEIGHTS, Checkpoint
from sspvs.tasks.saved_task import SavedTask

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
ONNX = "model.onnx"  # the name that an ONNX file has on the hub


def push_to_hub(
    source: str | Path | Exported,
    repo_id: str,
    *,
    private: bool = False,
    token: str | None = None,
    card: str | None = None,
    onnx: Path | None = None,
) -> str:
    """Upload a checkpoint. Of its folder go `config.json`, `model.safetensors` and the card, and nothing else.

    It is loaded first: what is uploaded can be used. All files go in one commit.

    Args:
        source: A checkpoint folder, a `.ckpt` file, or a task.
        repo_id: `user/name` or `organisation/name`; made where it is not there.
        private: The repository must be private: a new one is made so, one that is public is refused.
        token: Of the hub; the stored login, or HF_TOKEN, when None.
        card: The model card; the folder's own README.md when None, or one made here.
        onnx: An ONNX file to go with it.

    Returns:
        The address of the commit.

    Raises:
        CheckpointError: It cannot be read, or is of something else.
        WeightsNotFoundError: Nothing is there.
        ExportError: The hub cannot be reached or refuses.
        ValueError: The repository's name can be none.
    """
    if not _HUB_ID.fullmatch(repo_id):
        raise ValueError(f"expected USER/NAME or ORGANISATION/NAME for the hub, got '{repo_id}'")
    task = source if isinstance(source, SavedTask) else load_exported(source)
    if not isinstance(source, SavedTask) and not Path(source).is_file():
        return _push(find_exported(source).path, repo_id, private, token, card, onnx)
    with temporary_folder(Path(tempfile.gettempdir())) as folder:
        return _push(task.save_pretrained(folder), repo_id, private, token, card, onnx)


def _push(folder: Path, repo_id: str, private: bool, token: str | None, card: str | None, onnx: Path | None) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi

    if card is None and (folder / CARD).is_file():
        card = (folder / CARD).read_text(encoding="utf-8")
    if card is None:
        card = model_card(folder, name=repo_id, on_hub=True, onnx=None if onnx is None else ONNX)
    files: dict[str, str | bytes] = {WEIGHTS: str(folder / WEIGHTS)}
    config = named(read_json(folder / CONFIG))  # earlier versions kept absolute paths
    files[CONFIG] = f"{json.dumps(config, indent=2)}\n".encode()
    files[CARD] = card.encode("utf-8", errors="replace")
    if onnx is not None:
        files[ONNX] = str(onnx)
    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
    api: Any = HfApi(token=token, library_name="sspvs")
    try:
        api.create_repo(repo_id, exist_ok=True, **({"private": True} if private else {}))
        if private and not api.model_info(repo_id).private:
            raise ExportError(
                f"{repo_id} is there and is public; nothing was uploaded. Make it private, or take another"
            )
        done = api.create_commit(
            repo_id, operations, commit_message=f"Upload {Checkpoint.open(folder).kind} with sspvs"
        )
    except (ExportError, OutputError):
        raise
    except Exception as error:  # the hub's own errors and those of its network library
        raise ExportError(
            f"cannot upload to {repo_id}: {first_line(error)}; are you logged in (`hf auth login`, or HF_TOKEN), may "
            "you write there, and is the network up?"
        ) from error
    return str(getattr(done, "commit_url", done))
