"""The messages of docs/PROTOCOL.md 5, read and written from the document's tables.

A value of a table is a dict by the names of its fields. Each type reads strictly: what is read is
encoded again by `encode` to the same bytes.
"""

import re
from collections import namedtuple

import primitives as p

LIST_MOST = 10_000
RIGHTS = {"pull": 1, "join": 2, "push": 4, "rotate": 8, "admin": 16}
WHY = ("Denied", "Forbidden", "Missing", "Conflict", "Malformed", "Limit", "Storage", "Replayed")

Type = namedtuple("Type", "name read write")


def token_id(text):
    """4.7"""
    p.demand(re.fullmatch("kgt_[a-z2-7]{20}", text), "no token id")
    return text


def read_credential(cursor):
    return token_id(cursor.text()), cursor.take(32)


def write_credential(credential):
    return p.lp(credential[0]) + credential[1]


def read_rights(cursor):
    bits = cursor.take(1)[0]
    p.demand(bits < 32, "a right that is none")
    return bits


def read_why(cursor):
    number = cursor.u32()
    p.demand(number < len(WHY), "a refusal that is none")
    return number


def read_flag(cursor):
    value = cursor.take(1)[0]
    p.demand(value < 2, "neither 0 nor 1")
    return value


def u8(number):
    return bytes([number])


def list_of(kind):
    def read(cursor):
        count = cursor.u32()
        p.demand(count <= LIST_MOST, "a list is too long")
        return [kind.read(cursor) for _ in range(count)]

    return Type(f"list of {kind.name}", read, lambda items: p.u32(len(items)) + b"".join(map(kind.write, items)))


def table(name, /, **types):
    def read(cursor):
        return {field.replace("_", " "): kind.read(cursor) for field, kind in types.items()}

    def write(value):
        p.demand(set(value) == {field.replace("_", " ") for field in types}, f"other fields than those of {name}")
        return b"".join(kind.write(value[field.replace("_", " ")]) for field, kind in types.items())

    return Type(name, read, write)


U64 = Type("u64", p.Cursor.u64, p.u64)
TEXT = Type("text", p.Cursor.text, p.lp)
BYTES = Type("bytes", p.Cursor.lp, p.lp)
HASH = Type("hash", lambda cursor: cursor.take(32), bytes)
RIGHT = Type("rights", read_rights, u8)
CREDENTIAL = Type("credential", read_credential, write_credential)
MEMBER = Type(
    "member",
    lambda cursor: (cursor.text(), read_rights(cursor)),
    lambda pair: p.lp(pair[0]) + u8(pair[1]),
)

# 5.6, 5.8 to 5.10
NEW_TOKEN = {
    "new_token": CREDENTIAL, "rights": RIGHT, "expires": U64, "member": TEXT, "name": TEXT, "sealed": BYTES,
}  # fmt: skip
STANDING = {
    "revision": U64, "id": HASH, "token": TEXT, "rights": RIGHT, "member": TEXT, "waiting": list_of(TEXT),
}  # fmt: skip
PULLED = STANDING | {
    "links": list_of(HASH), "manifest": BYTES, "blobs": list_of(BYTES), "requests": list_of(BYTES),
    "sealed": BYTES,
}  # fmt: skip
TOKEN = table("token", id=TEXT, rights=RIGHT, issued=U64, expires=U64, member=TEXT, name=TEXT)
PROJECT = table(
    "project", id=TEXT, name=TEXT, taken_in=Type("flag", read_flag, u8), revision=U64, bytes=U64
)

# 5.5, by number
OPERATIONS = (
    table("hello"),
    table("status"),
    table("pull", since=U64, member=TEXT),
    table("fetch", hashes=list_of(HASH)),
    table("push", manifest=BYTES, blobs=list_of(BYTES), members=list_of(MEMBER), member=TEXT),
    table("post", request=BYTES),
    table("register", name=TEXT),
    table("issue", **NEW_TOKEN),
    table("tokens"),
    table("revoke", token_id=TEXT),
    table("projects"),
    table("approve", **NEW_TOKEN),
    table("delete"),
    table("rollback", revision=U64),
    table("audit", **{"from": U64}),
)
# 5.7, by number
RESULTS = (
    table("refused", why=Type("why", read_why, p.u32), about=TEXT),
    table("done"),
    table("standing", **STANDING),
    table("pulled", **PULLED),
    table("blobs", blobs=list_of(BYTES)),
    table("tokens", tokens=list_of(TOKEN)),
    table("projects", projects=list_of(PROJECT)),
    table("lines", lines=list_of(TEXT)),
)

Request = namedtuple("Request", "id credential project operation fields")
Response = namedtuple("Response", "result fields")


def read_one_of(tables, cursor):
    number = cursor.take(1)[0]
    p.demand(number < len(tables), "a number that no table has")
    return tables[number].name, tables[number].read(cursor)


def write_one_of(tables, name, value):
    number = [each.name for each in tables].index(name)
    return u8(number) + tables[number].write(value)


def read_request(data):
    """5.1"""
    cursor = p.Cursor(data)
    p.demand(cursor.take(1) == b"\1", "another version")
    request_id = cursor.take(16)
    credential = read_credential(cursor) if read_flag(cursor) else None
    request = Request(request_id, credential, cursor.text(), *read_one_of(OPERATIONS, cursor))
    cursor.end()
    return request


def write_request(request):
    credential = b"\1" + write_credential(request.credential) if request.credential else b"\0"
    operation = write_one_of(OPERATIONS, request.operation, request.fields)
    return b"\1" + request.id + credential + p.lp(request.project) + operation


def read_response(data):
    """5.2"""
    cursor = p.Cursor(data)
    p.demand(cursor.take(1) == b"\1", "another version")
    response = Response(*read_one_of(RESULTS, cursor))
    cursor.end()
    return response


def write_response(response):
    return b"\1" + write_one_of(RESULTS, response.result, response.fields)
