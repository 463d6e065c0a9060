"""Damaged, hostile and merely odd versions of a file, drawn by a seed.

A file is damaged in three ways: as bytes (any file), as what it holds (a tree of values, or an h5 file), and as a
place (a pipe, a link to /dev/zero). Nothing here uses the package's own readers: trees are read by the libraries that
the formats belong to, or by a few lines.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import scipy.io
import torch
import yaml

DEPTH = 100_000
"""Of brackets within brackets."""
MARK = "MARK THIS PLACE"
LONG = "long " * 40_000  # longer than csv.field_size_limit()
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**40, 2**62, 2**64, 10**30, 0.5, -0.5, 1e-320, 1e308, math.nan, math.inf,
    -math.inf, "", " ", "a", "1", "nan", "-1", "true", "../up", "/dev/zero", "a/b", "a\0b",
    "a\nb", "\u202e\ud7ff é", LONG,
    [], {}, [[]], [None], [0], ["a"], {"a": 1}, [[1, 2]], [[2, 1]], [math.nan], [1, "a", None], {"a": {"b": []}},
)  # fmt: skip
"""Put in the place of any value."""


# --- bytes -----------------------------------------------------------------------------------------------------------


def _span(content: bytearray, random: Random, most: int = 64) -> slice:
    start = random.randrange(len(content) + 1)
    return slice(start, start + random.randint(1, most))


def _flip(content: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 1, 2, 8, 64)) if content else 0):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _insert(content: bytearray, random: Random) -> None:
    span = _span(content, random)
    content[span.start : span.start] = random.randbytes(span.stop - span.start)


def _claim(content: bytearray, random: Random) -> None:
    """A number, or what may be one, becomes absurdly large."""
    code = random.choice(("<I", ">I", "<Q", ">Q", "<H"))
    size = struct.calcsize(code)
    start = random.randrange(min(len(content), random.choice((16, 512, 1 << 30))) + 1)
    start -= start % size if random.random() < 0.7 else 0
    bits = 8 * size
    value = random.choice(((1 << bits) - 1, (1 << bits - 1) - 1, 1 << bits - 2, 1 << bits // 2 + 3, 0))
    content[start : start + size] = struct.pack(code, value)


def _zero(content: bytearray, random: Random) -> None:
    span = _span(content, random, random.choice((8, 64, 4096)))
    content[span] = bytes(len(content[span]))


def _swap(content: bytearray, random: Random) -> None:
    one, other = sorted((_span(content, random), _span(content, random)), key=lambda span: span.start)
    if one.stop <= other.start:
        content[one], content[other] = content[other], content[one]


def _cut(content: bytearray, random: Random) -> None:
    del content[random.randrange(len(content) + 1) :]


def _delete(content: bytearray, random: Random) -> None:
    del content[_span(content, random)]


def _append(content: bytearray, random: Random) -> None:
    content += random.choice((b"\0" * 512, random.randbytes(99), bytes(content), b"\n"))


BYTES: dict[str, Callable[[bytearray, Random], None]] = {
    "flipped bits": _flip, "inserted bytes": _insert, "deleted bytes": _delete, "truncated": _cut, "appended": _append,
    "zeroed": _zero, "claimed size": _claim, "swapped blocks": _swap, "empty": lambda content, _: content.clear(),
}  # fmt: skip


# --- text ------------------------------------------------------------------------------------------------------------

TEXT: dict[str, Callable[[str], bytes]] = {
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "Latin-1": lambda text: text.replace("e", "é").encode("latin-1"),
    "NUL": lambda text: text.replace("e", "\0", 3).encode(),
    "CR alone": lambda text: text.replace("\n", "\r").encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "one line": lambda text: text.replace("\n", " ").encode(),
    "no end": lambda text: (text.rstrip() + "\n" + text[: len(text) // 2]).encode(),
    "long line": lambda text: (text[: len(text) // 2] + LONG + text[len(text) // 2 :]).encode(),
    "brackets alone": lambda _: ("[" * DEPTH).encode(),
    "objects alone": lambda _: ('{"a":' * DEPTH).encode(),
    "YAML aliases": lambda _: "".join(
        f"{'abcdefghij'[i]}: &{'abcdefghij'[i]} [{', '.join(['*' + 'abcdefghij'[i - 1]] * 9) if i else '1'}]\n"
        for i in range(10)
    ).encode(),
    "YAML tag": lambda text: f"!!python/object/apply:os.system ['touch EXECUTED']\n{text}".encode(),
    "many lines": lambda text: (text * 200).encode(),
}
"""Encodings, line ends, nesting."""


# --- values in a tree ------------------------------------------------------------------------------------------------


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a tree of dicts and lists."""
    if isinstance(tree, dict | list):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


