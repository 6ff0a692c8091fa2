"""Wraps and what is in them, docs/FORMAT.md 4.4, 4.5, 5.9."""

from collections import namedtuple

import keys
import names
import primitives as p

Full = namedtuple("Full", "project_key earlier")  # earlier: (epoch, K_roster), the oldest first
Limited = namedtuple("Limited", "state witness items")  # items: {(env, service): keys}


def make(ephemeral_secret, recipient, project, epoch, said, content):
    ephemeral = p.public_of(ephemeral_secret)
    key = keys.wrap(p.dh(ephemeral_secret, recipient), ephemeral, recipient, project, epoch)
    return ephemeral + p.seal(key, p.ZERO_NONCE, said, content)


def open_wrap(secret, project, epoch, said, wrap):
    p.demand(len(wrap) >= 32, "a wrap without ephemeral key")
    ephemeral, sealed = wrap[:32], wrap[32:]
    p.check_public(ephemeral)
    recipient = p.public_of(secret)
    key = keys.wrap(p.dh(secret, ephemeral), ephemeral, recipient, project, epoch)
    return p.unseal(key, p.ZERO_NONCE, said, sealed)


def read(content, grants, epoch):
    cursor = p.Cursor(content)
    kind = cursor.take(1)
    p.demand(kind == (b"\1" if names.is_full(grants) else b"\2"), "not the kind that the grants say")
    keys_of = read_full(cursor, epoch) if kind == b"\1" else read_limited(cursor, grants)
    cursor.end()
    return keys_of


def read_full(cursor, epoch):
    project_key, count = cursor.take(32), cursor.u32()
    p.demand(count <= 15, "too many roster keys")
    earlier = [(names.read_epoch(cursor), cursor.take(32)) for _ in range(count)]
    numbers = [e.number for e, _ in earlier]
    names.sorted_once(numbers, "roster keys are not sorted")
    p.demand(all(number < epoch.number for number in numbers), "a roster key of no epoch before")
    return Full(project_key, earlier)


def read_limited(cursor, grants):
    state, witness, count = cursor.take(32), cursor.take(32), cursor.u32()
    p.demand(count <= 512, "too many items")
    items = {}
    for _ in range(count):
        env, service = names.place(cursor.text()), cursor.text()
        given = {f"*/{env}"}
        if service:
            names.place(service)
            given = {f"{service}/*", f"{service}/{env}"}
        p.demand(given & set(grants), "an item that no grant gives")
        p.demand((env, service) not in items, "an item twice")
        items[env, service] = (cursor.take(32), cursor.take(32)) if service else cursor.take(32)
    names.sorted_once([(e.encode(), s.encode()) for e, s in items], "items are not sorted")
    return Limited(state, witness, items)


def write_full(full):
    earlier = b"".join(epoch.binary + key for epoch, key in full.earlier)
    return b"\1" + full.project_key + p.u32(len(full.earlier)) + earlier


def limited_content(project_key, project, epoch, member, grants, envs):
    """What the grants give; `envs` are those of kagi.json, for SERVICE/*."""
    items = {}
    for grant in grants:
        service, env = grant.split("/")
        if service == "*":
            items[env, ""] = keys.env(project_key, project, epoch, env)
            continue
        for each in envs if env == "*" else [env]:
            items[each, service] = b"".join(
                keys.scope(project_key, project, epoch, each, service, kind) for kind in names.KINDS
            )
    witness = keys.witness(keys.roster(project_key, project, epoch), member)
    parts = [p.fields(*place) + items[place] for place in sorted(items)]
    state = keys.state(project_key, project, epoch)
    return b"\2" + state + witness + p.u32(len(items)) + b"".join(parts)
