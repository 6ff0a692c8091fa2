"""Scope files and boxes, docs/FORMAT.md 7."""

import re
from collections import namedtuple

import names
import primitives as p
import snapshot

MOST = 33_558_736
SYMBOLS_MOST = 8_388_664
BOXES_MOST = 16
MARKERS = ("=======", "<<<<<<<", "|||||||", ">>>>>>>")
GITATTRIBUTES = (
    "* -text -filter -ident !working-tree-encoding -merge\n*.enc merge=union text eol=lf\n"
)

Place = namedtuple("Place", "kind project service env")
Box = namedtuple("Box", "epoch data")


def path_of(kind, service, env):
    """Below .kagi."""
    return f"{'secrets' if kind == 'values' else 'files'}/{service}/{env}.enc"


def header(place):
    return f"kagi-scope 1 {place.project} {place.service}/{place.env}"


def box_id(box):
    """7.5"""
    return p.hash32(box.data)[:8]


def is_marker(line):
    return line in MARKERS or any(line.startswith(marker + " ") for marker in MARKERS[1:])


def read(data, place):
    """The boxes, and whether there are conflict markers."""
    p.demand(len(data) <= MOST, "a scope file is too large")
    text = p.text_of(data)
    p.demand(text.endswith("\n"), "no line feed at the end")
    boxes, markers, begun = [], False, False
    for line in text[:-1].split("\n"):
        line = line.removesuffix("\r")
        if is_marker(line):
            markers = True
        elif line == header(place):
            begun = True
        elif line.startswith("kagi-scope 1 "):
            raise p.Refused("the header of another place")
        else:
            p.demand(begun, "a line before the header")
            if not line.startswith("key "):
                box = read_box(line)
                boxes += [box] if box not in boxes else []
    p.demand(begun, "no header")
    p.demand(len(boxes) <= BOXES_MOST, "too many boxes")
    return boxes, markers


def read_box(line):
    match = re.fullmatch("box ([^ ]+) ([^ ]+)", line)
    p.demand(match, "neither box nor index line")
    p.demand(len(match[2]) <= SYMBOLS_MOST, "a box is too large")
    data = p.unbase64(match[2])
    text_len = len(data) - p.NONCE_LEN - p.TAG_LEN
    p.demand(text_len > 0 and text_len % 256 == 0, "a box of another length")
    return Box(names.epoch(match[1]), data)


def write(place, entries, boxes):
    lines = [header(place)]
    lines += [f"key {entry.name} {entry.version}" for entry in entries]
    lines += [f"box {box.epoch} {p.to_base64(box.data)}" for box in boxes]
    return "".join(line + "\n" for line in lines).encode()


def aad(place, epoch):
    """7.7"""
    return p.fields(
        "kagi-scope 1", place.kind, place.project, epoch.binary, place.env, place.service
    )


def seal(key, nonce, place, epoch, content):
    return Box(epoch, nonce + p.seal(key, nonce, aad(place, epoch), snapshot.write(content)))


def open_box(key, place, box):
    nonce, sealed = box.data[: p.NONCE_LEN], box.data[p.NONCE_LEN :]
    return p.unseal(key, nonce, aad(place, box.epoch), sealed)


def read_snapshot(key, place, box):
    content = snapshot.read(open_box(key, place, box), place.kind)
    later = [entry for entry in content.entries if entry.epoch > box.epoch.number]
    p.demand(not later, "an entry of an epoch after that of its box")  # 8.7
    return content


def open_boxes(boxes, key, place, epoch):
    """7.8: the snapshots of the roster's epoch by id, and the boxes of epochs to come."""
    opened = {box_id(b): read_snapshot(key, place, b) for b in boxes if b.epoch == epoch}
    p.demand(opened, "no box of the roster's epoch")
    listed = {ancestor for content in opened.values() for ancestor in content.ancestors}
    for box in boxes:
        known = box.epoch == epoch or box.epoch.number > epoch.number or box_id(box) in listed
        p.demand(known, "a box of another epoch that no box replaces")
    return opened, [box for box in boxes if box.epoch.number > epoch.number]
