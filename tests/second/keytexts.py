"""Identities, project keys and scope keys as texts, docs/FORMAT.md 10."""

import re
from collections import namedtuple

import names
import primitives as p

IDENTITY = "kagi_identity_v1_"
SCOPE_KEY = "kagi_key_v1_"
WHITE = "\t\n\f\r "

ScopeKey = namedtuple("ScopeKey", "project epoch service env values files")


class Identity(namedtuple("Identity", "secret project epoch witness anchors")):
    @property
    def public(self):
        return p.public_of(self.secret)

    @property
    def id(self):
        return names.id_of_key(self.public)


def content_of(text, prefix):
    """10.1"""
    text = text.strip(WHITE)
    p.demand(text.startswith(prefix), "another prefix")
    symbols = text[len(prefix) :]
    p.demand(len(symbols) <= 16384, "a key text is too long")
    data = p.unbase32(symbols)
    p.demand(len(data) >= 4, "a key text without checksum")
    content, checksum = data[:-4], data[-4:]
    p.demand(p.hash32(content)[:4] == checksum, "the checksum does not hold")
    return content


def text_with(prefix, content):
    return prefix + p.base32(content + p.hash32(content)[:4])


def read_identity(text):
    cursor = p.Cursor(content_of(text, IDENTITY))
    secret, project = cursor.take(32), cursor.text()
    epoch = witness = None
    if project:
        names.project_id(project)
        epoch, witness = names.read_epoch(cursor), cursor.take(32)
    anchors = []
    while cursor.left():
        anchors.append(names.member_id(cursor.text()))
    names.sorted_once(anchors, "anchors are not sorted")
    return Identity(secret, project, epoch, witness, anchors)


def write_identity(identity):
    content = identity.secret + p.lp(identity.project)
    if identity.project:
        content += identity.epoch.binary + identity.witness
    return text_with(IDENTITY, content + p.fields(*identity.anchors))


def paper(text):
    """10.7: the prefix, then four groups of four symbols a line."""
    symbols = text[len(IDENTITY) :]
    groups = [symbols[i : i + 4] for i in range(0, len(symbols), 4)]
    lines = [" ".join(groups[i : i + 4]) for i in range(0, len(groups), 4)]
    return "\n".join([IDENTITY] + lines)


def from_paper(text):
    """What a person typed, as an identity's text."""
    return re.sub("[\t\n\f\r -]", "", re.sub("[A-Z]", lambda m: m[0].lower(), text))


def read_project_key(text):
    return p.unhex(text.strip(WHITE), 32)


def read_scope_key(text):
    cursor = p.Cursor(content_of(text, SCOPE_KEY))
    project, epoch = names.project_id(cursor.text()), names.read_epoch(cursor)
    service, env = names.place(cursor.text()), names.place(cursor.text())
    names.no_env(service, [env])
    values, files = cursor.take(32), cursor.take(32)
    cursor.end()
    return ScopeKey(project, epoch, service, env, values, files)


def write_scope_key(key):
    content = p.lp(key.project) + key.epoch.binary + p.fields(key.service, key.env)
    return text_with(SCOPE_KEY, content + key.values + key.files)


def is_scope_key(text):
    return text.strip(WHITE).startswith(SCOPE_KEY)
