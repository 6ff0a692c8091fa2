"""What the boxes of a scope say together, docs/FORMAT.md 9, and how they change.

It leaves out the three-way merge of 9.11, which belongs to Git's merge of two commits.
"""

from collections import namedtuple

import primitives as p
import snapshot
from snapshot import THIS

ANCESTORS_MOST = 1024

# entries: {name: [(entry, writers), ...]}, one item a value where they do not agree
Joined = namedtuple("Joined", "sequence ancestors entries idle")


def rank(entry):
    """9.4"""
    return (entry.version, entry.time, entry.author.encode(), entry.writer)


def heads_of(snapshots):
    """9.1, 9.2, 9.6: id, snapshot; each entry with its writer's id."""
    listed = {ancestor for content in snapshots.values() for ancestor in content.ancestors}
    heads = []
    for box_id, content in snapshots.items():
        if box_id not in listed:
            entries = [e._replace(writer=box_id) if e.writer == THIS else e for e in content.entries]
            heads.append((box_id, content._replace(entries=entries)))
    return sorted(heads, key=lambda head: (head[1].sequence, head[0]))


def superseded(entry, heads):
    """9.3"""
    for box_id, content in heads:
        if entry.writer == box_id or entry.writer in content.ancestors:
            if not any(e.name == entry.name and e.writer == entry.writer for e in content.entries):
                return True
    return False


def agreed(entries):
    """9.4: one entry a value and description, with the writers that stand behind it."""
    groups = {}
    for entry in entries:
        groups.setdefault((entry.value, entry.description), []).append(entry)
    found = []
    for group in groups.values():
        best = max(group, key=rank)._replace(epoch=min(entry.epoch for entry in group))
        found.append((best, {entry.writer for entry in group}))
    return sorted(found, key=lambda item: rank(item[0]))


def join(snapshots):
    heads = heads_of(snapshots)
    by_name = {}
    for _, content in heads:
        for entry in content.entries:
            if not superseded(entry, heads):
                by_name.setdefault(entry.name, []).append(entry)
    ancestors = [a for _, content in heads for a in content.ancestors] + [i for i, _ in heads]
    return Joined(
        max(content.sequence for _, content in heads),
        list(dict.fromkeys(ancestors)),
        {name: agreed(by_name[name]) for name in sorted(by_name, key=str.encode)},
        len(heads) < len(snapshots),
    )


def values_of(joined):
    """9.5: the entries, if none is in conflict."""
    for items in joined.entries.values():
        p.demand(len(items) == 1, "a name is in conflict")
    return [items[0][0] for items in joined.entries.values()]


def one_more(number, most):
    return min(number + 1, most)


def with_entry(joined, entry):
    """An entry that this change writes."""
    return joined._replace(entries=joined.entries | {entry.name: [(entry, {THIS})]})


def set_value(joined, name, value, time, author, epoch, description=None):
    """9.9"""
    now = [entry for entry, _ in joined.entries.get(name, [])]
    if description is None:
        description = now[0].description if now else ""
    if len(now) == 1 and (now[0].value, now[0].description) == (value, description):
        return joined
    version = one_more(max((e.version for e in now), default=0), 2**32 - 1)
    epoch = min((e.epoch for e in now if e.value == value), default=epoch)
    return with_entry(
        joined, snapshot.Entry(name, value, description, time, author, THIS, version, epoch)
    )


def unset(joined, name):
    return joined._replace(entries={n: items for n, items in joined.entries.items() if n != name})


def resolve(joined, name, place, time, author):
    """9.9: one of the entries is chosen, which keeps its epoch."""
    now = [entry for entry, _ in joined.entries[name]]
    version = one_more(max(e.version for e in now), 2**32 - 1)
    return with_entry(
        joined, now[place]._replace(time=time, author=author, writer=THIS, version=version)
    )


def next_snapshot(joined):
    """9.7, 9.8: what a writer puts into the one box."""
    entries = []
    values_of(joined)
    kept = joined.ancestors[-ANCESTORS_MOST:]
    for items in joined.entries.values():
        entry, writers = items[0]
        if len(writers) > 1:
            entry = entry._replace(writer=THIS)
        elif entry.writer != THIS and entry.writer not in kept:
            entry = entry._replace(writer=kept[0])
        entries.append(entry)
    entries.sort(key=lambda entry: entry.name.encode())
    return snapshot.Snapshot(one_more(joined.sequence, 2**64 - 1), kept, entries)


def rotated(joined, replaced):
    """9.10: the snapshot of the new epoch, which lists the boxes that it replaces."""
    entries = [entry._replace(writer=THIS) for entry in values_of(joined)]
    return snapshot.Snapshot(one_more(joined.sequence, 2**64 - 1), list(replaced), entries)
