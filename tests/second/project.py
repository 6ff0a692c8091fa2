"""Whole projects: opening one as a member, as the holder of a key, and writing a new one.

Reads `.kagi` and `$KAGI_HOME` as docs/FORMAT.md 5, 7 and 11 say. It leaves out Git, servers and locks.
"""

import os
from pathlib import Path

import accept
import config
import device
import join
import primitives as p
import scope_file


class Project:
    """An accepted project and what was seen in it."""

    def __init__(self, directory, opened, pin):
        self.directory = Path(directory)
        self.opened = opened
        self.pin = pin
        self.sequences = dict(pin.sequences)

    def place(self, kind, service, env):
        return scope_file.Place(kind, self.opened.roster.project, service, env)

    def scope(self, kind, service, env, strict=False):
        """The joined boxes, or None where there is no file (7.8, 7.12, 11.4)."""
        p.demand(env in self.opened.config.envs, "kagi.json does not list the environment")
        key = self.opened.scope_key(kind, service, env)
        p.demand(key, "the grants do not give the scope")
        name = f"{kind}/{service}/{env}"
        seen = self.pin.sequences.get(name, 0)
        path = self.directory / scope_file.path_of(kind, service, env)
        if not path.exists():
            p.demand(not (strict and seen), "a scope that is gone")
            return None
        place = self.place(kind, service, env)
        boxes, _ = scope_file.read(path.read_bytes(), place)
        snapshots, _ = scope_file.open_boxes(boxes, key, place, self.opened.epoch)
        joined = join.join(snapshots)
        p.demand(joined.sequence >= seen or not strict, "an older state than what was seen")
        self.sequences[name] = max(seen, joined.sequence)
        return joined

    def scopes(self):
        """Kind, service and environment of each file (7.12)."""
        for kind, folder in (("values", "secrets"), ("files", "files")):
            for path in sorted(self.directory.glob(f"{folder}/*/*.enc")):
                yield kind, path.parent.name, path.name.removesuffix(".enc")

    def seen(self):
        """The pin after what was opened."""
        known = accept.Known(self.opened.epoch, self.opened.witness)
        return device.Pin(known, self.opened.member, self.pin.anchors, self.sequences)

    def write(self, kind, service, env, content, boxes=()):
        """A scope's file, with one box of `content` after `boxes`."""
        place = self.place(kind, service, env)
        key = self.opened.scope_key(kind, service, env)
        box = scope_file.seal(key, os.urandom(p.NONCE_LEN), place, self.opened.epoch, content)
        write_file(
            self.directory / scope_file.path_of(kind, service, env),
            scope_file.write(place, content.entries, [*boxes, box]),
        )
        return box


def write_file(path, data, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def files_of(directory):
    return Path(directory, "kagi.json").read_bytes(), Path(directory, "access.json").read_bytes()


def of_identity(directory, identity, pin=device.EMPTY_PIN):
    known = pin.known if pin.member == identity.id else None  # 11.2
    opened = accept.by_identity(*files_of(directory), identity, known, pin.anchors)
    return Project(directory, opened, pin)


def of_device(directory, home):
    data = device.read_private(Path(home, "identity.json"), device.IDENTITY_MOST)
    p.demand(data is not None, "a device without identity")
    identity, _ = device.read_identity(data)
    named = config.read(files_of(directory)[0]).project
    return of_identity(directory, identity, device.read_pin_file(home, named))


def of_project_key(directory, key):
    return Project(directory, accept.by_project_key(*files_of(directory), key), device.EMPTY_PIN)


def of_scope_key(directory, key):
    return Project(directory, accept.by_scope_key(files_of(directory)[1], key), device.EMPTY_PIN)
