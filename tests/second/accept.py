"""Accepting a roster, docs/FORMAT.md 5.1 to 5.12: what comes out may open scopes.

A person at the terminal is the function `confirm`; a program that cannot ask says no. Rosters of other
commits (5.13) are left out: there is no Git here.
"""

from collections import namedtuple

import config
import keys
import names
import primitives as p
import roster as rosters
import wraps

Known = namedtuple("Known", "epoch witness")


class Opened:
    """An accepted project: who reads it, and the keys that it gives."""

    def __init__(self, settings, roster, member, bundle):
        self.config = settings
        self.roster = roster
        self.epoch = roster.epoch
        self.member = member
        self.bundle = bundle
        self.full = isinstance(bundle, wraps.Full)
        self.behind = False

    @property
    def state(self):
        if self.full:
            return keys.state(self.bundle.project_key, self.roster.project, self.epoch)
        return self.bundle.state

    @property
    def witness(self):
        if self.full:
            key = keys.roster(self.bundle.project_key, self.roster.project, self.epoch)
            return keys.witness(key, self.member)
        return self.bundle.witness

    def scope_key(self, kind, service, env):
        """None where the grants do not give it."""
        project, epoch = self.roster.project, self.epoch
        if self.full:
            return keys.scope(self.bundle.project_key, project, epoch, env, service, kind)
        if (env, "") in self.bundle.items:
            whole = self.bundle.items[env, ""]
            return keys.scope_of_env(whole, project, epoch, env, service, kind)
        pair = self.bundle.items.get((env, service))
        return pair and pair[names.KINDS.index(kind)]


def check_files(config_data, roster_data):
    """5.1, 5.11"""
    settings, roster = config.read(config_data), rosters.read(roster_data)
    p.demand(settings.project == roster.project, "two projects")
    said = p.hash32(config_data)
    p.demand(said in (roster.config, roster.config_before), "another kagi.json")
    return settings, roster, said != roster.config


def by_identity(config_data, roster_data, identity, known=None, anchors=(), confirm=None):
    """`known` and `anchors` are those of the pin; those of the identity come to them (10.2)."""
    settings, roster, behind = check_files(config_data, roster_data)
    p.demand(identity.project in ("", roster.project), "an identity of another project")
    if known is None and identity.project:
        known = Known(identity.epoch, identity.witness)
    member = rosters.find(roster, identity.id)
    p.demand(member, "no member")
    said = rosters.statement(roster)
    if known:
        check_witness(member, roster.epoch, known, said)
    else:
        check_introduction(roster, member, identity, said, {*anchors, *identity.anchors}, confirm)
    content = wraps.open_wrap(identity.secret, roster.project, roster.epoch, said, member.wrap)
    bundle = wraps.read(content, member.grants, roster.epoch)
    opened = Opened(settings, roster, member.id, bundle)
    opened.behind = behind
    own = rosters.witness(opened.witness, said, member.wrap)
    p.demand(p.same(own, member.witnesses[-1][1]), "the witness of this epoch does not hold")  # 5.8
    return opened


def check_witness(member, epoch, known, said):
    """5.3 to 5.5"""
    p.demand(epoch.number >= known.epoch.number, "an old epoch")
    of_number = [w for w in member.witnesses if w[0].number == known.epoch.number]
    p.demand(of_number, "no witness of the known epoch")
    theirs, mac = of_number[0]
    p.demand(theirs == known.epoch, "two rotations in parallel")
    p.demand(p.same(mac, rosters.witness(known.witness, said, member.wrap)), "a wrong witness")


def check_introduction(roster, member, identity, said, anchors, confirm):
    """5.7"""
    author = rosters.find(roster, roster.author)
    shared = p.dh(identity.secret, author.public_key)
    mac = rosters.introduction(
        shared, author.public_key, member.public_key, roster, said, member.wrap
    )
    p.demand(p.same(mac, member.introduction), "a wrong introduction")
    believed = author.id == member.id or author.id in anchors
    p.demand(believed or (confirm and confirm(author)), "an unknown author")


def by_project_key(config_data, roster_data, project_key):
    """5.10"""
    settings, roster, behind = check_files(config_data, roster_data)
    seal_key = keys.witness(keys.roster(project_key, roster.project, roster.epoch))
    p.demand(p.same(p.mac(seal_key, rosters.statement(roster)), roster.seal), "a wrong seal")
    opened = Opened(settings, roster, "", wraps.Full(project_key, []))
    opened.behind = behind
    return opened


def by_scope_key(roster_data, key):
    """5.12"""
    roster = rosters.read(roster_data)
    p.demand((roster.project, roster.epoch) == (key.project, key.epoch), "a key of another project")
    settings = config.Config(key.project, [key.env], key.env, False, key.service, {}, "")
    bundle = wraps.Limited(None, None, {(key.env, key.service): (key.values, key.files)})
    return Opened(settings, roster, "", bundle)
