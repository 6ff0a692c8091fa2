"""The building blocks of docs/FORMAT.md 1.1 to 1.9 and 2.1, from PyNaCl and blake3.

Everything in this directory was written from the documents alone, without a look at kagi's source:
where it and kagi agree, the documents said enough. A reader that refuses raises `Refused`.
It leaves out what a program with real secrets needs and a test does not: nothing is wiped.
"""

import base64
import hmac
import re
import struct

from blake3 import blake3
from nacl import bindings, exceptions

ZERO_NONCE = bytes(24)
NONCE_LEN = 24
TAG_LEN = 16


class Refused(Exception):
    """What a reader MUST refuse; the message says why, for people."""


def demand(holds, why):
    if not holds:
        raise Refused(why)


# 1.1: numbers, fields, texts


def u32(number):
    return struct.pack("<I", number)


def u64(number):
    return struct.pack("<Q", number)


def lp(field):
    """LP(x); a str is its UTF-8."""
    data = field.encode() if isinstance(field, str) else bytes(field)
    return u32(len(data)) + data


def fields(*items):
    return b"".join(lp(item) for item in items)


def text_of(data):
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("a text is not UTF-8") from error


class Cursor:
    """Reads fields one after another and refuses one that runs past the end."""

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    def take(self, count):
        demand(self.at + count <= len(self.data), "a field runs past the end")
        self.at += count
        return self.data[self.at - count : self.at]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def lp(self):
        return self.take(self.u32())

    def text(self):
        return text_of(self.lp())

    def left(self):
        return len(self.data) - self.at

    def end(self):
        demand(self.left() == 0, "bytes after the last field")


# 1.2 and 2.1: hash, MAC, key derivation


def hash32(data):
    return blake3(data).digest()


def mac(key, data):
    demand(len(key) == 32, "the key of a MAC has 32 bytes")
    return blake3(data, key=key).digest()


def same(one, other):
    return hmac.compare_digest(one, other)


def derive(label, key, *items):
    """D(label, K, f1, f2, ...)"""
    return blake3(fields(key, *items), derive_key_context=label).digest()


# 1.3: the cipher


def seal(key, nonce, aad, text):
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(text, aad, nonce, key)


def unseal(key, nonce, aad, sealed):
    demand(len(sealed) >= TAG_LEN, "shorter than a tag")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, key)
    except exceptions.CryptoError as error:
        raise Refused("the tag does not hold") from error


# 1.4 to 1.6: X25519


def public_of(secret):
    return bindings.crypto_scalarmult_base(secret)


def check_public(key):
    demand(len(key) == 32, "a public key has 32 bytes")
    demand(int.from_bytes(key, "little") < 2**255 - 19, "a public key is not canonical")


def dh(secret, public):
    try:
        shared = bindings.crypto_scalarmult(secret, public)
    except exceptions.RuntimeError as error:  # libsodium itself refuses an all-zero result
        raise Refused("a public key of low order") from error
    demand(shared != bytes(32), "a public key of low order")
    return shared


# 1.7 to 1.9: texts of bytes. Decoding, then encoding again, finds every other spelling.


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def unbase32(text):
    demand(re.fullmatch("[a-z2-7]*", text), "not base32")
    demand(len(text) % 8 not in (1, 3, 6), "no byte string has so many symbols of base32")
    data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    demand(base32(data) == text, "left-over bits of base32")
    return data


def to_base64(data):
    return base64.b64encode(data).decode()


def unbase64(text):
    demand(len(text) % 4 == 0 and re.fullmatch("[A-Za-z0-9+/]*={0,2}", text), "not base64")
    data = base64.b64decode(text)
    demand(to_base64(data) == text, "left-over bits of base64")
    return data


def unhex(text, length=None):
    demand(len(text) % 2 == 0 and re.fullmatch("[0-9a-f]*", text), "not hex")
    data = bytes.fromhex(text)
    demand(length is None or len(data) == length, "hex of another length")
    return data
