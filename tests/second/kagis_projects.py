"""Random projects that kagi made, read by this second implementation: every value byte for byte.

Each is read as its founder's device, by its project key, by a scope key, and where they are there by a
device that asked and by a CI's identity; each sees what its grants say and nothing else. Every file is
also written again here, from what was read, and must be the file that kagi wrote.
Usage: kagis_projects.py COUNT SEED
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import config
import device
import join
import keytexts
import names
import primitives as p
import project
import roster as rosters
import scope_file
from chance import Chance
from program import Device, dotenv


class Made:
    """A project that grows by kagi's commands, and what must be in it."""

    def __init__(self, root, chance):
        self.chance = chance
        self.root = Path(root)
        self.work = self.root / "work"
        self.work.mkdir()
        self.envs = chance.places(chance.randint(1, 3))
        self.services = chance.places(chance.randint(1, 3), self.envs)
        self.expected = {}  # (kind, service, env): {name: bytes}
        self.readers = []  # grants, function that opens the project
        self.founder = Device(root, "founder")
        self.kagi(
            "init", "--nested", "--envs=" + ",".join(self.envs), "--name", chance.member(), "--no-git",
            "--no-migrate", "-y",
        )  # fmt: skip
        self.readers.append((["*"], lambda: project.of_device(self.directory, self.founder.kagi_home)))

    @property
    def directory(self):
        return self.work / ".kagi"

    def kagi(self, *words, text=b""):
        return self.founder.ok(self.work, *words, text=text)

    def place(self):
        return self.chance.choice(self.services), self.chance.choice(self.envs)

    def grants(self):
        """kagi gives none of a service that has no scope."""
        return self.chance.grants(sorted({scope[1] for scope in self.expected}), self.envs)

    def values(self, place):
        return self.expected.setdefault(("values", *place), {})

    def set_many(self):
        place = self.place()
        values = {self.chance.key(): self.chance.string() for _ in range(self.chance.randint(1, 8))}
        values |= {name: self.chance.string() for name in list(self.values(place))[: self.chance.randrange(3)]}
        words = ["set", "-s", place[0], "-e", place[1], "--stdin", "--dotenv"]
        self.kagi(*words, text=dotenv(values).encode())
        self.values(place).update(values)

    def set_one(self):
        place, name, value = self.place(), self.chance.key(), self.chance.value()
        path = self.root / "value"
        path.write_bytes(value)
        words = ["set", "-s", place[0], "-e", place[1], name, "--file", str(path)]
        self.kagi(*words, "--desc", self.chance.description())
        self.values(place)[name] = value

    def unset(self):
        filled = [key for key, values in self.expected.items() if key[0] == "values" and len(values) > 1]
        if filled:
            _, *place = key = self.chance.choice(filled)
            name = self.chance.choice(list(self.expected[key]))
            self.kagi("unset", "-s", place[0], "-e", place[1], "-y", name)
            del self.expected[key][name]

    def add_file(self):
        place, content = self.place(), self.chance.content()
        files = self.expected.setdefault(("files", *place), {})
        name = self.chance.stored_file(files)
        path = self.work / "a file"
        path.write_bytes(content)
        self.kagi("file", "add", "-s", place[0], "-e", place[1], "--name", name, str(path))
        files[name] = content

    def rotate(self):
        self.kagi("key", "rotate", "-y")

    def add_env(self):
        (env,) = self.chance.places(1, self.envs + self.services)
        self.kagi("env", "add", env)
        self.envs.append(env)

    def add_ci(self):
        grants = self.grants()
        out = self.kagi("member", "add", "--name", self.chance.member(), "--only", ",".join(grants))
        identity = keytexts.read_identity(out.decode())
        self.readers.append((grants, lambda: project.of_identity(self.directory, identity)))

    def add_device(self):
        grants = self.chance.choice((["*"], self.grants()))
        other = Device(self.root, f"device{len(self.readers)}")
        founder = project.of_device(self.directory, self.founder.kagi_home).opened.member
        words = ["member", "join", "--no-git", "--name", self.chance.member(), "--trust", founder]
        other.ok(self.work, *words)
        identity, _ = device.read_identity((other.kagi_home / "identity.json").read_bytes())
        asked = device.request_in(self.directory, identity.id)
        written(self.directory / f"requests/{asked.id}.json", device.write_request(asked))
        only = [] if grants == ["*"] else ["--only", ",".join(grants)]
        self.kagi("member", "approve", identity.id, *only)
        self.readers.append((grants, lambda: project.of_device(self.directory, other.kagi_home)))

    def check(self):
        """How many values were compared."""
        by_members = sum(self.check_reader(grants, reader()) for grants, reader in self.readers)
        return by_members + self.check_keys()

    def check_reader(self, grants, found):
        count = 0
        for scope, expected in self.expected.items():
            if not names.opens(grants, *scope[1:]):
                demand(found.opened.scope_key(*scope) is None, "a key that no grant gives")
                continue
            demand(values_in(found, scope) == expected, f"other values in {scope}")
            count += len(expected)
        return count

    def check_keys(self):
        """By the project key and by a scope key; then every file is written again."""
        opened = project.of_device(self.directory, self.founder.kagi_home).opened
        count = self.check_reader(["*"], project.of_project_key(self.directory, opened.bundle.project_key))
        kind, service, env = scope = self.chance.choice(list(self.expected))
        pair = [opened.scope_key(kind, service, env) for kind in names.KINDS]
        key = keytexts.ScopeKey(opened.roster.project, opened.epoch, service, env, *pair)
        count += self.check_reader([f"{service}/{env}"], project.of_scope_key(self.directory, key))
        written(self.directory / "kagi.json", config.write(opened.config))
        written(self.directory / "access.json", rosters.write(opened.roster))
        written(self.directory / ".gitattributes", scope_file.GITATTRIBUTES.encode())
        home = self.founder.kagi_home
        identity, _ = device.read_identity((home / "identity.json").read_bytes())
        written(home / "identity.json", device.write_identity(identity))
        written(home / "checkouts" / device.checkout_name(self.work), f"{opened.roster.project}\n".encode())
        pin = device.pin_path(home, opened.roster.project)
        written(pin, device.write_pin(device.read_pin(pin.read_bytes())))
        for scope in self.expected:
            self.check_scope_file(opened, scope)
        return count

    def check_scope_file(self, opened, scope):
        place = scope_file.Place(scope[0], opened.roster.project, *scope[1:])
        path = self.directory / scope_file.path_of(*scope)
        (box,), _ = scope_file.read(path.read_bytes(), place)
        key = opened.scope_key(*scope)
        content = scope_file.read_snapshot(key, place, box)
        again = scope_file.seal(key, box.data[: p.NONCE_LEN], place, box.epoch, content)
        written(path, scope_file.write(place, content.entries, [again]))


