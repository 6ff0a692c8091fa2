"""A client of docs/PROTOCOL.md by HTTP, and what it does at a real `kagi serve` on this machine.

In each round kagi pushes a random value and this client pulls and reads the state; then this client
pushes one, and kagi pulls and reads it. What a server must refuse is tried besides. Left out: joining
two states (12.7 to 12.9), waiting members, and the transports by ssh and directory.
Usage: protocol_client.py ROUNDS SEED
"""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import join
import keys
import primitives as p
import project
import protocol_messages as messages
import protocol_state as state
from chance import Chance
from program import PROGRAM, Device, dotenv

SCOPE = ("values", "api", "development")
RIGHTS = messages.RIGHTS["pull"] | messages.RIGHTS["push"] | messages.RIGHTS["rotate"]


def demand(holds, why):
    if not holds:
        raise AssertionError(why)


class Client:
    """One token at one server; every answer is read strictly."""

    def __init__(self, address, token):
        self.address, self.token = address, token

    def http(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        headers = {"Content-Type": "application/octet-stream"} if body is not None else {}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def sealed(self, operation, fields, credential=None, named=None):
        """The ephemeral key, and all bytes of a request (2.2)."""
        ephemeral = os.urandom(32)
        request = messages.Request(
            os.urandom(16), credential or self.token.credential,
            self.token.project if named is None else named, operation, fields,
        )  # fmt: skip
        return ephemeral, state.seal_request(ephemeral, self.token.server, messages.write_request(request))

    def send(self, ephemeral, request):
        status, body = self.http("POST", "/v1/rpc", request)
        demand(status == 200, f"HTTP {status}")
        data = state.open_response(ephemeral, self.token.server, request, body)
        answer = messages.read_response(data)
        demand(messages.write_response(answer) == data, "a response with another encoding")
        return answer

    def ask(self, operation, named=None, credential=None, **fields):
        return self.send(*self.sealed(operation, fields, credential, named))

    def wants(self, result, operation, **fields):
        answer = self.ask(operation, **fields)
        demand(answer.result == result, f"{operation}: {answer}")
        return answer.fields


class Checkout:
    """A state in a directory: what this client has seen, and the founder's keys to open it."""

    def __init__(self, client, directory, home):
        self.client, self.directory, self.home = client, Path(directory), home
        self.manifest, self.id = None, bytes(32)

    def since(self):
        return self.manifest.revision if self.manifest else 0

    def pull(self):
        """12.2 to 12.5: nothing is taken but what the manifest lists and the MAC covers."""
        found = self.client.wants("pulled", "pull", since=self.since(), member="")
        if found["revision"] == self.since():
            demand(found["id"] == self.id and not found["manifest"], "the same revision is another")
            return
        manifest = state.read_manifest(found["manifest"])
        demand(manifest.project == self.client.token.project, "a manifest of another project")
        self.follow(found, manifest)
        blobs = {p.hash32(blob): blob for blob in found["blobs"]} | self.blobs()
        wanted = [file.hash for file in manifest.files if file.hash not in blobs]
        if wanted:
            given = self.client.wants("blobs", "fetch", hashes=wanted)["blobs"]
            blobs |= {p.hash32(blob): blob for blob in given}
        for file in manifest.files:
            demand(len(blobs[file.hash]) == file.size, "a file of another size")
            project.write_file(self.directory / file.path, blobs[file.hash])
        state.check_mac(manifest, self.state_key())
        demand(manifest.epoch == self.open().opened.epoch, "a manifest of another epoch")
        self.manifest, self.id = manifest, found["id"]

    def follow(self, found, manifest):
        """3.5: from what was seen, by the links."""
        seen = self.id
        if self.manifest is None:
            demand(not found["links"], "links from nothing")
            seen = manifest.previous
        for link in found["links"]:
            seen = state.next_id(seen, link)
        demand(manifest.previous == seen, "the links do not lead to the newest")
        demand(manifest.revision == found["revision"], "another revision")
        demand(state.id_of(manifest) == found["id"], "the id is not the manifest's")

    def contents(self):
        return {file.path: (self.directory / file.path).read_bytes() for file in self.manifest.files}

    def blobs(self):
        if self.manifest is None:
            return {}
        return {p.hash32(data): data for data in self.contents().values()}

    def open(self):
        return project.of_device(self.directory, self.home)

    def state_key(self):
        opened = self.open().opened
        return keys.state(opened.bundle.project_key, opened.roster.project, opened.epoch)

    def values(self):
        return {e.name: e.value for e in join.values_of(self.open().scope(*SCOPE))}

    def set(self, name, value):
        """A new box in the place of the old one; `pull` has to come before, `push` after."""
        opened = self.open()
        joined = opened.scope(*SCOPE)
        epoch = opened.opened.epoch.number
        joined = join.set_value(joined, name, value, 1_800_000_000, opened.opened.member, epoch)
        opened.write(*SCOPE, join.next_snapshot(joined))

    def next_push(self):
        """The fields of a push of what is here."""
        contents = self.contents()
        roster = self.open().opened.roster
        manifest = state.write_manifest(
            roster.project, roster.epoch, self.since() + 1, self.id, contents, self.state_key()
        )
        known = {file.hash for file in self.manifest.files}
        new = [data for data in contents.values() if p.hash32(data) not in known]
        member = self.open().opened.member
        return {"manifest": manifest, "blobs": new, "members": [(member, RIGHTS)], "member": member}

    def pushed(self, fields, standing):
        manifest = state.read_manifest(fields["manifest"])
        demand(standing["revision"] == manifest.revision, "the push is not the newest revision")
        demand(standing["id"] == state.id_of(manifest), "another id of what was pushed")
        self.manifest, self.id = manifest, standing["id"]


class Server:
    """A real server on a port of this machine; it ends with the block."""

    def __init__(self, root):
        self.device = Device(root, "server")
        self.args = ["--store", str(Path(root, "store")), "--key-file", str(Path(root, "key"))]
        out = self.device.ok(root, "serve", "--init", *self.args).decode()
        self.admin = next(word for word in out.split() if word.startswith("kagi_admin_v1_"))

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.path.abspath(PROGRAM), "serve", "--bind", "127.0.0.1:0", *self.args],
            env=self.device.variables, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        line = self.process.stderr.readline().decode()
        self.address = line.partition("http://")[2].split()[0]
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def founded(root, server):
    """A project that kagi has pushed: its device, its directory, and the token as text."""
    founder, work, remote = Device(root, "founder"), Path(root, "work"), f"http://{server.address}"
    work.mkdir()
    kagi = lambda *words, text=b"": founder.ok(work, *words, text=text)
    kagi("init", "--no-git", "--no-migrate", "-y", "--envs=development", "--name", "founder")
    kagi("set", "-s", "api", "-e", "development", "--stdin", "--dotenv", text=b'FIRST="1"\n')
    kagi("remote", "login", "--remote", remote, "--token", "-", text=server.admin.encode())
    kagi("project", "join", "--remote", remote)
    name = project.config.read((work / ".kagi/kagi.json").read_bytes()).project
    out = kagi("project", "approve", name).decode()
    token = next(word for word in out.split() if word.startswith("kagi_proj_v1_"))
    kagi("pull", "-", text=token.encode())
    kagi("push")
    return founder, work, token


