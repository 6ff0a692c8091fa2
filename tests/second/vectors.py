"""The golden vectors of the formats, tests/vectors/*/*.txt, read by this second implementation.

For each vector: an accepted input gives exactly the outputs that the vector names, and a refused one is
refused (of the kinds of refusal only `Newer`, which the document describes, is compared). A failure of
this program is no refusal. Every group of the formats has a meaning for a second implementation; those
of the protocol, in `protocol`, are not read here.
"""

import re
import sys
from pathlib import Path

import primitives as p

import check_formats
import check_projects
from canonical import Newer

CHECKS = check_formats.CHECKS | check_projects.CHECKS
NOT_HERE = {"protocol"}


class Vector:
    def __init__(self, path):
        self.path = path
        head, *rest = path.read_bytes().decode().split("\n\n", 1)
        told = dict(line.split(": ", 1) for line in head.strip("\n").split("\n"))
        self.expect = told["expect"].split(" ")
        parts = rest[0].rstrip("\n").split("\n\n") if rest else [""]
        self.inputs = Fields(parts[0])
        self.outputs = Fields(parts[1] if len(parts) > 1 else "")


class Fields(list):
    """Names and bytes, in order; a name may be there several times."""

    def __init__(self, text):
        super().__init__()
        for line in text.split("\n") if text else []:
            if line[0] in "|!#*":
                self[-1][1] += raw(line)
            else:
                name, value = re.fullmatch("([^:]+):(?: (.*))?", line).groups()
                self.append([name, (value or "").encode()])

    def all(self, name):
        return [value for n, value in self if n == name]

    def get(self, name):
        return next(iter(self.all(name)), None)

    def text(self, name):
        value = self.get(name)
        return None if value is None else value.decode()

    def hex(self, name):
        value = self.text(name)
        return None if value is None else bytes.fromhex(value)


def raw(line):
    mark, rest = line[0], line[1:]
    if mark == "|":
        return (rest + "\n").encode()
    if mark == "!":
        return rest.encode()
    rest = rest.split("  ")[0]
    if mark == "#":
        return bytes.fromhex(rest)
    count, data = rest.split(" ")
    return int(count) * bytes.fromhex(data)


def failure(vector, check):
    """What is wrong with this reader, or None."""
    try:
        found = [[name, v if isinstance(v, bytes) else v.encode()] for name, v in check(vector.inputs)]
    except p.Refused as refused:
        if vector.expect[0] == "accept":
            return f"refused: {refused}"
        if (vector.expect[1] == "Newer") != isinstance(refused, Newer):
            return f"refused for another reason: {refused}"
        return None
    except Exception as error:  # a fault of this program, which is no refusal
        return f"failed: {error!r}"
    if vector.expect[0] != "accept":
        return "accepted"
    for ours, theirs in zip(found + [None], list(vector.outputs) + [None]):
        if ours != theirs:
            return f"found {ours}, not {theirs}"
    return None if len(found) == len(vector.outputs) else "more or fewer outputs"


def main(directory):
    counts, failed = {"accept": 0, "reject": 0}, 0
    groups = sorted(path for path in Path(directory).iterdir() if path.is_dir())
    for group in groups:
        for path in sorted(group.glob("*.txt")) if group.name not in NOT_HERE else []:
            vector = Vector(path)
            wrong = failure(vector, CHECKS[group.name])
            counts[vector.expect[0]] += 1
            if wrong:
                failed += 1
                print(f"{group.name}/{path.name}: {wrong}", file=sys.stderr)
    if failed:
        sys.exit(f"FAILED: {failed} golden vectors of the formats")
    print(
        f"assured: second: {sum(counts.values())} golden vectors of the formats in"
        f" {len(groups) - len(NOT_HERE)} groups, {counts['accept']} accepted with the same outputs,"
        f" {counts['reject']} refused"
    )


if __name__ == "__main__":
    main(sys.argv[1])
