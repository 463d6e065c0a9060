"""What is wrong with a file is reported in a sentence: what, where, in how many videos, what to do; no traceback."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.format_material import MAKERS, frame_bytes, make, mrhisum, videoxum_entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sspvs.cli import main
from sspvs.errors import SspvsError
from sspvs.formats import Settings, convert, inspect_file


class Trap:
    """Something that would be noticed if anybody unpickled it."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (pytest.fail, ("somebody unpickled a user's file",))


def _objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _npz_of_objects() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([Trap()], dtype=object))
    return buffer.getvalue()


def _checkpoint() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap()))
    return buffer.getvalue()


def _cut_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, frame_bytes(0))
    return buffer.getvalue()[:3000]


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


USELESS = {
    "empty.h5": (b"", "an empty file"),
    "scores.pkl": (pickle.dumps(Trap()), "a pickle"),
    "no_ending": (pickle.dumps(Trap(), protocol=4), "a pickle"),
    "objects.npy": (_objects(), "a NumPy file of Python objects"),
    "objects.npz": (_npz_of_objects(), "a NumPy file of Python objects"),
    "model.ckpt": (_checkpoint(), "a PyTorch checkpoint"),
    "cut.npy": (_cut_npy(), "a damaged NumPy file: cut short"),
    "floats.npy": (_npy(np.zeros((4, 8))), "no file of a known kind"),
    "D.h5": (b"<!DOCTYPE html><html>Google Drive can't scan</html>", "a web page"),
    "E.h5": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "F.h5": (b"something else entirely", "no h5 file, in spite of its name"),
    "a.zip": (b"PK\x03\x04 and then no more", "a damaged zip archive"),
    "a.tar.gz": (b"\x1f\x8b\x08", "a gzip archive"),
    "film.mp4": (b"\0\0\0\x18ftypmp42", "a video"),
    "half.json": (b'[{"train_keys": ["video_1"', "damaged JSON"),
    "other.json": (b'{"a": 1}', "JSON of none of the known kinds"),
    "names.json": (b'{"Jumps": "video_1"}', "JSON of none of the known kinds"),
    "notes.txt": (b"hello", "no file of a known kind"),
}


