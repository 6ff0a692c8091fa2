"""access.json, docs/FORMAT.md 4: reading, writing, its statement and what is made from it.

That a roster can be read proves nothing; `accept.py` says whether it may be used.
"""

from collections import namedtuple

import canonical as c
import keys
import names
import primitives as p

MOST = 2 * 1024 * 1024
WRAP_MOST = 128 * 1024
NAMES = (
    "format", "project", "epoch", "sequence", "author", "config", "config_before", "members",
    "removed", "withdrawn", "seal",
)  # fmt: skip
OF_MEMBER = ("id", "name", "public_key", "grants", "wrap", "witnesses", "introduction")
OF_WITHDRAWN = ("id", "name", "grants", "epoch")

Roster = namedtuple("Roster", NAMES[1:])
Member = namedtuple("Member", OF_MEMBER)
Withdrawn = namedtuple("Withdrawn", OF_WITHDRAWN)


def read(data):
    values = dict(zip(NAMES, c.members(c.read(data, MOST), *NAMES)))
    c.is_one(values.pop("format"))
    names.project_id(c.text(values["project"]))
    values["epoch"] = epoch = names.epoch(c.text(values["epoch"]))
    c.number(values["sequence"], 64)
    names.member_id(c.text(values["author"]))
    for name in ("config", "config_before", "seal"):
        values[name] = c.mac_of(values[name])
    values["members"] = [read_member(item, epoch) for item in c.array(values["members"], 256)]
    for item in c.array(values["removed"], 4096):
        names.member_id(c.text(item))
    values["withdrawn"] = [read_withdrawn(item, epoch) for item in c.array(values["withdrawn"], 1024)]
    roster = Roster(**values)
    check_whole(roster)
    return roster


def check_whole(roster):
    """4.2, 4.9, 4.10: what holds between the parts."""
    ids = [member.id for member in roster.members]
    names.sorted_once(ids, "members are not sorted")
    author = find(roster, roster.author)
    p.demand(author and names.is_full(author.grants), "the author is no full member")
    names.sorted_once(roster.removed, "removed ids are not sorted")
    p.demand(not set(ids) & set(roster.removed), "a member that was removed")
    names.sorted_once([(item.epoch, item.id) for item in roster.withdrawn], "items are not sorted")


def read_member(value, epoch):
    member_id, name, public, grants, wrap, witnesses, introduction = c.members(value, *OF_MEMBER)
    public = c.mac_of(public)
    p.check_public(public)
    p.demand(c.text(member_id) == names.id_of_key(public), "the id is not that of the key")
    wrap = p.unbase64(c.text(wrap))
    p.demand(len(wrap) <= WRAP_MOST, "a wrap is too long")
    return Member(
        member_id, names.member(c.text(name)), public, read_grants(grants), wrap,
        read_witnesses(witnesses, epoch), c.mac_of(introduction),
    )  # fmt: skip


def read_grants(value):
    return names.grants([c.text(item) for item in c.array(value, 256)])


def read_witnesses(value, epoch):
    """4.6: epoch and MAC of each."""
    witnesses = []
    for item in c.array(value, 16):
        parts = c.text(item).split(" ")
        p.demand(len(parts) == 2, "no witness")
        witnesses.append((names.epoch(parts[0]), p.unhex(parts[1], 32)))
    names.sorted_once([e.number for e, _ in witnesses], "witnesses are not sorted")
    p.demand(witnesses and witnesses[-1][0] == epoch, "no witness of the roster's own epoch")
    return witnesses


def read_withdrawn(value, epoch):
    member_id, name, grants, number = c.members(value, *OF_WITHDRAWN)
    p.demand(2 <= c.number(number, 32) <= epoch.number, "an item of no rotation")
    return Withdrawn(
        names.member_id(c.text(member_id)), names.member(c.text(name)), read_grants(grants), number
    )


def write(roster):
    values = roster._asdict() | {
        "epoch": str(roster.epoch),
        "members": [c.Pairs(written_member(member)) for member in roster.members],
        "withdrawn": [c.Pairs(item._asdict().items()) for item in roster.withdrawn],
    }
    for name in ("config", "config_before", "seal"):
        values[name] = values[name].hex()
    return c.write([("format", 1)] + [(name, values[name]) for name in NAMES[1:]])


def written_member(member):
    values = member._asdict() | {
        "public_key": member.public_key.hex(),
        "wrap": p.to_base64(member.wrap),
        "witnesses": [f"{epoch} {mac.hex()}" for epoch, mac in member.witnesses],
        "introduction": member.introduction.hex(),
    }
    return values.items()


def find(roster, member_id):
    return next((member for member in roster.members if member.id == member_id), None)


def statement(roster):
    """R, 4.3"""
    members = b"".join(
        p.fields(m.id, m.public_key, m.name, p.fields(*m.grants)) for m in roster.members
    )
    withdrawn = b"".join(
        p.fields(w.id, w.name, p.fields(*w.grants)) + p.u32(w.epoch) for w in roster.withdrawn
    )
    return p.hash32(
        p.fields(
            "kagi-roster 1", roster.project, roster.epoch.binary, p.u64(roster.sequence), roster.author,
            roster.config, roster.config_before, members, p.fields(*roster.removed), withdrawn,
        )
    )  # fmt: skip


# 4.6 to 4.8


def witness(witness_key, said, wrap):
    return p.mac(witness_key, p.fields(said, wrap))


def introduction(shared, author, member, roster, said, wrap):
    """`shared` is DH of one's secret and the other's public key."""
    key = keys.introduction(shared, author, member, roster.project, roster.epoch)
    return p.mac(key, p.fields(said, wrap))
