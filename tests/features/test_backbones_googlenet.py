"""GoogLeNet against torchvision's own forward pass, and its way of finding weights."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sspvs.errors import WeightsNotFoundError
from sspvs.features.backbones import load_backbone
from sspvs.features.backbones.googlenet import GoogLeNet

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def network() -> Any:
    """Torchvision's network as its pretrained one is built, with random weights that let signals through."""
    from torchvision.models import googlenet

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        made = googlenet(weights=None, aux_logits=True, transform_input=True, init_weights=False)
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # running statistics become those of the pictures below
        made.train()(torch.randn(4, 3, 7, 7).repeat_interleave(32, 2).repeat_interleave(32, 3))
    return made.eval()


@pytest.fixture(scope="module")
def weights(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("googlenet") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def frames_of_two() -> Any:
    coarse = np.random.default_rng(1).integers(0, 256, (2, 16, 19, 3))
    return np.kron(coarse, np.ones((1, 16, 16, 1))).astype(np.uint8)  # (2, 256, 304, 3)


def test_equals_torchvisions_pool5(network: Any, weights: Path) -> None:
    from torchvision.transforms.functional import center_crop, normalize

    frames = frames_of_two()
    caught: list[Any] = []
    handle = network.avgpool.register_forward_hook(lambda module, inputs, output: caught.append(output))
    image = center_crop(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255, [224, 224])
    with torch.no_grad():
        logits = network(normalize(image, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    handle.remove()
    backbone = load_backbone(f"googlenet:{weights}", device="cpu")
    features = backbone.encode(frames)
    assert features.shape == (2, 1024)
    assert features.dtype == np.float32
    shifted = backbone.encode(np.roll(frames, 1, axis=2))
    assert np.abs(shifted - features).max() > 1e-2, "one pixel more or less must show, or the test shows nothing"
    np.testing.assert_allclose(features, caught[0].flatten(1).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(backbone.encode(frames[1:]), features[1:], rtol=1e-4, atol=1e-5)
    assert isinstance(backbone, GoogLeNet)
    ours = features @ backbone.classifier.weight.T + backbone.classifier.bias
    np.testing.assert_allclose(ours, logits.numpy(), rtol=1e-3, atol=1e-4)


def test_digest_is_the_files(weights: Path) -> None:
    backbone = load_backbone(f"googlenet:{weights}", device="cpu")
    assert backbone.weights_digest == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert backbone.name == "googlenet"


def test_found_in_torch_hubs_cache(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    content = weights.read_bytes()
    prefix = hashlib.sha256(content).hexdigest()[:8]
    (folder / f"googlenet-{prefix}.pth").write_bytes(content)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert load_backbone("googlenet", device="cpu").feature_dim == 1024


def test_a_damaged_file_in_the_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "googlenet-1378be20.pth").write_bytes(b"half of it")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsNotFoundError, match="is damaged: its SHA-256 should begin with 1378be20"):
        load_backbone("googlenet", device="cpu")


def test_missing_weights_say_where_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsNotFoundError, match=r"googlenet:/path/to.*--download") as caught:
        load_backbone("googlenet", device="cpu")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsNotFoundError, match="no weights file at /no/such"):
        load_backbone("googlenet:/no/such/file.pth", device="cpu")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"conv1.conv.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsNotFoundError, match="does not hold weights of torchvision's GoogLeNet") as caught:
        load_backbone(f"googlenet:{path}", device="cpu")
    assert "\n" not in str(caught.value)


def test_code_in_a_weights_file_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (trace,)

    path = tmp_path / "hostile.pth"
    path.write_bytes(pickle.dumps(Hostile(), protocol=2))
    with pytest.raises(WeightsNotFoundError, match="does not hold weights"):
        load_backbone(f"googlenet:{path}", device="cpu")
    assert not trace.exists()


def test_small_frames_are_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match="at least 224x224 for the centre crop, got 300x200"):
        load_backbone(f"googlenet:{weights}", device="cpu").encode(np.zeros((1, 200, 300, 3), np.uint8))
