"""A project that this second implementation writes: founded, changed, rotated and merged in memory.

`Writer` is one full member. A scope is its boxes of the present epoch with their snapshots, which is
what its file holds, and what a merge of two branches leaves.
"""

import os
from pathlib import Path

import accept
import compose
import config
import device
import join
import keys
import keytexts
import names
import primitives as p
import project
import roster as rosters
import scope_file
import wraps


class Writer:
    def __init__(self, name, envs, service, paths):
        self.secret = os.urandom(32)
        project_id = names.new_project_id(os.urandom(13))
        self.config = config.Config(project_id, envs, envs[0], True, service, paths, "")
        self.bundle = wraps.Full(os.urandom(32), [])
        self.roster = compose.founder(project_id, new_epoch(1), self.secret, name, self.config_hash())
        self.id = self.roster.author
        self.scopes = {}  # (kind, service, env): {id: (box, snapshot)}
        self.beside = {}  # boxes of other epochs, which a stopped rotation left in a file (7.8)

    def config_hash(self):
        return p.hash32(config.write(self.config))

    # scopes

    def place(self, scope):
        return scope_file.Place(scope[0], self.config.project, *scope[1:])

    def key(self, scope):
        kind, service, env = scope
        args = self.config.project, self.roster.epoch, env, service, kind
        return keys.scope(self.bundle.project_key, *args)

    def sealed(self, scope, content):
        box = scope_file.seal(self.key(scope), os.urandom(24), self.place(scope), self.roster.epoch, content)
        return {scope_file.box_id(box): (box, content)}

    def joined(self, scope):
        if scope not in self.scopes:
            return join.Joined(0, [], {}, False)
        return join.join({box_id: content for box_id, (_, content) in self.scopes[scope].items()})

    def changed(self, scope, values, removed, time, description):
        """The box after these changes; nothing is kept yet."""
        joined, epoch = self.joined(scope), self.roster.epoch.number
        for name, value in values.items():
            joined = join.set_value(joined, name, value, time, self.id, epoch, description)
        for name in removed:
            joined = join.unset(joined, name)
        return self.sealed(scope, join.next_snapshot(joined))

    def change(self, scope, values, removed, time, description):
        self.scopes[scope] = self.changed(scope, values, removed, time, description)
        self.drop_replaced(scope)

    def drop_replaced(self, scope):
        """7.8: a write drops the boxes of epochs before, and keeps those of epochs to come."""
        now = self.roster.epoch.number
        self.beside[scope] = [b for b in self.beside.get(scope, []) if b.epoch.number > now]

    def branches(self, scope, sides, time, keep_base):
        """What Git's union leaves of two branches that changed different keys (7.4, 9)."""
        base = self.scopes[scope] if keep_base else {}
        ours, theirs = (self.changed(scope, values, [], time, "") for values in sides)
        self.scopes[scope] = base | ours | theirs
        self.drop_replaced(scope)

    # members

    def admit(self, public, name, grants):
        self.roster = compose.admit(self.roster, public, name, grants)

    def rotate(self, remove=(), stopped=False):
        """9.10; `stopped` before its third step, the replaced boxes stay."""
        epoch, old = new_epoch(self.roster.epoch.number + 1), self.scopes
        joined = {scope: self.joined(scope) for scope in old}
        self.roster, self.bundle = compose.rotate(self.roster, self.bundle, epoch, os.urandom(32))
        for member in remove:
            self.roster = compose.remove(self.roster, member, epoch)
        for scope, boxes in old.items():
            self.scopes[scope] = self.sealed(scope, join.rotated(joined[scope], boxes))
        self.beside = {}
        if stopped:
            self.beside = {scope: [box for box, _ in boxes.values()] for scope, boxes in old.items()}

    def begin_rotation(self):
        """9.10, stopped before its second step: boxes of an epoch that never came."""
        epoch = new_epoch(self.roster.epoch.number + 1)
        for scope in self.scopes:
            content = join.rotated(self.joined(scope), self.scopes[scope])
            box = scope_file.seal(os.urandom(32), os.urandom(24), self.place(scope), epoch, content)
            self.beside[scope] = [*self.beside.get(scope, []), box]

    def add_env(self, env):
        before = self.config_hash()
        self.config = self.config._replace(envs=[*self.config.envs, env])
        self.roster = self.roster._replace(config=self.config_hash(), config_before=before)

    def may_know(self):
        """4.10: ids of removed members that may still know what is in a scope."""
        return {
            item.id
            for item in self.roster.withdrawn
            for scope in self.scopes
            if names.opens(item.grants, *scope[1:])
            for entries in self.joined(scope).entries.values()
            if any(entry.epoch < item.epoch for entry, _ in entries)
        }

    # files

    def finished_roster(self):
        self.roster = compose.finish(
            self.roster._replace(sequence=self.roster.sequence + 1, author=self.id),
            self.bundle, self.secret, self.config.envs, lambda _name: os.urandom(32),
        )  # fmt: skip
        return rosters.write(self.roster)

    def write(self, directory):
        files = {
            ".gitattributes": scope_file.GITATTRIBUTES.encode(),
            "kagi.json": config.write(self.config),
            "access.json": self.finished_roster(),
        }
        for scope, boxes in self.scopes.items():
            entries = [items[0][0] for items in self.joined(scope).entries.values()]
            only_boxes = [*self.beside.get(scope, []), *(box for box, _ in boxes.values())]
            files[scope_file.path_of(*scope)] = scope_file.write(self.place(scope), entries, only_boxes)
        for name, data in files.items():
            project.write_file(Path(directory, name), data)

    # what readers get

    def known(self, member):
        own = keys.roster(self.bundle.project_key, self.config.project, self.roster.epoch)
        return accept.Known(self.roster.epoch, keys.witness(own, member))

    def pin_of(self, member):
        return device.Pin(self.known(member), member, [], {})

    def identity_for(self, secret):
        """10.2: one that is made for another."""
        known = self.known(names.id_of_key(p.public_of(secret)))
        anchors = [m.id for m in self.roster.members if names.is_full(m.grants)]
        return keytexts.Identity(secret, self.config.project, known.epoch, known.witness, anchors)

    def scope_key(self, service, env):
        pair = [self.key((kind, service, env)) for kind in names.KINDS]
        return keytexts.ScopeKey(self.config.project, self.roster.epoch, service, env, *pair)


def new_epoch(number):
    return names.Epoch(number, os.urandom(8))


def write_home(home, identity, project_id, pin=None):
    """What a device keeps below $KAGI_HOME."""
    project.write_file(Path(home, "identity.json"), device.write_identity(identity), 0o600)
    if pin:
        project.write_file(device.pin_path(home, project_id), device.write_pin(pin), 0o600)