def values_in(found, scope):
    joined = found.scope(*scope)
    return {entry.name: entry.value for entry in join.values_of(joined)}


def demand(holds, why):
    if not holds:
        raise AssertionError(why)


def written(path, data):
    demand(path.read_bytes() == data, f"{path.name} is written otherwise here")


STEPS = (
    "set_many", "set_many", "set_one", "set_one", "unset", "add_file", "rotate", "add_env", "add_ci",
    "add_device",
)  # fmt: skip


def one(seed, counts):
    with tempfile.TemporaryDirectory() as root:
        chance = Chance(seed)
        made = Made(root, chance)
        made.set_many()
        for step in chance.choices(STEPS, k=chance.randint(2, 7)):
            getattr(made, step)()
        counts["values"] += made.check()
        counts["scopes"] += len(made.expected)
        counts["readers"] += len(made.readers) + 2


def many(count, seed, whose, one):
    """So many projects, each from a seed of its own; what `one` counted of all."""
    counts = Counter()
    for number in range(int(count)):
        try:
            one(f"{seed}/{number}", counts)
        except (AssertionError, p.Refused) as error:
            sys.exit(f"FAILED: a project of {whose}, seed {seed}/{number}: {error!r}")
    return counts


def main(count, seed):
    counts = many(count, seed, "kagi's", one)
    print(
        f"assured: second: {count} random projects of kagi's (seed {seed}) read by the second"
        " implementation:"
        f" {counts['scopes']} scopes, {counts['readers']} readers, {counts['values']} values and files"
        " with equal bytes; every file written again byte for byte"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
