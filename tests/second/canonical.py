"""Canonical JSON, docs/FORMAT.md 1.10 to 1.12 and 11.5: one content, one text.

A reader here takes the bytes, gives the object, and has already refused every text that differs from
its own encoding. Which names an object has is the business of each format: `members`.
"""

import json

import primitives as p


class Newer(p.Refused):
    """A file of a later format (1.12)."""


class Pairs(list):
    """An object as it stands: names and values, in order."""


ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def quoted(text):
    out = [ESCAPES.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 0x20 else c) for c in text]
    return '"' + "".join(out) + '"'


def encode(value, depth=0):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Pairs):
        opening, closing = "{", "}"
        items = [f"{quoted(name)}: {encode(item, depth + 1)}" for name, item in value]
    else:
        opening, closing = "[", "]"
        items = [encode(item, depth + 1) for item in value]
    if not items:
        return opening + closing
    blanks = "  " * depth
    return opening + "\n" + ",\n".join(blanks + "  " + i for i in items) + "\n" + blanks + closing


def write(pairs):
    return (encode(Pairs(pairs)) + "\n").encode()


def refuse_number(text):
    raise p.Refused(f"{text} is no whole number")


def parse(data):
    """The object of a text without secret."""
    second = data.partition(b"\n")[2]
    start = b'  "format": '
    if second.startswith(start) and not second.startswith((start + b"1,", start + b"1\n")):
        raise Newer("a later format")
    text = p.text_of(data)
    try:
        value = json.loads(
            text, object_pairs_hook=Pairs, parse_float=refuse_number, parse_constant=refuse_number
        )
    except (ValueError, RecursionError) as error:
        raise p.Refused("no JSON") from error
    p.demand(isinstance(value, Pairs), "no object")
    try:
        p.demand(write(value) == data, "not in canonical form")
    except (TypeError, UnicodeEncodeError) as error:  # null; half of a surrogate pair
        raise p.Refused("not in canonical form") from error
    return value


def read(data, most):
    p.demand(len(data) <= most, "too large")
    return parse(data)


def read_secret(data, most, name):
    """The secret of a file, and its object without it (11.5)."""
    p.demand(len(data) <= most, "too large")
    lines = data.split(b"\n", 2)
    start, end = f'  "{name}": "'.encode(), b'",'
    p.demand(len(lines) == 3 and lines[0] == b"{", "no object")
    p.demand(lines[1].startswith(start) and lines[1].endswith(end), "no secret on the second line")
    secret = p.text_of(lines[1][len(start) : -len(end)])
    p.demand('"' not in secret and "\\" not in secret, "a secret has no escapes")
    return secret, parse(b"{\n" + lines[2])


def write_secret(name, secret, pairs):
    rest = write(pairs)
    return f'{{\n  "{name}": "{secret}",\n'.encode() + rest[2:]


# The shapes of values


def members(value, *names):
    """The values of an object with exactly these names, in this order."""
    p.demand(isinstance(value, Pairs), "no object")
    p.demand([name for name, _ in value] == list(names), "a name is missing, unknown, twice or moved")
    return [item for _, item in value]


def text(value):
    p.demand(isinstance(value, str), "no text")
    return value


def flag(value):
    p.demand(isinstance(value, bool), "neither true nor false")
    return value


def number(value, bits):
    p.demand(isinstance(value, int) and not isinstance(value, bool), "no number")
    p.demand(0 <= value < 2**bits, "a number is too large")
    return value


def array(value, most):
    p.demand(isinstance(value, list) and not isinstance(value, Pairs), "no array")
    p.demand(len(value) <= most, "an array is too long")
    return value


def is_one(value):
    p.demand(number(value, 64) == 1, "another format")


def mac_of(value):
    return p.unhex(text(value), 32)
