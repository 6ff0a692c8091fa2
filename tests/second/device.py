"""What a device keeps, and requests, docs/FORMAT.md 10.4, 11 and 12.

Left out: the system's keychain (11.7), without which a reader cannot use a file that names it.
"""

import os
from collections import namedtuple
from pathlib import Path

import accept
import canonical as c
import keytexts
import names
import primitives as p

IDENTITY_MOST = 16 * 1024
PIN_MOST = 4 * 1024 * 1024
REQUEST_MOST = 1024
REQUESTS_SHOWN = 64

Pin = namedtuple("Pin", "known member anchors sequences")
EMPTY_PIN = Pin(None, "", [], {})
Request = namedtuple("Request", "id name public_key")


def read_private(path, most):
    """11.6, or None where there is no file."""
    if not path.exists():
        return None
    p.demand(os.stat(path).st_mode & 0o077 == 0, "others can read the file")
    p.demand(os.stat(path).st_size <= most, "too large")
    return path.read_bytes()


# 11.1


def read_identity(data):
    """The identity, and the public key that the file gives."""
    secret, rest = c.read_secret(data, IDENTITY_MOST, "identity")
    form, public = c.members(rest, "format", "public_key")
    c.is_one(form)
    p.demand(secret == secret.strip(keytexts.WHITE), "white space around the identity")
    return keytexts.read_identity(secret), c.mac_of(public)


def write_identity(identity):
    text = keytexts.write_identity(identity)
    return c.write_secret("identity", text, [("format", 1), ("public_key", identity.public.hex())])


def founders_identity(data):
    identity, public = read_identity(data)
    p.demand(identity.public == public, "another public key")
    return identity


# 11.2


def read_pin(data):
    witness, rest = c.read_secret(data, PIN_MOST, "witness")
    form, epoch, member, anchors, sequences = c.members(
        rest, "format", "epoch", "member", "anchors", "sequences"
    )
    c.is_one(form)
    known = None
    if witness or c.text(epoch):
        known = accept.Known(names.epoch(epoch), p.unhex(witness, 32))
    if c.text(member) or known:
        names.member_id(member)
    for anchor in c.array(anchors, PIN_MOST):
        names.member_id(c.text(anchor))
    p.demand(isinstance(sequences, c.Pairs), "no object of sequences")
    names.sorted_once(names.in_bytes([place for place, _ in sequences]), "sequences are not sorted")
    for place, number in sequences:
        check_place(place)
        c.number(number, 64)
    return Pin(known, member, anchors, dict(sequences))


def check_place(text):
    parts = text.split("/")
    p.demand(len(parts) == 3 and parts[0] in names.KINDS, "no scope")
    for part in parts[1:]:
        names.place(part)


def write_pin(pin):
    witness, epoch = (pin.known.witness.hex(), str(pin.known.epoch)) if pin.known else ("", "")
    pairs = [("format", 1), ("epoch", epoch), ("member", pin.member), ("anchors", pin.anchors)]
    sequences = c.Pairs(sorted(pin.sequences.items(), key=lambda item: item[0].encode()))
    return c.write_secret("witness", witness, pairs + [("sequences", sequences)])


def pin_path(home, project):
    return Path(home, "projects", project, "pin.json")


def read_pin_file(home, project):
    data = read_private(pin_path(home, project), PIN_MOST)
    return EMPTY_PIN if data is None else read_pin(data)


# 11.3


def checkout_name(path):
    return p.hash32(os.fsencode(path))[:16].hex()


def read_checkout(data):
    text = p.text_of(data)
    p.demand(text.endswith("\n"), "no line feed")
    return names.project_id(text[:-1])


# 10.4, 10.6


def holder(variables):
    """An identity, a project key, a scope key or None, from the four variables."""
    given = {name: value for name, value in variables.items() if value}
    p.demand(len(given) < 2, "more than one of the four is set")
    for name, value in given.items():
        text = text_of_file(value) if name.endswith("_FILE") else value
        if name.startswith("KAGI_IDENTITY"):
            return read_identity(text.encode())[0] if text[:1] == "{" else keytexts.read_identity(text)
        if keytexts.is_scope_key(text):
            return keytexts.read_scope_key(text)
        return keytexts.read_project_key(text)
    return None


def text_of_file(path):
    p.demand(os.stat(path).st_size <= IDENTITY_MOST, "too large")
    return p.text_of(Path(path).read_bytes())


# 12


def read_request(data):
    form, member, name, public = c.members(
        c.read(data, REQUEST_MOST), "format", "id", "name", "public_key"
    )
    c.is_one(form)
    public = c.mac_of(public)
    p.check_public(public)
    p.demand(c.text(member) == names.id_of_key(public), "the id is not that of the key")
    return Request(member, names.member(c.text(name)), public)


def write_request(request):
    values = request._asdict() | {"public_key": request.public_key.hex()}
    return c.write([("format", 1), *values.items()])


def request_in(directory, member):
    path = Path(directory, "requests", member + ".json")
    p.demand(path.exists(), "no request")
    request = read_request(path.read_bytes())
    p.demand(request.id == member, "a request in another's file")
    return request


def requests_in(directory):
    """Id, and request or None where it is refused; of all, the first 64."""
    found = sorted(path.name for path in Path(directory, "requests").glob("kgm_*.json"))
    for name in [name for name in found if is_member_id(name.removesuffix(".json"))][:REQUESTS_SHOWN]:
        member = name.removesuffix(".json")
        try:
            yield member, request_in(directory, member)
        except p.Refused:
            yield member, None


def is_member_id(text):
    try:
        return bool(names.member_id(text))
    except p.Refused:
        return False
