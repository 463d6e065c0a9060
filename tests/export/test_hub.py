"""What would be uploaded, with the hub played by a list; and that it comes back from the hub's cache, offline."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_refined import saved_refined, tiny_refined
from helpers.tiny_summarizers import saved_summarizer, tiny_summarizer

import sspvs
from sspvs.errors import CheckpointError, ExportError, WeightsNotFoundError
from sspvs.export import export_onnx, push_to_hub
from sspvs.tasks.checkpoint import PRETRAIN, save_folder
from sspvs.tasks.summarize import SummarizeTask

NAME = "somebody/summarizer"
COMMIT = "c0ffee" * 6 + "abcd"


class Hub:
    """As much of `HfApi` as an upload needs."""

    def __init__(self, *, private: bool = False, fails: Exception | None = None) -> None:
        self.private, self.fails = private, fails
        self.files: dict[str, bytes] = {}
        self.calls: list[tuple[str, Any]] = []

    def __call__(self, *, token: str | None, library_name: str) -> Hub:
        self.calls.append(("login", (token, library_name)))
        return self

    def create_repo(self, repo_id: str, **how: Any) -> None:
        self.calls.append(("create", (repo_id, how)))
        if self.fails is not None:
            raise self.fails

    def model_info(self, repo_id: str) -> SimpleNamespace:
        return SimpleNamespace(id=repo_id, private=self.private)

    def create_commit(self, repo_id: str, operations: list[Any], *, commit_message: str) -> SimpleNamespace:
        self.calls.append(("commit", (repo_id, commit_message)))
        for operation in operations:
            with operation.as_file() as file:
                self.files[operation.path_in_repo] = file.read()
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/{COMMIT}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", made)
    return made


def into_cache(cache: Path, files: dict[str, bytes]) -> None:
    """As the hub's own library leaves a download on this machine."""
    repository = cache / f"models--{NAME.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for name, content in files.items():
        (snapshot / name).write_bytes(content)


def test_the_checkpoint_goes_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    folder = saved_summarizer(tmp_path / "mine")
    (folder / "optimizer.pt").write_bytes(b"state")
    (folder / "notes.json").write_text("{}")
    save_folder(folder / "pretraining", PRETRAIN, {}, {"weight": torch.ones(2)})
    url = push_to_hub(folder, NAME, token="secret")
    assert url == f"https://huggingface.co/{NAME}/commit/{COMMIT}"
    assert sorted(hub.files) == ["README.md", "config.json", "model.safetensors"]
    for name in ("config.json", "model.safetensors"):
        assert hub.files[name] == (folder / name).read_bytes()
    assert f'scorer="{NAME}", download=True' in hub.files["README.md"].decode()
    assert hub.calls == [
        ("login", ("secret", "sspvs")),
        ("create", (NAME, {"exist_ok": True})),
        ("commit", (NAME, "Upload sspvs.summarize with sspvs")),
    ]
    assert not (folder / "README.md").exists()