def refusals(checkout, counts):
    """What a server must not do: 8.1, 8.2, 8.4, 8.6, 9.7. `checkout` is in step with the server."""
    client = checkout.client
    fields = checkout.next_push()
    ephemeral, request = client.sealed("push", fields)
    for at in (0, 31, 32, len(request) // 2, len(request) - 1):
        bad = bytearray(request)
        bad[at] ^= 1
        status, _ = client.http("POST", "/v1/rpc", bytes(bad))
        demand(status == 400, f"a tampered request: HTTP {status}")
        counts["tampered"] += 1
    standing = client.wants("standing", "status")
    demand(standing["revision"] == checkout.since(), "a tampered request had an effect")
    checkout.pushed(fields, client.send(ephemeral, request).fields)
    refused(client.send(ephemeral, request), "Replayed", counts)
    refused(client.ask("push", **fields), "Conflict", counts)
    other = client.token.credential[0], os.urandom(32)
    refused(client.ask("status", credential=other), "Denied", counts)
    refused(client.ask("projects", named=""), "Forbidden", counts)
    later = client.wants("standing", "status")
    demand(later["id"] == checkout.id, "a refused request had an effect")


def refused(answer, why, counts):
    demand(answer.result == "refused", f"not refused: {answer}")
    demand(messages.WHY[answer.fields["why"]] == why, f"refused as {answer}, not {why}")
    counts["refused"] += 1


def rounds(count, chance, checkout, founder, work, counts):
    expected = {"FIRST": b"1"}
    for _ in range(count):
        name, value = chance.key(), chance.string()
        text = dotenv({name: value}).encode()
        founder.ok(work, "set", "-s", "api", "-e", "development", "--stdin", "--dotenv", text=text)
        founder.ok(work, "push")
        expected[name] = value
        checkout.pull()
        for path, data in checkout.contents().items():
            demand((work / ".kagi" / path).read_bytes() == data, f"{path} has other bytes")
            counts["files"] += 1
        demand(checkout.values() == expected, "other values than kagi's")
        name, value = chance.key(), chance.string()
        checkout.set(name, value)
        expected[name] = value
        fields = checkout.next_push()
        checkout.pushed(fields, checkout.client.wants("standing", "push", **fields))
        founder.ok(work, "pull")
        demand(founder.values(work, "api", "development") == expected, "kagi reads other values")


def main(count, seed):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("FAILED: the time is over"))  # the server ends too
    counts = Counter()
    with tempfile.TemporaryDirectory() as root, Server(root) as server:
        founder, work, text = founded(root, server)
        token = state.read_project_token(text)
        client = Client(server.address, token)
        status, body = client.http("GET", "/v1/server-key")
        line = f"{token.server.hex()} {state.fingerprint(token.server)}\n"
        demand((status, body) == (200, line.encode()), "another key of the server")
        checkout = Checkout(client, Path(root, "second"), founder.kagi_home)
        checkout.pull()
        refusals(checkout, counts)
        founder.ok(work, "pull")
        rounds(int(count), Chance(f"{seed}/protocol"), checkout, founder, work, counts)
    print(
        f"assured: protocol: {count} rounds at a real server (seed {seed}): each a push by kagi that the"
        f" second client read ({counts['files']} files with equal bytes), and one by it that kagi read;"
        f" {counts['tampered']} tampered requests had no effect, {counts['refused']} refused as the document says"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
