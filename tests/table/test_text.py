"""Text fields to a row of tokens, against a naive writing of the published layout; the tokenizers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers.official_annotations import read_summe, read_tvsum
from hypothesis import given
from hypothesis import strategies as st

from sspvs.data.texts import text_of
from sspvs.errors import WeightsNotFoundError
from sspvs.models.tokenizers import HashingTokenizer, Tokenizer, load_tokenizer
from sspvs.table.text import TextFields, TextSettings, TokenFields, assemble_tokens
from sspvs.weights import digest as minilm_package

WORDS = TextFields("Travel", "paris trip", "My trip to the Eiffel Tower, again", "We walked. Then we ate; and slept?")
TOKENIZER = HashingTokenizer(512)
with_minilm = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec(minilm_package.PACKAGE), reason="needs the extra `text`"
)
token_fields = st.tuples(*[st.lists(st.integers(4, 511), max_size=12).map(tuple)] * 4).map(lambda f: TokenFields(*f))
settings_of = st.builds(
    TextSettings, *[st.integers(0, 7)] * 4, pad_fields=st.booleans()
)  # category, query, title, description


@given(token_fields, settings_of)
def test_the_first_tokens_of_each_field(fields: TokenFields, settings: TextSettings) -> None:
    tokens, mask = assemble_tokens(fields, TOKENIZER, settings)
    naive = [TOKENIZER.cls_id]
    for ids, length in zip(fields, settings.lengths, strict=True):
        kept = list(ids[:length])
        if settings.pad_fields:
            kept += [TOKENIZER.pad_id] * (length - len(kept))
        naive += [*kept, TOKENIZER.sep_id]
    naive += [TOKENIZER.pad_id] * (settings.total - len(naive))
    assert tokens.tolist() == naive
    assert mask.tolist() == [token != TOKENIZER.pad_id for token in naive]
    assert tokens.dtype == np.int64


@given(token_fields, settings_of, st.integers(0, 5))
def test_cut_at_random(fields: TokenFields, settings: TextSettings, seed: int) -> None:
    settings = TextSettings(*settings.lengths, pad_fields=True)
    tokens, _ = assemble_tokens(fields, TOKENIZER, settings, np.random.default_rng(seed))
    place = 1
    for ids, length in zip(fields, settings.lengths, strict=True):
        kept = tuple(int(token) for token in tokens[place : place + length] if token != TOKENIZER.pad_id)
        runs = {ids[start : start + len(kept)] for start in range(len(ids) - len(kept) + 1)}
        assert len(kept) == min(len(ids), length)
        assert kept in runs
        place += length + 1
    again, _ = assemble_tokens(fields, TOKENIZER, settings, np.random.default_rng(seed))
    assert again.tolist() == tokens.tolist()


def test_every_cut_is_drawn() -> None:
    fields, settings = TokenFields(title=tuple(range(10, 18))), TextSettings(0, 0, 5, 0)
    starts = [
        assemble_tokens(fields, TOKENIZER, settings, np.random.default_rng(seed))[0][3] - 10 for seed in range(400)
    ]
    assert np.bincount(starts).tolist() == pytest.approx([100] * 4, abs=35)


def test_the_published_layout_is_64_tokens() -> None:
    tokens, mask = assemble_tokens(WORDS, TOKENIZER, TextSettings())
    assert len(tokens) == TextSettings().total == 64
    assert [i for i, token in enumerate(tokens) if token == TOKENIZER.sep_id] == [3, 6, 12, 63]
    assert mask.sum() == 1 + 1 + 2 + 5 + 10 + 4


def test_lengths_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="title must be at least 0 "):
        TextSettings(title=-1)


@given(st.text(max_size=40), st.integers(5, 3000))
def test_hashed_words(text: str, vocab_size: int) -> None:
    tokenizer = HashingTokenizer(vocab_size)
    ids = tokenizer.encode(text)
    assert all(4 <= token < vocab_size for token in ids)
    assert tokenizer.encode(f"{text} {text}") == ids * 2


def test_hashed_words_ignore_case_and_compatibility_forms() -> None:
    assert TOKENIZER.encode("A DOG\uff01") == TOKENIZER.encode("a dog!")
    assert len(TOKENIZER.encode("a dog's, 2nd")) == 6  # a dog ' s , 2nd


def test_hashed_words_are_the_same_in_every_process() -> None:
    code = "from sspvs.models.tokenizers import load_tokenizer; print(load_tokenizer('small').encode('A dog, a cat.'))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    ids = load_tokenizer("small").encode("A dog, a cat.")
    assert runs == [f"{ids}\n"] * 2
    assert ids[0] == ids[3]
    assert len({*ids}) == 5  # a dog , cat .


def test_collisions_are_as_rare_as_the_docstring_says() -> None:
    for n_words, alone in ((1000, 0.88), (5000, 0.54)):
        ids = np.array([load_tokenizer("small").encode(f"word{i}")[0] for i in range(n_words)])
        counts = np.bincount(ids)
        assert (counts[ids] == 1).mean() == pytest.approx(alone, abs=0.03)


@with_minilm
@pytest.mark.parametrize("name", ["minilm", "bert-base-uncased"])
def test_bert_vocabulary_against_transformers(name: str, caplog: pytest.LogCaptureFixture) -> None:
    transformers = pytest.importorskip("transformers")
    folder = minilm_package.model_folder("this test")
    theirs = transformers.BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True)
    caplog.set_level("INFO")
    tokenizer = load_tokenizer(name)
    assert (name == "minilm") == ("took the same vocabulary from MiniLM's" not in caplog.text)
    for text in (*WORDS, "Ünïcode éàé — naïve", "antidisestablishmentarianism " * 200):
        assert tokenizer.encode(text) == theirs.encode(text, add_special_tokens=False)
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.vocab_size) == (101, 102, 0, 30522)


def test_without_the_package_the_message_names_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_package, "PACKAGE", "no_such_package")
    with pytest.raises(WeightsNotFoundError, match=r"allow the download.*or its vocabulary alone.*sspvs\[text\]"):
        load_tokenizer("bert-base-uncased")
    with pytest.raises(WeightsNotFoundError, match="'nobody/none': no tokenizer"):
        load_tokenizer("nobody/none")


def test_clip_tokens_are_open_clips() -> None:
    open_clip = pytest.importorskip("open_clip")
    tokenizer = load_tokenizer("open_clip:ViT-B-32/random")
    text = "A photo of the Eiffel Tower, again!"
    row = [tokenizer.cls_id, *tokenizer.encode(text), tokenizer.end_id]
    assert open_clip.get_tokenizer("ViT-B-32")([text])[0, : len(row)].tolist() == row
    tokens, mask = assemble_tokens(WORDS, tokenizer, TextSettings(pad_fields=False))
    assert tokens[mask].argmax() == mask.sum() - 1  # one [end], the largest id, at the end: where CLIP looks for it


@with_minilm
@pytest.mark.parametrize("name", ["small", "minilm", "open_clip:ViT-B-32/random"])
def test_tokenizers_travel_to_workers(name: str) -> None:
    tokenizer: Tokenizer = load_tokenizer(name)
    assert pickle.loads(pickle.dumps(tokenizer)).encode("two words") == tokenizer.encode("two words")


# The rows of the released fine-tuning, which have three fields

RELEASED = {
    "summe": TextSettings(1, 3, 1, None, padding_counts=True, cut="first", whole=True),
    "tvsum": TextSettings(1, 3, 10, None, padding_counts=True, cut="first", whole=True),
}


def test_the_released_rows_of_all_real_videos(shared_data: Path) -> None:
    """Rows of 9 and 18 tokens, `[CLS] category [SEP] query [SEP] title [SEP]`, of the 25 and 50 videos' texts."""
    seen: Counter[str] = Counter()
    videos = {"summe": read_summe(shared_data), "tvsum": read_tvsum(shared_data)}
    for dataset, of_dataset in videos.items():
        settings = RELEASED[dataset]
        for video in of_dataset.values():
            text = text_of(video, dataset, title_as_query=dataset == "tvsum")
            assert text.query
            assert bool(text.category) == (dataset == "tvsum")
            assert not text.title
            words = [TOKENIZER.encode(part) for part in text[:3]]
            training, mask = assemble_tokens(text, TOKENIZER, settings, np.random.default_rng(len(seen)))
            naive = [TOKENIZER.cls_id]
            for ids, length in zip(words, (1, 3, {"summe": 1, "tvsum": 10}[dataset]), strict=True):
                naive += [*(ids + [TOKENIZER.pad_id] * length)[:length], TOKENIZER.sep_id]
            assert training.tolist() == naive
            assert len(training) == {"summe": 9, "tvsum": 18}[dataset]
            assert mask.all()  # the padding is attended to
            tested, mask = assemble_tokens(text, TOKENIZER, settings)
            category, query, title = words
            sep = [TOKENIZER.sep_id]
            assert tested.tolist() == [TOKENIZER.cls_id, *category, *sep, *query, *sep, *title, *sep]
            assert mask.all()
            seen[dataset] += 1
    assert seen == {"summe": 25, "tvsum": 50}


def test_without_a_description_there_is_no_separator_of_it() -> None:
    tokens, mask = assemble_tokens(WORDS, TOKENIZER, TextSettings(2, 2, 5, None))
    assert len(tokens) == TextSettings(2, 2, 5, None).total == 13
    assert [i for i, token in enumerate(tokens) if token == TOKENIZER.sep_id] == [3, 6, 12]
    assert not mask[2]  # padding is padding unless it counts
    four = assemble_tokens(WORDS, TOKENIZER, TextSettings(2, 2, 5, 0))[0]
    assert four.tolist() == [*tokens.tolist(), TOKENIZER.sep_id]


def test_a_field_of_no_tokens_stays_empty_when_fields_are_whole() -> None:
    tokens, _ = assemble_tokens(WORDS, TOKENIZER, TextSettings(0, 2, 5, None, whole=True))
    query, title = (TOKENIZER.encode(part) for part in (WORDS.query, WORDS.title))
    sep = TOKENIZER.sep_id
    assert tokens.tolist() == [TOKENIZER.cls_id, sep, *query, sep, *title, sep]
