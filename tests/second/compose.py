"""A full member writes the next roster, docs/FORMAT.md 4.4 to 4.10 and 9.10.

What is random is given: `ephemeral(name)` is the ephemeral secret key of the wrap of the member of
that name, and a rotation brings its epoch and project key.
"""

import keys
import names
import primitives as p
import roster as rosters
import wraps

MEMBER_MACS = {"wrap": b"", "witnesses": [], "introduction": b""}
EARLIER_MOST = 15
WITHDRAWN_MOST = 1024


def founder(project, epoch, secret, name, config_hash):
    """The unfinished roster of a new project."""
    public = p.public_of(secret)
    member = rosters.Member(names.id_of_key(public), name, public, ["*"], **MEMBER_MACS)
    return rosters.Roster(
        project, epoch, 1, member.id, config_hash, config_hash, [member], [], [], b""
    )


def normal_grants(texts):
    return ["*"] if "*" in texts else names.grants(sorted(set(texts)))


def admit(roster, public, name, grants):
    p.check_public(public)
    member_id = names.id_of_key(public)
    p.demand(not rosters.find(roster, member_id), "a member already")
    p.demand(member_id not in roster.removed, "a member that was removed")
    names.member(name)
    member = rosters.Member(member_id, name, public, normal_grants(grants), **MEMBER_MACS)
    members = sorted(roster.members + [member], key=lambda m: m.id)
    return roster._replace(members=members)


def changed(roster, member_id, **values):
    p.demand(rosters.find(roster, member_id), "no member")
    members = [m._replace(**values) if m.id == member_id else m for m in roster.members]
    return with_a_full_member(roster._replace(members=members))


def with_a_full_member(roster):
    p.demand(any(names.is_full(m.grants) for m in roster.members), "no full member is left")
    return roster


def rename(roster, member_id, name):
    return changed(roster, member_id, name=names.member(name))


def grant(roster, member_id, grants, rotation=None):
    """Whoever loses a grant is remembered (4.10), which only a rotation may do."""
    grants = normal_grants(grants)
    member = rosters.find(roster, member_id)
    p.demand(member, "no member")
    lost = [g for g in member.grants if not any(names.covers(new, g) for new in grants)]
    p.demand(not lost or rotation, "a grant is lost without a rotation")
    if lost:
        roster = withdraw(roster, member, rotation)
    return changed(roster, member_id, grants=grants)


def remove(roster, member_id, rotation):
    member = rosters.find(roster, member_id)
    p.demand(member and rotation, "no member, or no rotation")
    roster = withdraw(roster, member, rotation)
    members = [m for m in roster.members if m.id != member_id]
    removed = sorted(roster.removed + [member_id])
    return with_a_full_member(roster._replace(members=members, removed=removed))


def withdraw(roster, member, rotation):
    if any((w.id, w.epoch) == (member.id, rotation.number) for w in roster.withdrawn):
        return roster  # what it had before the rotation is there
    item = rosters.Withdrawn(member.id, member.name, member.grants, rotation.number)
    items = sorted(roster.withdrawn + [item], key=lambda w: (w.epoch, w.id))
    return roster._replace(withdrawn=items[-WITHDRAWN_MOST:])


def rotate(roster, bundle, epoch, project_key):
    """9.10: the roster and the full member's keys in the new epoch."""
    own = keys.roster(bundle.project_key, roster.project, roster.epoch)
    earlier = (bundle.earlier + [(roster.epoch, own)])[-EARLIER_MOST:]
    return roster._replace(epoch=epoch), wraps.Full(project_key, earlier)


def finish(roster, bundle, secret, envs, ephemeral):
    """Wraps, witnesses, introductions and the seal, for a roster that is otherwise done."""
    said = rosters.statement(roster)
    own = keys.roster(bundle.project_key, roster.project, roster.epoch)
    chain = bundle.earlier + [(roster.epoch, own)]
    members = []
    for member in roster.members:
        shared = p.dh(secret, member.public_key)
        content = content_of(roster, bundle, member, envs)
        wrap = wraps.make(
            ephemeral(member.name), member.public_key, roster.project, roster.epoch, said, content
        )
        witnesses = [
            (epoch, rosters.witness(keys.witness(key, member.id), said, wrap)) for epoch, key in chain
        ]
        introduction = rosters.introduction(
            shared, p.public_of(secret), member.public_key, roster, said, wrap
        )
        members.append(
            member._replace(wrap=wrap, witnesses=witnesses, introduction=introduction)
        )
    return roster._replace(members=members, seal=p.mac(keys.witness(own), said))


def content_of(roster, bundle, member, envs):
    if names.is_full(member.grants):
        return wraps.write_full(bundle)
    return wraps.limited_content(
        bundle.project_key, roster.project, roster.epoch, member.id, member.grants, envs
    )
