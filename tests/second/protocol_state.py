"""The channel, manifests, tokens and what a device keeps: docs/PROTOCOL.md 2, 3, 4 and 6."""

from collections import namedtuple

import canonical as c
import keytexts
import names
import primitives as p
import protocol_messages as messages

PROJECT_TOKEN = "kagi_proj_v1_"
ADMIN_TOKEN = "kagi_admin_v1_"
KEY_FILE = "kagi_server_v1_"
FIRST_FIELD = b"kagi-manifest 1"
FILES_MOST = 10_000
BYTES_MOST = 256 * 1024 * 1024
MANIFEST_MOST = 2 * 1024 * 1024
KEPT_MOST = 32 * 1024
SCOPE_MOST = 33_558_736
UNIT = {"kagi.json": 64 * 1024, "access.json": 2 * 1024 * 1024}

Manifest = namedtuple("Manifest", "project epoch revision previous files mac data")
File = namedtuple("File", "path size hash")
ProjectToken = namedtuple("ProjectToken", "remote project server credential anchors")
AdminToken = namedtuple("AdminToken", "server credential")
Remote = namedtuple("Remote", "token remote revision manifest")


# 2: the channel


def open_half(secret, public):
    p.check_public(public)
    return p.dh(secret, public)


def seal_request(ephemeral, server, message):
    """2.2"""
    public = p.public_of(ephemeral)
    key = p.derive("kagi 2026 v1 request", open_half(ephemeral, server), public, server)
    return public + p.seal(key, p.ZERO_NONCE, b"", message)


def open_request(secret, request):
    p.demand(len(request) >= 32, "no ephemeral key")
    public, sealed = request[:32], request[32:]
    key = p.derive("kagi 2026 v1 request", open_half(secret, public), public, p.public_of(secret))
    return p.unseal(key, p.ZERO_NONCE, b"", sealed)


def open_response(ephemeral, server, request, response):
    """2.3; `request` is all bytes that were sent."""
    p.demand(len(response) >= 32, "no ephemeral key")
    public, sealed = response[:32], response[32:]
    both = open_half(ephemeral, server), open_half(ephemeral, public)
    key = p.derive("kagi 2026 v1 response", *both, p.hash32(request), public)
    return p.unseal(key, p.ZERO_NONCE, b"", sealed)


# 3: manifests


def next_id(previous, link):
    """3.5"""
    return p.hash32(p.lp(FIRST_FIELD) + p.lp(previous) + p.lp(link))


def id_of(manifest):
    return next_id(manifest.previous, p.hash32(manifest.data))


def size_most(path):
    """3.3: the most bytes that a file of this path may have; a path of no file is refused."""
    if path in UNIT:
        return UNIT[path]
    parts = path.split("/")
    p.demand(len(parts) == 3 and parts[0] in ("secrets", "files"), "no path of a state")
    p.demand(parts[2].endswith(".enc"), "no path of a state")
    names.place(parts[1])
    names.place(parts[2].removesuffix(".enc"))
    return SCOPE_MOST


def check_files(files):
    paths = [file.path for file in files]
    names.sorted_once([path.encode() for path in paths], "paths are not sorted")
    p.demand(set(UNIT) <= set(paths), "kagi.json or access.json is missing")
    for file in files:
        p.demand(file.size <= size_most(file.path), "a file is too large")
    p.demand(len({path.lower() for path in paths}) == len(paths), "paths that differ by case alone")
    services = {path.split("/")[1] for path in paths if "/" in path}
    p.demand(len({s.lower() for s in services}) == len(services), "services that differ by case alone")
    p.demand(sum(file.size for file in files) <= BYTES_MOST, "more than 256 MiB")


def read_manifest(data):
    """3.1 to 3.3. The MAC is the business of whoever has keys."""
    p.demand(len(data) <= MANIFEST_MOST, "more than 2 MiB of manifest")
    cursor = p.Cursor(data)
    p.demand(cursor.lp() == FIRST_FIELD, "another first field")
    project, epoch = names.project_id(cursor.text()), names.read_epoch(cursor)
    revision, previous = cursor.u64(), cursor.take(32)
    p.demand(revision > 0 and (revision == 1) == (previous == bytes(32)), "no revision")
    count = cursor.u32()
    p.demand(count <= FILES_MOST, "too many files")
    files = [File(cursor.text(), cursor.u32(), cursor.take(32)) for _ in range(count)]
    check_files(files)
    mac = cursor.take(32)
    cursor.end()
    return Manifest(project, epoch, revision, previous, files, mac, data)


