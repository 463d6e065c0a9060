"""TFRecord frames and the messages in them, against the definitions and against protobuf itself."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers.format_material import field, frame_bytes, sequence_example, slow_crc32c, tfrecord, varint
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.errors import DatasetError
from sspvs.formats.tfrecord import looks_like_tfrecord, masked_crc32c, parse_example, read_record, record_places


def _records(path: Path, *, check: bool = True) -> list[bytes]:
    places, wrong = record_places(path)
    if wrong:
        raise DatasetError(wrong)
    return [read_record(path, number, *place, check=check) for number, place in enumerate(places)]


@given(st.binary(max_size=60))
def test_the_checksum_is_the_bitwise_definition_masked(data: bytes) -> None:
    crc = slow_crc32c(data)
    assert masked_crc32c(data) == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


@settings(max_examples=40, deadline=None)
@given(records=st.lists(st.binary(max_size=80), min_size=1, max_size=5), data=st.data())
def test_records_come_back_and_every_cut_inside_a_record_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("records")
    path = tfrecord(folder / "a.tfrecord", records)
    assert _records(path) == records
    assert looks_like_tfrecord(path.read_bytes()[:16])
    whole = path.read_bytes()
    ends = {0}
    for record in records:
        ends.add(max(ends) + 16 + len(record))
    cut = data.draw(st.integers(0, len(whole) - 1).filter(lambda place: place not in ends), label="cut")
    path.write_bytes(whole[:cut])
    with pytest.raises(DatasetError, match="cut short"):
        _records(path)


def test_damage_in_the_frame_is_always_noticed_and_in_the_record_unless_unchecked(tmp_path: Path) -> None:
    path = tfrecord(tmp_path / "a.tfrecord", [b"first", b"second"])
    whole = bytearray(path.read_bytes())
    whole[14] ^= 1  # in "first"
    path.write_bytes(whole)
    assert _records(path, check=False) == [b"fi" + bytes([ord("r") ^ 1]) + b"st", b"second"]
    with pytest.raises(DatasetError, match=r"a\.tfrecord, record 0 at byte 0: damaged, its checksum"):
        _records(path)
    whole[22] ^= 1  # in the length of "second"
    path.write_bytes(whole)
    with pytest.raises(DatasetError, match="record 1 at byte 21: expected a TFRecord frame"):
        _records(path)


def test_a_frame_level_record_is_read() -> None:
    rows, sound = frame_bytes(3, 5), frame_bytes(4, 5, 128)
    example = parse_example(sequence_example("ORaA", rows, sound))
    assert example.context == {"id": [b"ORaA"], "labels": [8, 11, 3000]}
    assert [np.frombuffer(step[0], np.uint8).tolist() for step in example.sequences["rgb"]] == rows.tolist()  # type: ignore[arg-type]
    assert len(example.sequences["audio"]) == 5


def _messages() -> dict[str, type]:
    """The messages of TensorFlow's example.proto and feature.proto, made by protobuf from their fields."""
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    from google.protobuf import descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    kinds = {"bytes": 12, "float": 2, "int64": 3, "string": 9, "message": 11}

    def message(name: str, *fields: tuple[str, int, str, bool], of: object = file.message_type) -> object:
        made = of.add(name=name)  # type: ignore[attr-defined]
        for field_name, number, kind, repeated in fields:
            entry = made.field.add(name=field_name, number=number, label=3 if repeated else 1)
            entry.type = kinds.get(kind, 11)
            if kind not in kinds:
                entry.type_name = f".t.{kind}"
        return made

    message("BytesList", ("value", 1, "bytes", True))
    message("FloatList", ("value", 1, "float", True))
    message("Int64List", ("value", 1, "int64", True))
    kinds_of_feature = (("bytes_list", 1, "BytesList", False), ("float_list", 2, "FloatList", False))
    message("Feature", *kinds_of_feature, ("int64_list", 3, "Int64List", False))
    message("FeatureList", ("feature", 1, "Feature", True))
    for holder, name, value in (("Features", "feature", "Feature"), ("FeatureLists", "feature_list", "FeatureList")):
        made = message(holder, (name, 1, f"{holder}.{name.title().replace('_', '')}Entry", True))
        entry = made.nested_type.add(name=f"{name.title().replace('_', '')}Entry")  # type: ignore[attr-defined]
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=9, label=1)
        entry.field.add(name="value", number=2, type=11, label=1, type_name=f".t.{value}")
    message("SequenceExample", ("context", 1, "Features", False), ("feature_lists", 2, "FeatureLists", False))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}")) for name in ("SequenceExample",)
    }


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
    floats=st.lists(st.floats(width=32, allow_nan=False), max_size=5),
    texts=st.lists(st.binary(max_size=9), max_size=4),
    steps=st.lists(st.lists(st.binary(max_size=300), max_size=2), max_size=4),
)
def test_what_protobuf_writes_is_read(
    numbers: list[int], floats: list[float], texts: list[bytes], steps: list[list[bytes]]
) -> None:
    message = _messages()["SequenceExample"]()
    message.context.feature["numbers"].int64_list.value.extend(numbers)
    message.context.feature["floats"].float_list.value.extend(floats)
    message.context.feature["texts"].bytes_list.value.extend(texts)
    for step in steps:
        message.feature_lists.feature_list["rgb"].feature.add().bytes_list.value.extend(step)
    example = parse_example(message.SerializeToString())
    assert example.context == {"numbers": numbers, "floats": floats, "texts": texts}
    assert example.sequences.get("rgb", []) == steps


@given(st.binary(max_size=120))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with suppress(DatasetError):
        parse_example(data)


def test_numbers_that_are_not_packed_are_read() -> None:
    loose = field(3, varint(1 << 3) + varint(7) + varint(1 << 3) + varint(300))
    example = parse_example(field(1, field(1, field(1, b"labels") + field(2, loose))))
    assert example.context == {"labels": [7, 300]}
