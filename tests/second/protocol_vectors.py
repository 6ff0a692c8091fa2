"""The golden vectors of the protocol, tests/vectors/protocol, by this second implementation.

As vectors.py does for the formats. What is accepted is also encoded again and must be the input.
"""

import sys
from collections import Counter
from pathlib import Path

import device
import keys
import primitives as p
import protocol_messages as messages
import protocol_state as state
import vectors

SHOWN = 8  # of longer lists a vector names the first, the last and the count


def shown(value):
    """A value as the vectors write it."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value or "-"
    if isinstance(value, bytes):
        try:
            text = value.decode()
            return shown(text) if text.isprintable() else "hex:" + value.hex()
        except UnicodeDecodeError:
            return "hex:" + value.hex()
    items = [shown(item) for item in value]
    if len(items) > SHOWN:
        return f"{items[0]} to {items[-1]}, {len(items)}"
    return " ".join(items) or "-"


def rights(bits):
    return ",".join(name for name, bit in messages.RIGHTS.items() if bits & bit) or "-"


def credential(value):
    return f"{value[0]} {value[1].hex()}" if value else "none"


def of_field(name, value):
    if name in ("hashes", "links"):
        return shown([item.hex() for item in value])
    if name == "rights":
        return rights(value)
    if name == "new token":
        return credential(value)
    if name == "members":
        return shown([f"{member}={rights(bits)}" for member, bits in value])
    if name == "id":
        return value.hex()
    return shown(value)


def request(inputs):
    data = inputs.get("message")
    found = messages.read_request(data)
    again(messages.write_request(found), data)
    yield "request id", found.id.hex()
    yield "token", credential(found.credential)
    yield "project", shown(found.project)
    yield "operation", found.operation
    for name, value in found.fields.items():
        yield name, of_field(name, value)


def response(inputs):
    data = inputs.get("message")
    found = messages.read_response(data)
    again(messages.write_response(found), data)
    if found.result == "refused":
        yield "result", "refused: " + messages.WHY[found.fields["why"]]
        yield "about", shown(found.fields["about"])
        return
    yield "result", found.result
    if found.result == "tokens":
        for t in found.fields["tokens"]:
            times = f"issued={t['issued']} expires={t['expires']}"
            yield "token", f"{t['id']} {rights(t['rights'])} {times} {shown(t['member'])} {t['name']}"
    elif found.result == "projects":
        for t in found.fields["projects"]:
            taken = "taken in" if t["taken in"] else "waits"
            yield "project", f"{t['id']} {t['name']} {taken} revision={t['revision']} bytes={t['bytes']}"
    else:
        for name, value in found.fields.items():
            yield name, of_field(name, value)


def again(ours, data):
    if ours != data:
        raise AssertionError("encoded otherwise than it was read")


def manifest(inputs):
    found = state.read_manifest(inputs.get("manifest"))
    key = inputs.hex("project_key")
    if key:
        state.check_mac(found, keys.state(key, found.project, found.epoch))
    yield "project", found.project
    yield "epoch", str(found.epoch)
    yield "revision", str(found.revision)
    yield "previous", found.previous.hex()
    yield "link", p.hash32(found.data).hex()
    yield "id", state.id_of(found).hex()
    for file in found.files:
        yield "file", f"{file.path} {file.size} bytes {file.hash.hex()}"


def id_of_links(inputs):
    found = inputs.hex("id")
    for link in inputs.all("link"):
        found = state.next_id(found, bytes.fromhex(link.decode()))
    yield "id", found.hex()


def project_token(inputs):
    found = state.read_project_token(inputs.text("text"))
    yield "remote", found.remote
    yield "project", found.project
    yield "server", found.server.hex()
    yield from of_credential(found.credential)
    yield "anchors", shown(found.anchors)


def of_credential(found, secret="secret"):
    yield "token id", found[0]
    yield secret, found[1].hex()


def admin_token(inputs):
    found = state.read_admin_token(inputs.text("text"))
    yield "server", found.server.hex()
    yield from of_credential(found.credential)


def key_file(inputs):
    secret, pepper = state.read_key_file(inputs.text("text"))
    yield "secret", secret.hex()
    yield "public_key", p.public_of(secret).hex()
    yield "pepper", pepper.hex()


def kept(inputs):
    pair = inputs.text("token id"), inputs.hex("secret")
    yield "mac", state.kept_of(inputs.hex("pepper"), pair).hex()


def new_token_id(inputs):
    yield "token id", messages.token_id("kgt_" + p.base32(inputs.hex("random"))[:20])


def fingerprint(inputs):
    yield "fingerprint", state.fingerprint(inputs.hex("server"))


def request_to_open(inputs):
    yield "message", state.open_request(inputs.hex("secret"), inputs.get("request"))


def request_to_seal(inputs):
    sealed = state.seal_request(inputs.hex("ephemeral"), inputs.hex("server"), inputs.get("message"))
    yield "request", sealed.hex()


def response_to_open(inputs):
    ephemeral, server = inputs.hex("ephemeral"), inputs.hex("server")
    asked = state.seal_request(ephemeral, server, inputs.get("asked"))
    yield "message", state.open_response(ephemeral, server, asked, inputs.get("response"))


def sealed_credential(inputs):
    names_of = inputs.text("member"), inputs.text("project")
    found = state.open_waiting(inputs.hex("secret"), *names_of, inputs.get("sealed"))
    yield from of_credential(found, "token secret")


def remote_json(inputs, name="remote.json"):
    found = state.read_remote(inputs.get(name))
    yield "remote", found.remote
    yield "token", credential(found.token and found.token.credential)
    yield "revision", str(found.revision)
    yield "manifest", found.manifest.hex()


# What is done with files of a device


def kept_file(inputs, path):
    """Its bytes, or None; refused if others can read it."""
    mode = int(inputs.text(f"mode home/{path}") or "600", 8)
    p.demand(mode & 0o077 == 0, "others can read the file")
    return inputs.get(f"file home/{path}")


def remote_of(inputs):
    path = f"projects/{inputs.text('project')}/remote.json"
    if kept_file(inputs, path) is None:
        return [("found", "nothing")]
    return remote_json(inputs, f"file home/{path}")


def base(inputs):
    name = f"checkouts/{device.checkout_name(inputs.text('checkout'))}.base"
    data = inputs.get(f"file home/{name}")
    return [("found", "nothing") if data is None else ("id", state.id_of(state.read_manifest(data)).hex())]


def login(inputs):
    name = state.login_name(inputs.text("remote"))
    data = kept_file(inputs, f"remotes/{name}")
    if data is None:
        return [("found", "nothing")]
    token, _ = state.read_login(data, name)
    return [("token", credential(token.credential))]


def logins(inputs):
    for field, data in inputs:
        name = field.rpartition("/")[2]
        if field.startswith("file home/remotes/") and name.endswith(".json"):
            yield "remote", state.read_login(data, name)[1]


def remember_login(inputs):
    pair = messages.token_id(inputs.text("token id")), inputs.hex("secret")
    where = inputs.text("remote")
    data = state.write_login(state.AdminToken(inputs.hex("server"), pair), where)
    yield f"file remotes/{state.login_name(where)}", data


CHECKS = {
    "request": request, "response": response, "manifest": manifest, "id of a manifest": id_of_links,
    "project token": project_token, "administrator's token": admin_token, "key file": key_file,
    "kept of a token": kept, "new token id": new_token_id, "fingerprint": fingerprint,
    "request to open": request_to_open, "request to seal": request_to_seal,
    "response to open": response_to_open, "sealed credential": sealed_credential,
    "remote.json": remote_json, "remote": remote_of, "base": base, "login": login, "logins": logins,
    "remember login": remember_login,
}  # fmt: skip


def main(directory):
    counts, kinds, failed = Counter(), set(), 0
    for path in sorted(Path(directory).glob("*.txt")):
        vector = vectors.Vector(path)
        kind = vector.inputs.text("is") or vector.inputs.text("op")
        wrong = vectors.failure(vector, CHECKS[kind])
        counts[vector.expect[0]] += 1
        kinds.add(kind)
        if wrong:
            failed += 1
            print(f"protocol/{path.name}: {wrong}"[:400], file=sys.stderr)
    if failed or not counts["accept"] or kinds != set(CHECKS):
        sys.exit(f"FAILED: {failed} golden vectors of the protocol")
    print(
        f"assured: protocol: {sum(counts.values())} golden vectors of {len(kinds)} kinds,"
        f" {counts['accept']} accepted with the same outputs, {counts['reject']} refused, none left out"
    )


if __name__ == "__main__":
    main(sys.argv[1])
