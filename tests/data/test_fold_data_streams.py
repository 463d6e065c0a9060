"""Data modules of datasets with several streams of features: which are read, in what order, and zeros for gaps."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.pair_sets import features_of
from helpers.summarization_material import fingerprint_of, write_annotated
from helpers.tiny_summarizers import tiny_summarizer

from sspvs.data.pretrain import PretrainDataModule
from sspvs.data.refine import RefineDataModule
from sspvs.data.summarize import SummarizeDataModule
from sspvs.errors import DatasetError, FeatureFileError, FingerprintMismatchError
from sspvs.table import add_stream, read_features
from sspvs.tasks.data_facts import agreed_fingerprint

MADE, WORDS = fingerprint_of("net"), fingerprint_of("minilm")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Six videos, 16-D features of all, 3-D captions of all but `video_2`."""
    path = write_annotated(tmp_path / "d.h5", 6, fingerprint=MADE)
    with read_features(path) as store:
        rows = {key: features_of(50 + i, len(store[key].picks), 3) for i, key in enumerate(store) if key != "video_2"}
    add_stream(path, "captions", rows, fingerprint=WORDS)
    return path


@pytest.mark.parametrize("module", [SummarizeDataModule, RefineDataModule])
def test_all_streams_are_read_side_by_side(
    module: type[SummarizeDataModule], dataset: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = module(dataset=str(dataset), batch_size=2, validate_on="nothing", fold=None)
    assert (data.stream_widths, data.feature_dim) == ((16, 3), 19)
    data.setup("fit")
    assert (data.stream_widths, data.feature_dim) == ((16, 3), 19)
    assert "1 of 6 videos have no stream 'captions' (summe/video_2): zeros stand for it" in caplog.text
    with read_features(dataset) as store:
        for key in store:
            rows = data.table.features(data.table[f"summe/{key}"])
            np.testing.assert_array_equal(rows[:, :16], store[key].features)
            further = store[key].streams.get("captions")
            np.testing.assert_array_equal(
                rows[:, 16:], np.zeros((len(rows), 3)) if further is None else further.features
            )
    assert data.feature_fingerprint is not None
    assert data.feature_fingerprint.backbone == "net + captions=minilm"


def test_streams_are_chosen_by_name_and_in_order(dataset: Path) -> None:
    chosen = SummarizeDataModule(str(dataset), streams=["features"])
    chosen.setup("fit")
    assert (chosen.stream_widths, chosen.feature_fingerprint) == ((16,), MADE)
    turned = SummarizeDataModule(str(dataset), streams=["captions", "features"], fold=None)
    assert turned.stream_widths == (3, 16)
    with pytest.raises(DatasetError, match="video_2: no 'features_captions' in it"):
        turned.setup("fit")  # the first stream must be there
    with pytest.raises(DatasetError, match="no stream motion; there are features, captions"):
        SummarizeDataModule(str(dataset), streams=["features", "motion"]).setup("fit")
    for wrong in ([], ["captions", "features_captions"]):
        with pytest.raises(ValueError, match="streams names each stream of features once"):
            SummarizeDataModule(str(dataset), streams=wrong)


def test_streams_that_do_not_fit_are_refused_by_name(dataset: Path) -> None:
    with h5py.File(dataset, "a") as file:
        file["video_3/features_captions"].attrs["fingerprint_weights_digest"] = "1" * 64
    with pytest.raises(FingerprintMismatchError, match=r"summe/video_3, stream 'captions': .*weights_digest is 1111"):
        SummarizeDataModule(str(dataset), fold=None).setup("fit")
    with h5py.File(dataset, "a") as file:
        rows = file["video_3/features_captions"][()]
        del file["video_3/features_captions"]
        file["video_3/features_captions"] = rows[:-1]
    with pytest.raises(FeatureFileError, match="summe/video_3: streams of different numbers of picks"):
        SummarizeDataModule(str(dataset), fold=None).setup("fit")


def test_a_model_refuses_data_of_other_streams(dataset: Path) -> None:
    data = SummarizeDataModule(str(dataset), fold=None)
    data.setup("fit")
    both = data.feature_fingerprint
    assert both is not None
    task = tiny_summarizer(feature_dim=19, fingerprint=both)
    assert agreed_fingerprint(task.feature_fingerprint, both) == both.as_dict()
    with pytest.raises(
        FingerprintMismatchError, match="the streams features, those the model was trained on features, captions"
    ):
        agreed_fingerprint(task.feature_fingerprint, MADE)


def test_pairs_of_h5_files_have_all_streams_too(dataset: Path, tmp_path: Path) -> None:
    rows = [{"id": f"v{n}", "path": f"d.h5#video_{n}", "title": f"title {n}"} for n in range(1, 7)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    how = {"encoder": "small", "num_workers": 0, "batch_size": 2}
    data = PretrainDataModule(str(tmp_path / "pairs.jsonl"), **how)
    assert (data.stream_widths, data.feature_dim) == ((16, 3), 19)
    data.setup("fit")
    assert next(iter(data.train_dataloader())).frames.shape[-1] == 19
    alone = PretrainDataModule(str(tmp_path / "pairs.jsonl"), streams=["features"], **how)
    assert alone.feature_dim == 16
    alone.setup("fit")
    assert next(iter(alone.train_dataloader())).frames.shape[-1] == 16