def odd_array(array: np.ndarray, random: Random) -> np.ndarray:
    """The same numbers in another shape or type, or others in the same."""
    some = random.randrange(array.size) if array.size else 0
    numeric = array.dtype.kind in "iufb"

    def holed(value: float) -> np.ndarray:
        changed = array.astype(np.float64) if numeric else np.zeros(array.shape)
        changed.reshape(-1)[some : some + 1] = value
        return changed

    makers: tuple[Callable[[], np.ndarray], ...] = (
        lambda: array[:0] if array.ndim else array.reshape(1), lambda: array[..., None], lambda: array[None],
        lambda: array.T, lambda: array.ravel(), lambda: array[1:] if array.ndim else array.reshape(1, 1),
        lambda: array[::-1] if array.ndim else np.array([0]), lambda: np.concatenate([array.ravel()] * 2),
        lambda: np.array(random.choice((0, -1, 2**62, math.nan, 1.5))), lambda: np.array([], dtype=np.float32),
        lambda: holed(math.nan), lambda: holed(math.inf), lambda: holed(-1), lambda: holed(2.0**62),
        lambda: holed(1e308),
        lambda: np.full(array.shape, math.nan), lambda: np.zeros(array.shape), lambda: np.full(array.shape, 2**62),
        lambda: np.zeros(array.shape, dtype=np.complex64), lambda: np.zeros(array.shape, dtype="S3"),
        lambda: array.astype(np.float16) if numeric else np.zeros(3, np.uint8),
        lambda: np.zeros(array.shape, dtype=bool),
        lambda: np.zeros(array.shape, dtype=[("a", "<i4"), ("b", "<f4")]), lambda: np.zeros((1,) * 9),
        lambda: (array.astype(np.float64) * -1e6 + 0.5) if numeric else np.zeros((2, 3)),
    )  # fmt: skip
    return random.choice(makers)()


def _odd(value: Any, random: Random) -> Any:
    return odd_array(value, random) if isinstance(value, np.ndarray) and random.random() < 0.8 else random.choice(ODD)


def mutate_tree(tree: Any, random: Random) -> tuple[Any, str]:
    """One change of one place; the tree is changed in place where it can be."""
    places = list(_places(tree))
    if not places or random.random() < 0.03:
        return random.choice(ODD), "another value at the top"
    container, key = random.choice(places)
    way = random.choice(("odd", "odd", "odd", "odd", "nested", "wrapped", "copied", "deleted", "renamed", "repeated"))
    if way == "odd":
        container[key] = _odd(container[key], random)
    elif way == "nested":
        container[key] = MARK
    elif way == "wrapped":
        container[key] = random.choice((lambda value: [value], lambda value: {"a": value}, str))(container[key])
    elif way == "copied":
        other, its = random.choice(places)
        container[key] = random.choice((other[its], other))  # a list within itself becomes one within a copy
        if other is not tree or container[key] is other:
            container[key] = json.loads(json.dumps(other[its], default=str))
    elif way == "deleted":
        del container[key]
    elif isinstance(container, dict):
        name = random.choice(("", " ", "a", str(key).upper(), f"{key}_", "../" + str(key), LONG, *map(str, container)))
        container[name] = container.pop(key) if way == "renamed" else container[key]
    else:
        container[key:key] = [container[key]] * random.choice((1, 1, 1000))
    return tree, f"{way} {str(key)[:40]!r}"


def _nested(text: str) -> str:
    for mark in (f'"{MARK}"', MARK):
        text = text.replace(mark, "[" * DEPTH + "]" * DEPTH)
    return text