@pytest.mark.parametrize("name", USELESS)
def test_files_of_no_use_are_named_for_what_they_are(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, what = USELESS[name]
    (tmp_path / name).write_bytes(content)
    assert main(["data", "inspect", str(tmp_path / name)]) == 1
    out, err = capsys.readouterr()
    assert what in out.splitlines()[0]
    assert "not usable" in out
    assert "->" in out
    assert not err
    assert main(["data", "convert", str(tmp_path / name), "--to", "community", "--out", str(tmp_path / "o.h5")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "o.h5").exists()


def test_a_truncated_h5_is_reported_at_every_length(tmp_path: Path) -> None:
    whole = make("community", tmp_path).read_bytes()
    for cut in (9, 50, 500, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.h5").write_bytes(whole[:cut])
        found = inspect_file(tmp_path / "cut.h5")
        assert not found.usable
        assert "h5 file" in found.what
        assert found.advice


def test_other_folders_and_h5_files_are_reported(tmp_path: Path) -> None:
    (tmp_path / "stuff").mkdir()
    (tmp_path / "stuff" / "x.bin").write_bytes(b"x")
    assert "a folder of none of the known kinds; it holds x.bin" in inspect_file(tmp_path / "stuff").what
    with h5py.File(tmp_path / "none.h5", "w"):
        pass
    assert "nothing in it" in inspect_file(tmp_path / "none.h5").what
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["weights"] = np.zeros(3)
    assert "at its root are weights" in inspect_file(tmp_path / "other.h5").what


def _edit(path: Path, change: Callable[[h5py.Group], None], keys: tuple[str, ...] = ("video_1", "video_3")) -> None:
    with h5py.File(path, "a") as file:
        for key in keys:
            change(file[key])


def _replaced(key: str, value: object) -> Callable[[h5py.Group], None]:
    def change(group: h5py.Group) -> None:
        del group[key]
        group[key] = value

    return change


def _nan(group: h5py.Group) -> None:
    group["features"][2, 3] = np.nan


def _gap(group: h5py.Group) -> None:
    group["change_points"][0, 1] = 20


BROKEN: dict[str, tuple[Callable[[h5py.Group], None], str]] = {
    "NaN features": (_nan, "NaN"),
    "a gap between shots": (_gap, "a gap"),
    "no user of that length": (_replaced("user_summary", np.zeros((4, 33))), "user_summary"),
    "picks of another video": (_replaced("picks", np.arange(7) * 900), "picks"),
    "scores of another length": (_replaced("gtscore", np.zeros(3)), "gtscore"),
    "NaN gtscore": (_replaced("gtscore", np.full(7, np.nan)), "gtscore"),
    "text where numbers should be": (_replaced("user_summary", "none"), "user_summary"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_problems_of_one_kind_are_grouped_over_all_videos(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, sign = BROKEN[name]
    path = make("community", tmp_path)
    _edit(path, change)
    found = inspect_file(path)
    assert not found.usable
    blocking = [problem for problem in found.problems if problem.blocking]
    assert [problem.videos for problem in blocking] == [["video_1", "video_3"]]
    assert sign in blocking[0].text
    assert str(path) not in blocking[0].text
    assert any("--skip-bad" in sentence for sentence in found.advice)
    assert main(["data", "inspect", str(path)]) == 1
    assert "2 videos (video_1, video_3)" in capsys.readouterr().out


REPAIRED: dict[str, tuple[Callable[[h5py.Group], None], str]] = {
    "half-open ends": (lambda group: group["change_points"].__setitem__((slice(None), 1), [40, 100]), "half-open"),
    "short lengths": (lambda group: group["n_frame_per_seg"].__setitem__(slice(None), [39, 59]), "end - start"),
    "turned users": (lambda group: _replaced("user_summary", group["user_summary"][()].T)(group), "user_summary"),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_repairs_are_reported_and_the_command_that_writes_them_works(name: str, tmp_path: Path) -> None:
    change, sign = REPAIRED[name]
    path = make("community", tmp_path)
    _edit(path, change, ("video_1",))
    found = inspect_file(path)
    assert found.usable
    ((sentence, videos),) = ((text, videos) for text, videos in found.repaired.items() if sign in text)
    assert videos == ["video_1"]
    assert any("sspvs data convert" in advice for advice in found.advice)
    ledger = convert(path, tmp_path / "R.h5", to="community")
    assert sentence in ledger.repaired
    again = inspect_file(tmp_path / "R.h5")
    assert again.usable
    assert not again.repaired
    with h5py.File(tmp_path / "R.h5") as file:
        assert file["video_1/change_points"][()].tolist() == [[0, 39], [40, 99]]
        assert file["video_1/n_frame_per_seg"][()].tolist() == [40, 60]


def test_mrhisum_of_other_lengths_is_reported(tmp_path: Path) -> None:
    path = mrhisum(tmp_path / "mr_hisum.h5")
    _edit(path, _replaced("features", np.zeros((5, 12), np.float32)), ("video_2",))
    found = inspect_file(path)
    assert found.blocked == ["video_2"]
    assert not inspect_file(mrhisum(tmp_path / "b.h5", summary_key="gtsummary")).problems


def test_a_release_whose_parts_do_not_fit_is_reported(tmp_path: Path) -> None:
    release = make("sspvs", tmp_path)
    (release / "features" / "Zz9.h5").unlink()
    (release / "list_file" / "val_list.json").write_text(json.dumps(["id three", "-aB_c1"]))
    with h5py.File(release / "info_embed" / "id three.h5", "a") as file:
        file["title"][0] = 99999
    found = inspect_file(release)
    texts = {problem.text: problem.videos for problem in found.problems if problem.blocking}
    assert texts["train_list.json: no features/ file"] == ["Zz9"]
    assert texts["val_list.json: in both lists: what chooses the checkpoint must not be trained on"] == ["-aB_c1"]
    assert any("expected ids 0..30521" in text for text in texts)


def _edited(**changes: object) -> list[dict]:
    return [videoxum_entry(1), {**videoxum_entry(2), **changes}]


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        (_edited(vsum=[[[1, 2]] * 10, [[1, 2]] * 9]), "lists of other lengths"),
        (_edited(vsum_onehot=[[0, 1, 2]] * 10), "expected 0 and 1"),
        (_edited(vsum=[[[5, 2]] * 10] * 3), "ends before it starts"),
        (_edited(vsum=[[[1, 2]] * 7] * 3), "of 7 people"),
        (_edited(video_id=None), "expected an object with 'video_id'"),
        (_edited(timestamps=[[1, 2]]), "3 sentences, but timestamps"),
        ([videoxum_entry(1), videoxum_entry(1)], "2 entries have this id"),
    ],
)
def test_a_wrong_videoxum_entry_is_reported(entries: list[dict], what: str, tmp_path: Path) -> None:
    path = tmp_path / "val_videoxum.json"
    path.write_text(json.dumps(entries))
    found = inspect_file(path)
    assert not found.usable
    assert any(what in problem.text for problem in found.problems)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"user_summary": [[0, 1], [0]]}, "rows of other lengths"),
        ({"user_summary": [[0, 2]]}, "rows of 0 and 1"),
        ({"user_summary": []}, "rows of 0 and 1"),
        ({"user_summary": "no"}, "rows of"),
    ],
)
def test_a_wrong_label_is_reported(content: dict, what: str, tmp_path: Path) -> None:
    labels = make("dsnet", tmp_path)
    (labels / "my video 2.json").write_text(json.dumps(content))
    found = inspect_file(labels)
    assert found.blocked == ["my video 2"]
    assert what in found.problems[0].text


def test_damage_of_one_of_many_byte_files_does_not_hide_the_others(tmp_path: Path) -> None:
    folder = make("youtube8m", tmp_path)
    (folder / "cut.npy").write_bytes(_cut_npy())
    (folder / "floats.npy").write_bytes(_npy(np.zeros((3, 4))))
    found = inspect_file(folder)
    assert sorted(found.blocked) == ["cut.npy", "floats"]
    assert found.keys[0].count == 2


def test_a_shard_cut_short_tells_what_is_left(tmp_path: Path) -> None:
    path = make("youtube8m tfrecord", tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    found = inspect_file(path)
    assert not found.usable
    assert found.keys[0].count == 1
    assert re.search(r"record 1 at byte \d+: cut short", found.problems[0].text)


def test_video_level_records_are_reported(tmp_path: Path) -> None:
    from helpers.format_material import feature, field, tfrecord

    entries = [("id", feature([b"ORaA"])), ("mean_rgb", field(2, b""))]
    record = field(1, b"".join(field(1, field(1, key.encode()) + field(2, value)) for key, value in entries))
    found = inspect_file(tfrecord(tmp_path / "a.tfrecord", [record]))
    assert not found.usable
    assert "a video-level record" in found.problems[0].text


def test_scores_that_cannot_be_used_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"a": [1, 2], "b": [1, null], "c": [3, 3], "d": [[1]], "e": [1, NaN]}')
    found = inspect_file(path)
    assert sorted(found.blocked) == ["b", "d", "e"]
    scores = make("scores", tmp_path)
    _edit(scores, lambda group: group["score"].__setitem__(0, np.inf), ("video_2",))
    assert inspect_file(scores).blocked == ["video_2"]


def test_a_manifest_whose_files_are_not_there_is_reported(tmp_path: Path) -> None:
    path = make("manifest", tmp_path)
    (tmp_path / "a.mp4").unlink()
    path.write_text(path.read_text() + "v2,b c.mp4,,,,\nv3,,x,,,\n")
    texts = {problem.text: problem.videos for problem in inspect_file(path).problems if problem.blocking}
    assert texts == {
        "no such file beside the manifest: a.mp4": ["v1"],
        "2 rows have this id": ["v2"],
        "no path to a video or to features": ["v3"],
    }


def test_a_manifest_names_files_as_training_reads_them(tmp_path: Path) -> None:
    """Relative, absolute, with a group of a feature file; a video may have a # in its name."""
    for name in ("f.h5", "a#b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    names = ["f.h5", "f.h5#g1", tmp_path / "f.h5", f"{tmp_path}/f.h5#g/2", "a#b.mp4", f"{tmp_path}/a#b.mp4"]
    missing = ["g.h5#f.h5", f"{tmp_path}/g.h5#x", "b.mp4", "http://host/a.mp4"]
    rows = "".join(f"v{number},{name},a film\n" for number, name in enumerate([*names, *missing]))
    (tmp_path / "m.csv").write_text(f"id,path,title\n{rows}")
    found = inspect_file(tmp_path / "m.csv")
    assert found.kind == "manifest"
    assert found.blocked == [f"v{number}" for number in range(len(names), len(names) + len(missing))]


def test_a_shard_whose_samples_do_not_stand_together_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("0.json", "1.json", "0.npy", "2.pkl"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    found = inspect_file(path)
    assert found.blocked == ["0"]
    assert "pickles" in found.problems[1].text
    with tarfile.open(tmp_path / "code.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("project/LICENSE"), io.BytesIO())
    assert "a packed archive" in inspect_file(tmp_path / "code.tar").what


def test_a_video_in_train_and_test_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps([{"train_keys": ["video_1"], "test_keys": ["video_1"]}]))
    found = inspect_file(path)
    assert not found.usable
    assert "video_1" in found.problems[0].text


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: make(kind, tmp_path_factory.mktemp("kind")) for kind in MAKERS}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_does_more_than_be_reported(material: dict[str, Path], tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(MAKERS)), label="kind")
    original = material[kind]
    shutil.rmtree(tmp_path)  # what an example that failed has left
    tmp_path.mkdir()
    path = tmp_path / original.name
    if original.is_dir():
        shutil.copytree(original, path)
        victims = sorted(file for file in path.rglob("*") if file.is_file())
        victim = data.draw(st.sampled_from(victims), label="file")
    else:
        victim = Path(shutil.copy(original, path))
    content = bytearray(victim.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content)), label="length")]
    # scipy's MATLAB reader crashes the process on some flipped bytes: those files are only cut
    place_of = st.integers(0, max(0, len(content) - 1))
    flipped = data.draw(st.lists(place_of, max_size=0 if victim.suffix == ".mat" else 4), label="places")
    for place in flipped:
        if content:
            content[place] = data.draw(st.integers(0, 255), label="byte")
    victim.write_bytes(content)
    target = tmp_path / "out.h5"
    try:
        found = inspect_file(path)
        assert found.usable or found.advice or found.problems
        convert(path, target, to="community", settings=Settings(fps=25, skip_bad=True))
        assert target.is_file()
    except (SspvsError, ValueError):
        assert not target.exists()
    finally:
        target.unlink(missing_ok=True)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert not list(tmp_path.iterdir())