def test_what_was_uploaded_comes_back_from_the_cache(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny_summarizer(guidance="gate")
    push_to_hub(task, NAME)
    into_cache(tmp_path / "cache", hub.files)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is asked
    again = SummarizeTask.from_pretrained(NAME)
    assert dict(again.hparams) == dict(task.hparams)
    assert all(torch.equal(tensor, task.state_dict()[name]) for name, tensor in again.state_dict().items())
    assert sspvs.load_scorer(NAME).name == NAME
    assert export_onnx(again, tmp_path / "m.onnx", check=False).path.is_file()
    with pytest.raises(WeightsNotFoundError, match="neither a checkpoint folder nor a hub model on this machine"):
        SummarizeTask.from_pretrained("somebody/else")


def test_a_refined_checkpoint_goes_and_comes_back(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved_refined(tmp_path / "mine")
    push_to_hub(folder, NAME)
    assert sorted(hub.files) == ["README.md", "config.json", "model.safetensors"]
    assert "## Scores" in hub.files["README.md"].decode()
    assert hub.calls[-1] == ("commit", (NAME, "Upload sspvs.refine with sspvs"))
    push_to_hub(tiny_refined(), NAME)
    assert hub.files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    into_cache(tmp_path / "cache", hub.files)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert sspvs.load_scorer(NAME, combine="a").name == NAME


def test_a_card_of_ones_own_and_an_onnx_file(hub: Hub, tmp_path: Path) -> None:
    folder = saved_summarizer(tmp_path / "mine")
    (folder / "README.md").write_text("# written by hand")
    (tmp_path / "x.onnx").write_bytes(b"graph")
    push_to_hub(folder, NAME, onnx=tmp_path / "x.onnx")
    assert hub.files["README.md"] == b"# written by hand"
    assert hub.files["model.onnx"] == b"graph"
    push_to_hub(folder, NAME, card="# another")
    assert hub.files["README.md"] == b"# another"
    (folder / "README.md").unlink()
    push_to_hub(folder, NAME, onnx=tmp_path / "x.onnx")
    assert b'onnxruntime.InferenceSession("model.onnx")' in hub.files["README.md"]


def test_a_lightning_file_goes_as_a_folder(hub: Hub, tmp_path: Path) -> None:
    task = tiny_summarizer()
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    push_to_hub(tmp_path / "last.ckpt", NAME)
    into_cache(tmp_path / "cache", hub.files)
    again = SummarizeTask.from_pretrained(next((tmp_path / "cache").glob("*/snapshots/*")))
    assert all(torch.equal(tensor, task.state_dict()[name]) for name, tensor in again.state_dict().items())


def test_private_means_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved_summarizer(tmp_path / "mine")
    public, private = Hub(private=False), Hub(private=True)
    monkeypatch.setattr("huggingface_hub.HfApi", public)
    with pytest.raises(ExportError, match="is public; nothing was uploaded"):
        push_to_hub(folder, NAME, private=True)
    assert not public.files
    monkeypatch.setattr("huggingface_hub.HfApi", private)
    push_to_hub(folder, NAME, private=True)
    assert private.calls[1] == ("create", (NAME, {"exist_ok": True, "private": True}))
    assert private.files


def test_what_cannot_be_uploaded(hub: Hub, tmp_path: Path) -> None:
    folder = saved_summarizer(tmp_path / "mine")
    for wrong in ("summarizer", "a/b/c", "a b/c", ""):
        with pytest.raises(ValueError, match="expected USER/NAME"):
            push_to_hub(folder, wrong)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="no whole safetensors file"):
        push_to_hub(folder, NAME)
    save_folder(tmp_path / "p", PRETRAIN, {"local_radius": 4}, {})
    with pytest.raises(CheckpointError, match="a checkpoint of pretraining"):
        push_to_hub(tmp_path / "p", NAME)
    assert not hub.calls
    saved_summarizer(folder)
    hub.fails = RuntimeError("401 Client Error\nwith a page of text")
    with pytest.raises(ExportError, match=r"cannot upload to somebody/summarizer: 401 Client Error; are you logged in"):
        push_to_hub(folder, NAME)
    assert not hub.files


def test_the_real_library_takes_what_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of methods and arguments, against the library that is installed; its network is closed."""
    import huggingface_hub
    from huggingface_hub import HfApi

    given: list[tuple[str, Any]] = []

    def take(self: HfApi, repo_id: str, **how: Any) -> SimpleNamespace:
        given.append((repo_id, sorted(how)))
        return SimpleNamespace(private=True)

    monkeypatch.setattr(HfApi, "create_repo", take)
    monkeypatch.setattr(HfApi, "model_info", take)
    monkeypatch.setattr(huggingface_hub, "HfApi", HfApi)

    def closed(self: HfApi, repo_id: str, operations: Any, *, commit_message: str) -> None:
        assert all(isinstance(one.path_or_fileobj, str | bytes | io.BufferedIOBase) for one in operations)
        raise ConnectionError("closed")

    monkeypatch.setattr(HfApi, "create_commit", closed)
    with pytest.raises(ExportError, match="cannot upload to somebody/summarizer: closed"):
        push_to_hub(saved_summarizer(tmp_path / "mine"), NAME, private=True)
    assert given == [(NAME, ["exist_ok", "private"]), (NAME, [])]
