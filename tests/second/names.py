"""Names and what else has a form of its own, docs/FORMAT.md 3: each function gives back what it took."""

import re
from collections import namedtuple

import primitives as p

DEVICES = {"con", "prn", "aux", "nul"} | {f"{n}{i}" for n in ("com", "lpt") for i in range(1, 10)}
KINDS = ("values", "files")


def sorted_once(items, why):
    """`items` are sorted by their bytes (or numbers), each once."""
    for one, next_one in zip(items, items[1:]):
        p.demand(one < next_one, why)


def in_bytes(texts):
    return [text.encode() for text in texts]


def byte_length(text):
    return len(text.encode())


# 3.1 and 3.2: ids


def project_id(text):
    p.demand(re.fullmatch("kgp_[a-z2-7]{20}", text), "no project id")
    return text


def new_project_id(random):
    return "kgp_" + p.base32(random)[:20]


def member_id(text):
    p.demand(re.fullmatch("kgm_[a-z2-7]{20}", text), "no member id")
    return text


def id_of_key(public):
    return "kgm_" + p.base32(p.hash32(public))[:20]


# 3.3: epochs


class Epoch(namedtuple("Epoch", "number id")):
    def __str__(self):
        return f"{self.number}.{self.id.hex()}"

    @property
    def binary(self):
        return p.u32(self.number) + self.id


def epoch(text):
    match = re.fullmatch(r"([1-9][0-9]{0,9})\.([0-9a-f]{16})", text)
    p.demand(match and int(match[1]) < 2**32, "no epoch")
    return Epoch(int(match[1]), bytes.fromhex(match[2]))


def read_epoch(cursor):
    number = cursor.u32()
    p.demand(number > 0, "the epoch number 0")
    return Epoch(number, cursor.take(8))


# 3.4 to 3.6: names for people


def place(text):
    """The name of a service or environment."""
    p.demand(re.fullmatch("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text), "no name of a service or environment")
    lower = text.lower()
    p.demand(not text.endswith("."), "a name ends in a point")
    p.demand(lower.split(".")[0] not in DEVICES, "the name of a device")
    p.demand(not lower.startswith(("kgp_", "kgm_")), "a name like an id")
    return text


def key(text):
    p.demand(re.fullmatch("[A-Za-z_][A-Za-z0-9_.-]{0,255}", text), "no name of a key")
    return text


UNPRINTABLE = [
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB),
    (0xE0000, 0xE01EF),
]  # fmt: skip
BLANKS = {0x20, 0xA0, 0x1680, 0x202F, 0x205F, 0x3000} | set(range(0x2000, 0x200B))


def printable(text):
    p.demand(not any(a <= ord(c) <= b for c in text for a, b in UNPRINTABLE), "an unprintable character")
    return text


def member(text):
    p.demand(1 <= byte_length(text) <= 64, "a member's name has 1 to 64 bytes")
    p.demand(ord(text[0]) not in BLANKS and ord(text[-1]) not in BLANKS, "a blank at an end of a name")
    return printable(text)


def description(text):
    p.demand(byte_length(text) <= 1024, "a description is too long")
    return printable(text)


def no_env(service, envs):
    """3.7"""
    p.demand(service.lower() not in [env.lower() for env in envs], "a service named like an environment")
    return service


# 3.8: grants


def grant(text):
    if text != "*":
        parts = text.split("/")
        p.demand(len(parts) == 2 and parts != ["*", "*"], "no grant")
        for part in parts:
            if part != "*":
                place(part)
    return text


def grants(texts):
    p.demand(1 <= len(texts) <= 256, "a member has 1 to 256 grants")
    for text in texts:
        grant(text)
    sorted_once(in_bytes(texts), "grants are not sorted")
    p.demand("*" not in texts or texts == ["*"], "* stands alone")
    return texts


def is_full(texts):
    return texts == ["*"]


def covers(one, other):
    if one in ("*", other):
        return True
    if "*" in other or "*" not in one:
        return False
    (service, env), scope = one.split("/"), other.split("/")
    return scope[1] == env if service == "*" else scope[0] == service


def opens(texts, service, env):
    return any(covers(text, f"{service}/{env}") for text in texts)


# 3.9: stored files


def stored_file(text):
    p.demand(re.fullmatch(r'[^\\:*?"<>|]{1,256}', text), "no name of a file")
    p.demand(all(0x20 <= ord(c) <= 0x7E for c in text), "a file's name is printable ASCII")
    home = text.startswith("~/")
    for part in (text[2:] if home else text).split("/"):
        p.demand(part and part[0] not in " ~" and part[-1] not in " .", "an empty or odd part")
        lower = part.lower()
        p.demand(lower not in (".git", "git~1", ".kagi", "kagi~1"), "a directory of Git or kagi")
        p.demand(lower.split(".")[0].rstrip(" ") not in DEVICES | {"conin$", "conout$"}, "a device")
        hidden = (".ssh", "ssh~1", ".gnupg", "gnupg~1")
        p.demand(not home or lower not in hidden, "keys of the home directory")
    return text
