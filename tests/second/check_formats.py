"""What a golden vector of one format asks of this reader: its inputs, as fields, become outputs."""

import config
import device
import join
import keys
import keytexts
import names
import primitives as p
import roster as rosters
import scope_file
import snapshot
import wraps


def shown(data):
    """A value or description as vectors show it."""
    if not data:
        return "-"
    return data.decode() if all(0x21 <= byte <= 0x7E for byte in data) else "hex:" + data.hex()


def shown_ids(ids):
    texts = [item.hex() for item in ids]
    return f"{texts[0]} to {texts[-1]}, {len(texts)}" if len(texts) > 16 else " ".join(texts)


def shown_entry(entry):
    value = f"{len(entry.value)} bytes" if len(entry.value) > 64 else shown(entry.value)
    return (
        f"{value} {shown(entry.description.encode())} writer={entry.writer.hex()}"
        f" version={entry.version} time={entry.time} author={entry.author or '-'} epoch={entry.epoch}"
    )


# text, kdf, names


def text(given):
    decode = {"base32": p.unbase32, "base64": p.unbase64, "hex": p.unhex}[given.text("encoding")]
    return [("bytes", decode(given.text("text")).hex())]


def kdf(given):
    op, hexed = given.text("op"), given.hex
    epoch = names.epoch(given.text("epoch")) if given.get("epoch") else None
    key, project, env = hexed("key") if given.get("key") else None, given.text("project"), given.text("env")
    computed = {
        "DH": lambda: p.dh(hexed("secret"), hexed("public_key")),
        "AEAD": lambda: p.seal(key, hexed("nonce"), given.get("aad"), given.get("plaintext")),
        "H": lambda: p.hash32(given.get("message")),
        "MAC": lambda: p.mac(key, given.get("message")),
        "LP": lambda: p.fields(*given.all("field")),
        "K_env": lambda: keys.env(key, project, epoch, env),
        "K_scope": lambda: keys.scope_of_env(
            key, project, epoch, env, given.text("service"), given.text("kind")
        ),
        "K_roster": lambda: keys.roster(key, project, epoch),
        "K_state": lambda: keys.state(key, project, epoch),
        "W": lambda: keys.witness(key, given.text("member") or ""),
        "wrap key": lambda: keys.wrap(key, hexed("ephemeral"), hexed("recipient"), project, epoch),
        "introduction key": lambda: keys.introduction(
            key, hexed("author"), hexed("member"), project, epoch
        ),
    }[op]()
    name = {"DH": "shared", "AEAD": "sealed", "H": "hash", "MAC": "mac", "LP": "bytes"}.get(op, "derived")
    return [(name, computed.hex())]


def name(given):
    kind, text = given.text("name"), given.get("text")
    if kind == "id of a key":
        return [("id", names.id_of_key(given.hex("public_key")))]
    if kind == "new project id":
        return [("id", names.new_project_id(given.hex("random")))]
    read = {
        "description": names.description, "epoch": names.epoch, "file": names.stored_file,
        "grant": names.grant, "key": names.key, "member": names.member,
        "member id": names.member_id, "place": names.place, "project id": names.project_id,
    }[kind]  # fmt: skip
    found = read(p.text_of(text))
    return [("bytes", found.binary.hex())] if kind == "epoch" else []


# config, roster, request, pin: what is read is written again, with the bytes that were there


def written(again, data):
    if again != data:
        raise AssertionError("what was read is written otherwise")


def configuration(given):
    data = given.get("kagi.json")
    found = config.read(data)
    written(config.write(found), data)
    paths = [path.decode() for path in given.all("below")]
    services = [(f"service in {path}", config.service_below(found, path) or "none") for path in paths]
    return [("hash", p.hash32(data).hex())] + services


def roster(given):
    data = given.get("access.json")
    found = rosters.read(data)
    written(rosters.write(found), data)
    return [("statement", rosters.statement(found).hex())]


def request(given):
    data = given.get("request.json")
    found = device.read_request(data)
    written(device.write_request(found), data)
    return [("id", found.id), ("name", found.name), ("public_key", found.public_key.hex())]


def pin(given):
    data = given.get("pin.json")
    found = device.read_pin(data)
    written(device.write_pin(found), data)
    known = f"{found.known.epoch} {found.known.witness.hex()}" if found.known else "none"
    sequences = " ".join(f"{place}={number}" for place, number in found.sequences.items())
    return [
        ("accepted", known),
        ("member", found.member or "-"),
        ("anchors", " ".join(found.anchors) or "-"),
        ("sequences", sequences or "-"),
    ]


# identity: key texts