@dataclass(frozen=True)
class Tree:
    """How the values of a file are read and written again."""

    load: Callable[[bytes], Any]
    save: Callable[[Any], bytes]


def _load_lines(content: bytes) -> Any:
    return [json.loads(line) for line in content.decode().splitlines()]


def _save_json(tree: Any) -> bytes:
    return _nested(json.dumps(tree, default=str)).encode("utf-8", "replace")


def _save_lines(tree: Any) -> bytes:
    rows = tree if isinstance(tree, list) else [tree]
    return b"".join(_save_json(row) + b"\n" for row in rows)


def _save_yaml(tree: Any) -> bytes:
    return _nested(yaml.safe_dump(json.loads(json.dumps(tree, default=str)))).encode("utf-8", "replace")


def _load_table(content: bytes, delimiter: str = ",") -> Any:
    return list(csv.reader(io.StringIO(content.decode()), delimiter=delimiter))


def _save_table(tree: Any, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    rows = tree if isinstance(tree, list) else [[tree]]
    csv.writer(text, delimiter=delimiter).writerows(row if isinstance(row, list) else [row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _load_safetensors(content: bytes) -> Any:
    size = struct.unpack("<Q", content[:8])[0]
    return {"header": json.loads(content[8 : 8 + size]), "body": np.frombuffer(content[8 + size :], np.uint8)}


def _save_safetensors(tree: Any) -> bytes:
    tree = tree if isinstance(tree, dict) else {"header": tree}
    header = _save_json(tree.get("header"))
    return struct.pack("<Q", len(header)) + header + np.asarray(tree.get("body", 0)).tobytes()


def _load_arrays(content: bytes) -> Any:
    with np.load(io.BytesIO(content)) as file:
        return dict(file)


def _save_array(tree: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(tree.get("array") if isinstance(tree, dict) else tree), allow_pickle=True)
    return file.getvalue()


def _save_arrays(tree: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in (tree if isinstance(tree, dict) else {"a": tree}).items():
            archive.writestr(zipfile.ZipInfo(f"{name[:60]}.npy"), _save_array(value))
    return file.getvalue()


def _load_matlab(content: bytes) -> Any:
    return {name: value for name, value in scipy.io.loadmat(io.BytesIO(content)).items() if name[:2] != "__"}


def _save_matlab(tree: Any) -> bytes:
    file = io.BytesIO()
    tree = tree if isinstance(tree, dict) else {"a": tree}
    scipy.io.savemat(
        file, {name[:31] or "a": np.asarray([] if value is None else value) for name, value in tree.items()}
    )
    return file.getvalue()


def _load_torch(content: bytes) -> Any:
    with torch.serialization.safe_globals([__import__("argparse").Namespace]):
        return _plain(torch.load(io.BytesIO(content), weights_only=True))


def _plain(tree: Any) -> Any:
    if isinstance(tree, torch.Tensor):
        return tree.numpy()
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list) else tree


def _tensors(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        usable = tree.dtype.kind in "iufbc" and not (tree.dtype.kind == "u" and tree.dtype.itemsize > 1)
        return torch.from_numpy(np.ascontiguousarray(tree)) if usable else tree.tolist()
    if isinstance(tree, dict):
        return {key: _tensors(value) for key, value in tree.items()}
    return [_tensors(value) for value in tree] if isinstance(tree, list) else tree


def _save_torch(tree: Any) -> bytes:
    file = io.BytesIO()
    torch.save(_tensors(tree), file)
    return file.getvalue()


TREES: dict[str, Tree] = {
    "json": Tree(json.loads, _save_json),
    "jsonl": Tree(_load_lines, _save_lines),
    "yaml": Tree(yaml.safe_load, _save_yaml),
    "csv": Tree(_load_table, _save_table),
    "tsv": Tree(lambda content: _load_table(content, "\t"), lambda tree: _save_table(tree, "\t")),
    "safetensors": Tree(_load_safetensors, _save_safetensors),
    "npy": Tree(lambda content: {"array": np.load(io.BytesIO(content))}, _save_array),
    "npz": Tree(_load_arrays, _save_arrays),
    "mat": Tree(_load_matlab, _save_matlab),
    "torch": Tree(_load_torch, _save_torch),
}
TEXTS = ("json", "jsonl", "yaml", "csv", "tsv")


# --- h5 --------------------------------------------------------------------------------------------------------------


def _claimed(group: h5py.Group, name: str, random: Random) -> None:
    """A dataset that claims far more numbers than the file holds."""
    array = np.asarray(group[name][()]) if name in group and isinstance(group[name], h5py.Dataset) else np.zeros(1)
    dtype = array.dtype if array.dtype.kind in "iufb" else np.float32
    shape = [max(1, size) for size in array.shape] or [1]
    shape[random.randrange(len(shape))] = random.choice((2**33, 2**40, 2**62))
    del group[name]
    group.create_dataset(name, shape, dtype, chunks=tuple(min(size, 64) for size in shape))


def _virtual(group: h5py.Group, name: str, random: Random) -> None:
    layout = h5py.VirtualLayout((5, 3), np.float32)
    layout[:] = h5py.VirtualSource("beside.h5", "secret", (5, 3))
    group.create_virtual_dataset(name, layout)


def _put(make: Callable[[h5py.Group, str, Random], Any]) -> Callable[[h5py.Group, str, Random], None]:
    """Something else in the place of a link."""

    def put(group: h5py.Group, name: str, random: Random) -> None:
        del group[name]
        value = make(group, name, random)
        if value is not None:
            group[name] = value

    return put


def _replace(group: h5py.Group, name: str, random: Random) -> None:
    array = np.asarray(group[name][()]) if isinstance(group.get(name), h5py.Dataset) else np.zeros((3, 2))
    changed = odd_array(array if array.dtype.kind in "iufbS" else np.zeros(3), random)
    del group[name]
    group[name] = changed


def _scalar(random: Random) -> Any:
    value = random.choice([one for one in ODD if not isinstance(one, dict | list) and one is not None])
    return value.replace("\0", "").encode("utf-8", "replace") if isinstance(value, str) else np.float64(value)


def _attribute(group: h5py.Group, name: str, random: Random) -> None:
    owner = random.choice((group, group.file, group[name]))
    chosen = random.choice((*owner.attrs, "new"))
    if random.random() < 0.3:
        owner.attrs.pop(chosen, None)
    else:
        owner.attrs[chosen] = random.choice((_scalar(random), np.zeros(3), np.zeros(0), "{", "[" * 5000, "é" * 3000))


_EXTERNAL = [("beside.h5", 0, 16)]
H5: dict[str, Callable[[h5py.Group, str, Random], Any]] = {
    "odd dataset": _replace,
    "attribute": _attribute,
    "claimed size": _claimed,
    "odd scalar": _put(lambda _, __, random: _scalar(random)),
    "deleted": _put(lambda *_: None),
    "renamed": lambda group, name, random: group.move(name, random.choice((f"{name}_", "a", "Zé", name.upper() + "2"))),
    "group in its place": _put(lambda group, name, _: group.create_group(name) and None),
    "external link": _put(lambda *_: h5py.ExternalLink("beside.h5", "/secret")),
    "link to nothing": _put(lambda *_: h5py.SoftLink("/nowhere")),
    "link to the root": _put(lambda *_: h5py.SoftLink("/")),
    "virtual dataset": _put(_virtual),
    "external storage": _put(lambda group, name, _: group.create_dataset(name, 16, "u1", external=_EXTERNAL) and None),
    "text of variable length": _put(lambda *_: np.array(["a", "é" * 900], dtype=h5py.string_dtype())),
    "rows of variable length": _put(
        lambda group, name, _: group.create_dataset(name, 3, h5py.vlen_dtype("i4")) and None
    ),
    "references": _put(lambda *_: np.array([h5py.Reference()], dtype=h5py.ref_dtype)),
    "empty dataspace": _put(lambda *_: h5py.Empty("f4")),
    "type alone": _put(lambda *_: np.dtype("f8")),
    "many groups": lambda group, _, __: [group.create_group(f"more_{number}") for number in range(300)],
    "deep groups": lambda group, _, __: group.create_group("/".join("d" * 400)),
}
"""Changes of one link of an h5 file."""


def _mutate_h5(path: Path, random: Random) -> str:
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = random.choice(names)
        how = random.choice((*H5, "odd dataset", "odd dataset", "odd dataset", "claimed size", "attribute"))
        parent = file[name].parent
        H5[how](parent, name.rpartition("/")[2], random)
    return f"{how} at {name!r}"


# --- archives --------------------------------------------------------------------------------------------------------


class _Harm:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch EXECUTED",)


def _mutate_zip(path: Path, random: Random) -> str:
    """One member of an archive: gone, renamed, repeated, damaged, or a pickle that does harm."""
    import pickle

    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    number = random.randrange(len(members))
    name, content = members[number]
    how = random.choice(("gone", "renamed", "repeated", "damaged", "damaged", "empty", "harm", "compressed"))
    if how == "gone":
        del members[number]
    elif how == "renamed":
        members[number] = (random.choice(("../" + name, "/tmp/" + name, name.upper(), "")), content)
    elif how == "repeated":
        members.append((name, content[: len(content) // 2]))
    elif how == "damaged":
        damaged = bytearray(content)
        BYTES[random.choice(("flipped bits", "truncated", "claimed size", "deleted bytes"))](damaged, random)
        members[number] = (name, bytes(damaged))
    elif how == "empty":
        members[number] = (name, b"")
    elif how == "harm":
        name = next((name for name, _ in members if name.endswith(".pkl")), name)
        members = [(one, pickle.dumps(_Harm(), 2) if one == name else data) for one, data in members]
    method = zipfile.ZIP_DEFLATED if how == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for one, data in members:
            archive.writestr(zipfile.ZipInfo(one or "a"), data, method)
    return f"member {how} {name!r}"


# --- places ----------------------------------------------------------------------------------------------------------


def _linked(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 33)


PLACES: dict[str, Callable[[Path], None]] = {
    "link to /dev/zero": _linked("/dev/zero"),
    "link to /dev/stdin": _linked("/dev/stdin"),
    "FIFO": lambda path: os.mkfifo(path),
    "link to nothing": _linked("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "folder": lambda path: path.mkdir(),
    "gone": lambda path: None,
    "8 GiB of nothing": _sparse,
}
"""What stands where a file should."""


# --- the door --------------------------------------------------------------------------------------------------------


def mutate(path: Path, form: str, others: list[Path], random: Random) -> str:
    """Damage a file where it lies; what a library cannot write is drawn again.

    Args:
        path: The file; it is read only as a file of this form.
        form: A key of `TREES`, or `h5`, `zip` or anything else (bytes alone).
        others: Files of other kinds, one of which may take its place.
        random: What is done.

    Returns:
        What was done, in words.
    """
    content = path.read_bytes()
    while True:
        try:
            return _mutate(path, form, others, random)
        except (ValueError, TypeError, KeyError, OverflowError, RuntimeError, OSError, AttributeError, struct.error):
            path.unlink(missing_ok=True)
            path.write_bytes(content)


def _mutate(path: Path, form: str, others: list[Path], random: Random) -> str:
    ways = ["bytes"] * 4 + ["place", "place", "other kind"]
    ways += ["text"] * 3 if form in TEXTS else []
    ways += ["inside"] * (8 if form in TREES or form == "h5" else 0)
    ways += ["zip"] * (4 if form in ("torch", "npz", "zip") else 0)
    way = random.choice(ways)
    if way == "inside" and form == "h5":
        return _mutate_h5(path, random)
    if way == "zip":
        return _mutate_zip(path, random)
    if way == "place":
        name = random.choice(list(PLACES))
        path.unlink()
        PLACES[name](path)
        return name
    if way == "other kind":
        other = random.choice(others)
        path.write_bytes(other.read_bytes())
        return f"the bytes of {other.name}"
    content = bytearray(path.read_bytes())
    if way == "inside":
        tree, said = mutate_tree(TREES[form].load(bytes(content)), random)
        path.write_bytes(TREES[form].save(tree))
        return said
    if way == "text":
        name = random.choice(list(TEXT))
        path.write_bytes(TEXT[name](content.decode()))
        return name
    name = random.choice(list(BYTES))
    for _ in range(random.choice((1, 1, 1, 3))):
        BYTES[name](content, random)
    path.write_bytes(content)
    return name