def check_mac(manifest, state_key):
    """3.4"""
    p.demand(p.same(p.mac(state_key, manifest.data[:-32]), manifest.mac), "another MAC")


def write_manifest(project, epoch, revision, previous, contents, state_key):
    """`contents` are the bytes of each file by its path."""
    head = p.lp(FIRST_FIELD) + p.lp(project) + epoch.binary + p.u64(revision) + previous
    head += p.u32(len(contents))
    for path in sorted(contents):
        head += p.lp(path) + p.u32(len(contents[path])) + p.hash32(contents[path])
    return head + p.mac(state_key, head)


# 4: keys and tokens


def fingerprint(server):
    return "kgs_" + p.base32(p.hash32(server))[:20]


def remote(text):
    """4.8"""
    p.demand(1 <= len(text) <= 1024 and all("!" <= symbol <= "~" for symbol in text), "no remote")
    return text


def server_key(cursor):
    key = cursor.take(32)
    p.check_public(key)
    return key


def read_project_token(text):
    """4.2"""
    cursor = p.Cursor(keytexts.content_of(text, PROJECT_TOKEN))
    where, project = remote(cursor.text()), names.project_id(cursor.text())
    server, credential, anchors = server_key(cursor), messages.read_credential(cursor), []
    while cursor.left():
        anchors.append(names.member_id(cursor.text()))
    names.sorted_once(anchors, "anchors are not sorted")
    p.demand(len(anchors) <= 256, "too many anchors")
    return ProjectToken(where, project, server, credential, anchors)


def read_admin_token(text):
    """4.3"""
    cursor = p.Cursor(keytexts.content_of(text, ADMIN_TOKEN))
    token = AdminToken(server_key(cursor), messages.read_credential(cursor))
    cursor.end()
    return token


def write_admin_token(token):
    return keytexts.text_with(ADMIN_TOKEN, token.server + messages.write_credential(token.credential))


def read_key_file(text):
    """4.4: the secret key and the pepper."""
    cursor = p.Cursor(keytexts.content_of(text, KEY_FILE))
    found = cursor.take(32), cursor.take(32)
    cursor.end()
    return found


def kept_of(pepper, credential):
    """4.5"""
    return p.mac(pepper, p.lp(credential[0]) + p.lp(credential[1]))


def open_waiting(secret, member, project, sealed):
    """4.6"""
    p.demand(len(sealed) >= 32, "no ephemeral key")
    public, mine = sealed[:32], p.public_of(secret)
    key = p.derive("kagi 2026 v1 token", open_half(secret, public), public, mine, project)
    cursor = p.Cursor(p.unseal(key, p.ZERO_NONCE, p.fields(project, member), sealed[32:]))
    credential = messages.read_credential(cursor)
    cursor.end()
    return credential


# 6: what a device keeps


def read_remote(data):
    """6.1"""
    token, rest = c.read_secret(data, KEPT_MOST, "token")
    form, where, revision, manifest = c.members(rest, "format", "remote", "revision", "manifest")
    c.is_one(form)
    p.demand(token == token.strip(keytexts.WHITE), "white space around the token")
    manifest = c.mac_of(manifest)
    p.demand((c.number(revision, 64) == 0) == (manifest == bytes(32)), "one without the other")
    return Remote(read_project_token(token) if token else None, remote(c.text(where)), revision, manifest)


def login_name(where):
    return p.hash32(where.encode())[:16].hex() + ".json"


def read_login(data, name):
    """6.2: the token and the remote."""
    token, rest = c.read_secret(data, KEPT_MOST, "token")
    form, where = c.members(rest, "format", "remote")
    c.is_one(form)
    p.demand(token == token.strip(keytexts.WHITE), "white space around the token")
    p.demand(login_name(remote(c.text(where))) == name, "a file of another name")
    return read_admin_token(token), where


def write_login(token, where):
    return c.write_secret("token", write_admin_token(token), [("format", 1), ("remote", where)])