def key_text(given):
    kind, text = given.text("is"), p.text_of(given.get("text"))
    if kind == "project key":
        return [("key", keytexts.read_project_key(text).hex())]
    if kind == "scope key":
        key = keytexts.read_scope_key(text)
        written(keytexts.write_scope_key(key), text.strip(keytexts.WHITE))
        return [
            ("project", key.project), ("epoch", str(key.epoch)),
            ("scope", f"{key.service}/{key.env}"), ("values", key.values.hex()),
            ("files", key.files.hex()),
        ]  # fmt: skip
    if kind == "paper":
        text = keytexts.from_paper(text)
    found = keytexts.read_identity(text)
    written(keytexts.write_identity(found), text.strip(keytexts.WHITE))
    outputs = [("id", found.id), ("secret", found.secret.hex())]
    if kind == "paper":
        return outputs + [("paper", keytexts.paper(text) + "\n")]
    outputs += [("public_key", found.public.hex())]
    if found.project:
        outputs += [("project", found.project), ("epoch", str(found.epoch))]
        outputs += [("witness", found.witness.hex())]
    return outputs + [("anchor", anchor) for anchor in found.anchors]


# wrap, scope_file, box, snapshot


def wrap(given):
    secret, said = given.hex("secret"), given.get("statement")
    if given.get("public_key"):  # only a key, for 1.5 and 1.6
        p.check_public(given.hex("public_key"))
        return [("shared", p.dh(secret, given.hex("public_key")).hex())]
    project, epoch = given.text("project"), names.epoch(given.text("epoch"))
    content = wraps.open_wrap(secret, project, epoch, said, given.get("wrap"))
    made = wraps.make(given.hex("ephemeral"), p.public_of(secret), project, epoch, said, content)
    written(made, given.get("wrap"))
    return [("keys", content.hex())]


def place_of(given):
    kind, service, env = given.text("scope").split("/")
    return scope_file.Place(kind, given.text("project"), service, env)


def boxes(given):
    found, markers = scope_file.read(given.get("file"), place_of(given))
    outputs = [("markers", "yes" if markers else "no")]
    for box in found:
        box_id = scope_file.box_id(box).hex()
        outputs.append((f"box {box.epoch}", f"{box_id} {len(box.data)} bytes"))
    return outputs


def box(given):
    place, key = place_of(given), given.hex("key")
    (found,), _ = scope_file.read(given.get("file"), place)
    content = scope_file.read_snapshot(key, place, found)
    sealed = scope_file.seal(key, given.hex("nonce"), place, found.epoch, content)
    written(scope_file.write(place, content.entries, [sealed]), given.get("file"))
    return [("id", scope_file.box_id(found).hex()), ("plaintext", snapshot.write(content).hex())]


def plaintext(given):
    data = given.get("plaintext")
    found = snapshot.read(data, given.text("kind") or "values")
    written(snapshot.write(found), data)
    outputs = [("sequence", str(found.sequence)), ("ancestors", shown_ids(found.ancestors) or "-")]
    return outputs + [(f"entry {entry.name}", shown_entry(entry)) for entry in found.entries]


# join


def absent(text):
    return "" if text == "-" else text


def listed_snapshot(text):
    sequence, ancestors, entries = 0, [], []
    for kind, *words in (line.split(" ") for line in text.split("\n")[:-1]):
        if kind == "sequence":
            sequence = int(words[0])
        elif kind == "ancestors" and "to" in words:
            first, last = int(words[0], 16), int(words[2], 16)
            ancestors = [number.to_bytes(8, "big") for number in range(first, last + 1)]
        elif kind == "ancestors":
            ancestors = [bytes.fromhex(word) for word in words]
        else:
            name, value, description, writer, version, time, author, epoch = words
            entry = snapshot.Entry(
                name, absent(value).encode(), absent(description), int(time), absent(author),
                bytes.fromhex(writer), int(version), int(epoch),
            )  # fmt: skip
            entries.append(entry)
    return snapshot.Snapshot(sequence, ancestors, entries)


def changed(joined, change):
    kind, name, *words = change.split(" ")
    if kind == "unset":
        return join.unset(joined, name)
    if kind == "resolve":
        place, time, author, _ = words
        return join.resolve(joined, name, int(place), int(time), absent(author))
    value, time, author, epoch, *rest = words
    value = absent(value).encode()
    return join.set_value(joined, name, value, int(time), absent(author), int(epoch), *rest)


def joined(given):
    snapshots = {
        bytes.fromhex(name.split(" ")[1]): listed_snapshot(value.decode())
        for name, value in given
        if name.startswith("snapshot ")
    }
    found = join.join(snapshots)
    outputs = [("idle box", "yes" if found.idle else "no")]
    for name, items in found.entries.items():
        outputs += [(f"key {name}", shown_entry(entry)) for entry, _ in items]
    for change in given.all("then"):
        found = changed(found, change.decode())
    following = join.next_snapshot(found)
    if given.get("rotated from"):
        replaced = [bytes.fromhex(word) for word in given.text("rotated from").split(" ")]
        following = join.rotated(found, replaced)
    outputs += [("next sequence", str(following.sequence))]
    outputs += [("next ancestors", shown_ids(following.ancestors) or "-")]
    return outputs + [(f"next entry {entry.name}", shown_entry(entry)) for entry in following.entries]


CHECKS = {
    "text": text, "kdf": kdf, "names": name, "config": configuration, "roster": roster,
    "request": request, "pin": pin, "identity": key_text, "wrap": wrap, "scope_file": boxes,
    "box": box, "snapshot": plaintext, "join": joined,
}  # fmt: skip
