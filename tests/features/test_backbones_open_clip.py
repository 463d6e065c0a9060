"""open_clip models against open_clip's own preprocessing and towers, on a tiny model made for it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sspvs.errors import WeightsNotFoundError
from sspvs.features.backbones import clip, load_backbone

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SETTINGS = {"hf_hub": "org/tiny-clip/", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "resize_mode": "squash"}


@pytest.fixture(scope="module", autouse=True)
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two models in open_clip's tables: one without published weights, one with."""
    from open_clip import factory, pretrained

    folder = tmp_path_factory.mktemp("configs")
    for name in ("tiny-test", "tiny-test-published"):
        (folder / f"{name}.json").write_text(json.dumps(TINY), encoding="utf-8")
    paths = list(factory._MODEL_CONFIG_PATHS)
    open_clip.add_model_config(folder)
    pretrained._PRETRAINED["tiny-test-published"] = {
        "small": {**SETTINGS, "interpolation": "bilinear", "quick_gelu": True}
    }
    yield
    del pretrained._PRETRAINED["tiny-test-published"]
    factory._MODEL_CONFIG_PATHS[:] = paths
    factory._rescan_model_configs()


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """Weights unlike those that the fixed seed gives."""
    with torch.random.fork_rng():
        torch.manual_seed(123)
        return dict(open_clip.create_model("tiny-test").state_dict())


@pytest.fixture(scope="module")
def weights(state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    import safetensors.torch

    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    safetensors.torch.save_file(state, path)
    return path


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "hub"


def reference_model(state: dict[str, Any], **settings: Any) -> Any:
    model = open_clip.create_model("tiny-test", **settings)
    model.load_state_dict(state)
    return model.eval()


def reference_features(model: Any, frames: Any, **preprocess: Any) -> Any:
    """open_clip's own transform on pictures, and its own image tower."""
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from PIL import Image

    transform = image_transform_v2(PreprocessCfg(size=64, **preprocess), is_train=False)
    with torch.no_grad():
        return model.encode_image(torch.stack([transform(Image.fromarray(frame)) for frame in frames])).numpy()


def wide_frames(width: int = 113) -> Any:
    return np.random.default_rng(2).integers(0, 256, (3, 64, width, 3), np.uint8)


def test_a_file_gives_open_clips_own_features(weights: Path, state: dict[str, Any]) -> None:
    backbone = load_backbone(f"open_clip:tiny-test/{weights}", device="cpu")
    frames = wide_frames()
    features = backbone.encode(frames)
    assert features.shape == (3, backbone.feature_dim) == (3, 24)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, reference_features(reference_model(state), frames), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(backbone.encode(frames[2:]), features[2:], rtol=1e-4, atol=1e-5)
    assert (backbone.resize.mode, backbone.resize.pixels, backbone.resize.filter) == ("short_side", 64, "bicubic")
    assert backbone.weights_digest == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert backbone.name == "open_clip:tiny-test/tiny.safetensors"


def test_relative_and_pickled_files(
    weights: Path, state: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "tiny.pt")
    monkeypatch.chdir(tmp_path)
    relative = load_backbone("open_clip:tiny-test/tiny.pt", device="cpu")
    absolute = load_backbone(f"open_clip:tiny-test/{weights}", device="cpu")
    frames = wide_frames()
    np.testing.assert_array_equal(relative.encode(frames), absolute.encode(frames))
    assert relative.weights_digest != absolute.weights_digest


def test_a_tag_in_the_cache_brings_its_own_preprocessing(
    weights: Path, state: dict[str, Any], empty_cache: Path
) -> None:
    snapshot = empty_cache / "models--org--tiny-clip" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_model.safetensors").symlink_to(weights)
    frames = wide_frames(64)
    expected = reference_features(
        reference_model(state, force_quick_gelu=True), frames, mean=SETTINGS["mean"], std=SETTINGS["std"]
    )
    for name in ("open_clip:tiny-test-published/small", "open_clip:tiny-test-published"):
        backbone = load_backbone(name, device="cpu")
        assert backbone.name == "open_clip:tiny-test-published/small"
        assert (backbone.resize.mode, backbone.resize.filter) == ("squash", "bilinear")
        assert backbone.normalisation == "(x / 255 - (0.5, 0.4, 0.3)) / (0.2, 0.3, 0.4)"
        np.testing.assert_allclose(backbone.encode(frames), expected, rtol=1e-4, atol=1e-5)


def test_random_weights_are_the_same_every_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second = (load_backbone("open_clip:tiny-test/random", device="cpu") for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.weights_digest == second.weights_digest
    assert first.fingerprint(1.0).backbone == "open_clip:tiny-test/random"
    np.testing.assert_array_equal(first.encode(wide_frames()), second.encode(wide_frames()))


def test_loading_leaves_the_root_logger_alone() -> None:
    handlers, disabled = list(logging.getLogger().handlers), logging.root.manager.disable
    load_backbone("open_clip:tiny-test/random", device="cpu")
    assert logging.getLogger().handlers == handlers
    assert logging.root.manager.disable == disabled


def test_text_similarity_is_the_cosine_of_the_towers(weights: Path, state: dict[str, Any]) -> None:
    backbone = load_backbone(f"open_clip:tiny-test/{weights}", device="cpu")
    features = backbone.encode(wide_frames())
    model = reference_model(state)
    with torch.no_grad():
        tokens = open_clip.get_tokenizer("tiny-test")(["a dog on a beach"])
        text = model.encode_text(tokens, normalize=True)[0].numpy()
    expected = [float(vector @ text) / np.sqrt(float(vector @ vector)) for vector in features]
    similarity = backbone.text_similarity(features, "a dog on a beach")
    assert similarity.dtype == np.float32
    np.testing.assert_allclose(similarity, expected, atol=1e-5)


def test_missing_weights_say_where_and_how(empty_cache: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"--download.*tags: small") as caught:
        load_backbone("open_clip:tiny-test-published/small", device="cpu")
    assert str(empty_cache) in str(caught.value)
    assert "open_clip:tiny-test-published//path/to/weights.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsNotFoundError, match=r"no weights file at /no/such.pt"):
        load_backbone("open_clip:tiny-test//no/such.pt", device="cpu")


def test_unknown_models_and_tags_list_close_ones() -> None:
    with pytest.raises(ValueError, match=r"no model 'ViT-B32'; did you mean .*ViT-B-32"):
        load_backbone("open_clip:ViT-B32/openai", device="cpu")
    with pytest.raises(ValueError, match=r"no weights 'laion2b' for ViT-B-32; did you mean .*laion2b"):
        load_backbone("open_clip:ViT-B-32/laion2b", device="cpu")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"positional_embedding": torch.zeros(77, 32)}, path)
    with pytest.raises(WeightsNotFoundError, match=r"open_clip:tiny-test: cannot load .*other\.pt") as caught:
        load_backbone(f"open_clip:tiny-test/{path}", device="cpu")
    assert "\n" not in str(caught.value)


def test_random_digest_sees_every_tensor() -> None:
    model = torch.nn.Linear(2, 2)
    before = clip.random_digest(model)
    with torch.no_grad():
        model.bias[1] += 1
    assert clip.random_digest(model) != before
