"""Snapshots, docs/FORMAT.md 8: the plaintext of one box."""

from collections import namedtuple

import names
import primitives as p

MOST = 6 * 1024 * 1024
VALUE_MOST = {"values": 1024 * 1024, "files": 5 * 1024 * 1024}
THIS = bytes(8)

Snapshot = namedtuple("Snapshot", "sequence ancestors entries")
# time: u64; author: a member id or empty; writer: 8 bytes, zero for the snapshot itself
Entry = namedtuple("Entry", "name value description time author writer version epoch")


def read(data, kind="values"):
    p.demand(len(data) <= MOST, "a snapshot is too large")
    cursor = p.Cursor(data)
    p.demand(cursor.take(1) == b"\1", "another version")
    sequence, count = cursor.u64(), cursor.u32()
    p.demand(sequence > 0, "the sequence number 0")
    p.demand(count <= 1024, "too many ancestors")
    ancestors = [cursor.take(8) for _ in range(count)]
    p.demand(THIS not in ancestors and len(set(ancestors)) == count, "an ancestor is zero or there twice")
    count = cursor.u32()
    p.demand(count <= 20000, "too many entries")
    entries = [read_entry(cursor, kind) for _ in range(count)]
    names.sorted_once(names.in_bytes([entry.name for entry in entries]), "entries are not sorted")
    writers = {entry.writer for entry in entries}
    p.demand(writers <= {THIS, *ancestors}, "a writer that is no ancestor")
    p.demand(data[cursor.at :] == bytes(-cursor.at % 256), "other padding")
    return Snapshot(sequence, ancestors, entries)


def read_entry(cursor, kind):
    name, value, description = cursor.text(), cursor.lp(), cursor.text()
    time, author, writer = cursor.u64(), cursor.text(), cursor.take(8)
    version, epoch = cursor.u32(), cursor.u32()
    entry = Entry(name, value, description, time, author, writer, version, epoch)
    check_entry(entry, kind)
    return entry


def check_entry(entry, kind):
    (names.key if kind == "values" else names.stored_file)(entry.name)
    p.demand(len(entry.value) <= VALUE_MOST[kind], "a value is too large")
    p.demand(kind == "files" or 0 not in entry.value, "a zero byte in a value")
    names.description(entry.description)
    if entry.author:
        names.member_id(entry.author)
    p.demand(entry.version > 0 and entry.epoch > 0, "version or epoch 0")


def write(snapshot):
    data = b"\1" + p.u64(snapshot.sequence)
    data += p.u32(len(snapshot.ancestors)) + b"".join(snapshot.ancestors)
    data += p.u32(len(snapshot.entries)) + b"".join(map(write_entry, snapshot.entries))
    return data + bytes(-len(data) % 256)


def write_entry(entry):
    return (
        p.fields(entry.name, entry.value, entry.description)
        + p.u64(entry.time)
        + p.lp(entry.author)
        + entry.writer
        + p.u32(entry.version)
        + p.u32(entry.epoch)
    )
