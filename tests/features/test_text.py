"""ConSE against a loop written from the paper, MiniLM against the transformers library, and real clips."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers.extraction_material import MeanColour

from sspvs.errors import MissingExtraError, WeightsNotFoundError
from sspvs.features import text
from sspvs.features import text as minilm
from sspvs.features.backbones import efficientnet_lite
from sspvs.features.text import Classifier
from sspvs.types import FloatArray
from sspvs.weights import digest as minilm_package

SENTENCES = ["A dog runs.", "tench", "Two people cook a long dinner in a small kitchen, and talk.", ""]


@pytest.fixture
def with_minilm() -> None:
    pytest.importorskip("tokenizers", reason="needs the extra `text`")
    pytest.importorskip(minilm_package.PACKAGE, reason="needs the extra `text`")


def random_classifier(width: int = 5, classes: int = 1000) -> Classifier:
    rng = np.random.default_rng(0)
    return Classifier(rng.normal(size=(classes, width)).astype(np.float32), rng.normal(size=classes).astype(np.float32))


@pytest.mark.parametrize("top_classes", [1, 3, 12])
def test_weights_are_the_papers(top_classes: int) -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(12), size=4).astype(np.float32)
    weights = text.top_weights(probabilities, top_classes)
    for row, result in zip(probabilities, weights, strict=True):
        chosen = sorted(range(12), key=lambda index: -row[index])[:top_classes]
        total = sum(row[index] for index in chosen)
        expected = [row[index] / total if index in chosen else 0 for index in range(12)]
        np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_equal_probabilities_still_take_only_so_many() -> None:
    weights = text.top_weights(np.full((1, 4), 0.25), 2)
    assert sorted(weights[0]) == [0, 0, 0.5, 0.5]


@pytest.mark.parametrize("top_classes", [0, 13])
def test_a_wrong_number_of_classes_is_refused(top_classes: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and 12, got {top_classes}"):
        text.top_weights(np.full((1, 12), 1 / 12), top_classes)


def test_probabilities_are_a_stable_softmax() -> None:
    from scipy.special import softmax

    classifier = random_classifier()
    features = np.random.default_rng(2).normal(size=(3, 5)) * 200  # exp of these logits overflows
    expected = softmax(features @ classifier.weight.astype(np.float64).T + classifier.bias, axis=1)
    np.testing.assert_allclose(text.class_probabilities(features, classifier), expected, atol=1e-3)


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features must be \(T, 5\), got \(3, 6\)"):
        text.class_probabilities(np.zeros((3, 6)), random_classifier())


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ValueError, match="text to compare frames with is empty"):
        text.conse_similarity(np.zeros((3, 5)), random_classifier(), "  ")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_package, "PACKAGE", "no_such_package")
    minilm._load.cache_clear()
    with pytest.raises(MissingExtraError, match=r'pip install "sspvs\[text\]"'):
        minilm.embed_sentences(["a"])


def test_a_backbone_without_words_says_so() -> None:
    blind = MeanColour()
    for refused in (blind.check_text, lambda: blind.text_similarity(np.zeros((2, 3), np.float32), "a dog")):
        with pytest.raises(ValueError, match=f"{blind.name} cannot compare frames with text"):
            refused()


@pytest.mark.usefixtures("with_minilm")
def test_another_weights_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_package, "WEIGHTS_DIGEST", "0" * 64)
    minilm._load.cache_clear()
    with pytest.raises(WeightsNotFoundError, match=r"model\.safetensors is not the expected weights file"):
        minilm.embed_sentences(["a"])


@pytest.mark.usefixtures("with_minilm")
def test_embeddings_are_those_of_the_transformers_library() -> None:
    transformers = pytest.importorskip("transformers")
    import torch

    folder = minilm_package.model_folder("this test")
    model = transformers.BertModel.from_pretrained(folder).eval()
    encoded = transformers.AutoTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**encoded).last_hidden_state
    valid = encoded["attention_mask"][..., None]
    mean = (states * valid).sum(1) / valid.sum(1)
    expected = torch.nn.functional.normalize(mean, dim=1).numpy()
    np.testing.assert_allclose(minilm.embed_sentences(SENTENCES), expected, atol=1e-5)


@pytest.mark.usefixtures("with_minilm")
def test_padding_and_order_do_not_change_an_embedding() -> None:
    together = minilm.embed_sentences(SENTENCES, batch_size=4)
    alone = np.concatenate([minilm.embed_sentences([sentence]) for sentence in SENTENCES])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(minilm.embed_sentences(SENTENCES, batch_size=1), together, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert minilm.embed_sentences([]).shape == (0, 384)


@pytest.fixture(scope="module")
def lite_classifier() -> Classifier:
    weights = efficientnet_lite.load_weights(efficientnet_lite.weights_path())
    return Classifier(weights["_fc.weight"].numpy(), weights["_fc.bias"].numpy())


@pytest.mark.usefixtures("with_minilm")
def test_frames_that_are_a_class_fit_its_name_best(lite_classifier: Classifier) -> None:
    """Features along a classifier row: the right name must win among all names."""
    classes = {"a teapot": 849, "a school bus": 779, "bananas": 954, "a castle": 483}  # ImageNet's own numbers
    weight = lite_classifier.weight
    features = np.stack([weight[index] / np.linalg.norm(weight[index]) * 40 for index in classes.values()])
    similarities = np.stack([text.conse_similarity(features, lite_classifier, name) for name in classes])
    assert similarities.shape == (4, 4)
    assert (similarities.argmax(axis=0) == np.arange(4)).all()
    assert (np.abs(similarities) <= 1).all()


@pytest.mark.usefixtures("with_minilm")
def test_named_classes_stand_out_and_others_do_not(lite_classifier: Classifier) -> None:
    classes = {"a teapot": 849, "a school bus": 779, "bananas": 954, "a castle": 483}
    weight = lite_classifier.weight
    features = np.stack([weight[index] / np.linalg.norm(weight[index]) * 40 for index in classes.values()])
    fits = np.stack([text.class_fit(features, lite_classifier, name) for name in classes])
    assert (fits.argmax(axis=0) == np.arange(4)).all()
    assert fits.diagonal().min() > 4 > np.abs(fits[~np.eye(4, dtype=bool)]).mean()


def test_words_of_class_names_do_without_minilm(lite_classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a loop over the classes, one by one."""
    monkeypatch.setattr(minilm_package, "PACKAGE", "no_such_package")
    features = np.random.default_rng(3).normal(size=(2, 1280)).astype(np.float32)
    logits = features @ lite_classifier.weight.T + lite_classifier.bias
    alike = text.shared_words("a teapot", text.class_descriptions())
    assert alike.argmax() == 849
    for row, fit in zip(logits, text.class_fit(features, lite_classifier, "a teapot"), strict=True):
        weights = [float(np.exp((one - alike.max()) / 0.08)) for one in alike]
        total = sum(w * (logit - row.mean()) / row.std() for w, logit in zip(weights, row, strict=True))
        assert fit == pytest.approx(total / sum(w * w for w in weights) ** 0.5, rel=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("with_minilm")
def test_clips_of_the_named_concept_rank_above_chance(shared_data: Path, lite_classifier: Classifier) -> None:
    """The figure in the module's docstring: 81 of 100 pairs, chance 50."""
    h5py = pytest.importorskip("h5py")
    clips: list[FloatArray] = []
    concepts: list[str] = []
    with h5py.File(shared_data / "footage" / "footage.h5") as file:
        for name in sorted(file):
            clips.append(file[name]["features"][()].astype(np.float32))
            concepts.append(str(file[name].attrs["concept"]))
    names = sorted(set(concepts))
    weights = text.top_weights(text.class_probabilities(np.concatenate(clips), lite_classifier), text.TOP_CLASSES)
    places = weights @ minilm.embed_sentences(text.class_descriptions())
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    edges = np.cumsum([0, *(len(clip) for clip in clips)])
    wins = []
    for concept, sentence in zip(names, minilm.embed_sentences(names), strict=True):
        means = np.array([(places[a:b] @ sentence).mean() for a, b in pairwise(edges)])
        own = np.array([other == concept for other in concepts])
        wins.append((means[own][:, None] > means[~own][None]).mean())
    assert np.mean(wins) > 0.75
