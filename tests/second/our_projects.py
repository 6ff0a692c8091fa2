"""Random projects that this second implementation wrote, read by kagi: every value byte for byte.

Readers: the founder's device with and without a pin, a device that trusts the founder, a CI's identity,
the project key and a scope key. Values come out by `run -- env -0` and `file restore`; `doctor` says of
each what is right. At the end kagi changes one value, and this reader reads it.
Usage: our_projects.py COUNT SEED
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import device
import keytexts
import names
import primitives as p
import project
from chance import Chance
from kagis_projects import demand, many, values_in
from program import Device
from writer import Writer, write_home

NOW = 1_790_000_000


class Ours:
    """A random project of ours; `expected` is what it holds, `readers` who may read it as what."""

    def __init__(self, root, chance):
        self.root, self.chance, self.expected = Path(root), chance, {}
        self.work = self.root / "work"
        self.directory = self.work / ".kagi"
        self.work.mkdir()
        self.envs = chance.places(chance.randint(1, 3))
        self.services = chance.places(chance.randint(1, 3), self.envs + ["later"])
        paths = {"a/b c": self.services[0]} if chance.random() < 0.5 else {}
        self.writer = Writer(chance.member(), list(self.envs), self.services[0], paths)
        self.members = []  # secret, grants, name

    def set_values(self):
        scope = ("values", self.chance.choice(self.services), self.chance.choice(self.envs))
        values = {self.chance.key(): self.chance.value() for _ in range(self.chance.randint(1, 8))}
        old = list(self.expected.get(scope, {}))
        values |= {name: self.chance.value() for name in old[:2]}
        self.change(scope, values, old[2:3])

    def add_files(self):
        scope = ("files", self.chance.choice(self.services), self.chance.choice(self.envs))
        files = dict(self.expected.get(scope, {}))
        for _ in range(self.chance.randint(1, 3)):
            files[self.chance.stored_file(files)] = self.chance.content()
        self.change(scope, files, [])

    def change(self, scope, values, removed):
        description = self.chance.choice((None, self.chance.description()))
        self.writer.change(scope, values, removed, NOW, description)
        kept = {n: v for n, v in self.expected.get(scope, {}).items() if n not in removed}
        self.expected[scope] = kept | values

    def merge(self):
        scope = self.chance.choice(list(self.expected))
        if scope[0] == "values":
            sides = [{name + self.chance.key(): self.chance.value()} for name in ("zqA", "zqB")]
            sides = [{name[:256]: value for name, value in side.items()} for side in sides]
            self.writer.branches(scope, sides, NOW, self.chance.random() < 0.5)
            self.expected[scope] |= sides[0] | sides[1]

    def rotate(self):
        for _ in range(self.chance.choice((1, 1, 2, 17))):
            gone = self.members.pop() if self.members and self.chance.random() < 0.3 else None
            removed = [names.id_of_key(p.public_of(gone[0]))] if gone else []
            self.writer.rotate(removed, stopped=self.chance.random() < 0.3)

    def begin_rotation(self):
        self.writer.begin_rotation()

    def add_member(self):
        secret, grants = os.urandom(32), ["*"]
        if self.chance.random() < 0.7:
            grants = self.chance.grants(self.services, self.envs)
        self.writer.admit(p.public_of(secret), self.chance.member(), grants)
        self.members.append((secret, grants))

    def add_env(self):
        if "later" not in self.envs:
            self.envs.append("later")
            self.writer.add_env("later")

    def readers(self):
        """Name, grants and device of each, after the files are there."""
        writer, project_id = self.writer, self.writer.config.project
        founder = Device(self.root, "founder")
        own = keytexts.Identity(writer.secret, "", None, None, [])
        pin = self.chance.choice((None, writer.pin_of(writer.id)))
        write_home(founder.kagi_home, own, project_id, pin)
        yield "founder", ["*"], founder
        for number, (secret, grants) in enumerate(self.members):
            name = f"member{number}"
            if self.chance.random() < 0.5:
                text = keytexts.write_identity(writer.identity_for(secret))
                yield name, grants, Device(self.root, name, KAGI_IDENTITY=text)
                continue
            other = Device(self.root, name)
            trusts = device.Pin(None, "", [writer.id], {})
            write_home(other.kagi_home, keytexts.Identity(secret, "", None, None, []), project_id, trusts)
            yield name, grants, other
        key = writer.bundle.project_key.hex()
        yield "project key", ["*"], Device(self.root, "holder", KAGI_PROJECT_KEY=key)
        _, service, env = self.chance.choice(list(self.expected))
        text = keytexts.write_scope_key(writer.scope_key(service, env))
        yield "scope key", [f"{service}/{env}"], Device(self.root, "scope", KAGI_PROJECT_KEY=text)


class Reading:
    """What kagi says of a project of ours."""

    def __init__(self, ours, counts):
        self.ours, self.counts, self.work = ours, counts, ours.work

    def read_as(self, name, grants, who):
        opened = [scope for scope in self.ours.expected if names.opens(grants, *scope[1:])]
        self.counts["readers"] += 1
        for scope in opened if name == "founder" else self.ours.chance.sample(opened, min(1, len(opened))):
            self.read_scope(who, scope)
        shut = [scope for scope in self.ours.expected if scope not in opened and scope[0] == "values"]
        for _, service, env in shut[:1]:
            code, _, err = who.run(self.work, "run", "-s", service, "-e", env, "--", "true")
            # The holder of a scope key knows no other environment.
            is_told = "may not open" in err or err.endswith(" alone\n")
            demand(code == 1 and is_told, f"{name}, who has no grant for it: {code} {err}")
            self.counts["refusals"] += 1

    def read_scope(self, who, scope):
        kind, service, env = scope
        expected = self.ours.expected[scope]
        self.counts["values"] += len(expected)
        place = ["-s", service, "-e", env]
        if kind == "files":
            who.ok(self.work, "file", "restore", *place, "--all", "--force")
            found = {name: (self.work / name).read_bytes() for name in expected}
        else:
            found = who.values(self.work, service, env)
        demand(found == expected, f"other values in {scope}")

    def doctor(self, who):
        """It accepts the roster, and names boxes without effect and what removed members may know, no more."""
        code, _, err = who.run(self.work, "doctor")
        writer = self.ours.writer
        idle = sum(writer.joined(scope).idle for scope in writer.scopes)
        told = re.findall(r"problem: change at their providers, for .* \((kgm_.*)\) could read them", err)
        now = writer.roster.epoch.number
        early = sum(any(box.epoch.number > now for box in boxes) for boxes in writer.beside.values())
        left = idle + len(told) + early
        right = (1, f"error: {left} left to do\n") if left else (0, "nothing is wrong\n")
        demand(code == right[0] and right[1] in err, f"doctor: {code}\n{err}")
        demand(f"the roster is accepted, at epoch {now}\n" in err, f"doctor: {err}")
        demand(err.count("holds an older box beside a newer one") == idle, f"doctor: {err}")
        demand(err.count("holds a box of a newer epoch than access.json") == early, f"doctor: {err}")
        demand(set(told) == writer.may_know(), f"doctor, of {writer.may_know()}: {err}")
        self.counts["problems"] += left

    def members(self, who):
        """The roster as kagi lists it."""
        told = json.loads(who.ok(self.work, "member", "list", "--json"))
        found = {m["id"]: (m["name"], sorted(m["grants"])) for m in told["members"]}
        roster = self.ours.writer.roster
        demand(found == {m.id: (m.name, m.grants) for m in roster.members}, "other members")

    def change_by_kagi(self, who):
        """kagi goes on from what we wrote, and we from what kagi wrote."""
        scope = self.ours.chance.choice([s for s in self.ours.expected if s[0] == "values"])
        name, value = self.ours.chance.choice(list(self.ours.expected[scope])), self.ours.chance.string()
        path = self.ours.root / "value"
        path.write_bytes(value)
        who.ok(self.work, "set", "-s", scope[1], "-e", scope[2], name, "--file", str(path))
        self.ours.expected[scope][name] = value
        found = project.of_device(self.ours.directory, who.kagi_home)
        for each, expected in self.ours.expected.items():
            demand(values_in(found, each) == expected, f"other values in {each} after kagi's change")


STEPS = (
    "set_values", "set_values", "set_values", "add_files", "merge", "rotate", "begin_rotation",
    "add_member", "add_member", "add_env",
)  # fmt: skip


def one(seed, counts):
    with tempfile.TemporaryDirectory() as root:
        ours = Ours(root, Chance(seed))
        ours.set_values()
        for step in ours.chance.choices(STEPS, k=ours.chance.randint(1, 8)):
            getattr(ours, step)()
        ours.writer.write(ours.directory)
        reading, founder = Reading(ours, counts), None
        for name, grants, who in ours.readers():
            founder = founder or who
            reading.read_as(name, grants, who)
        reading.doctor(founder)
        reading.members(founder)
        reading.change_by_kagi(founder)
        counts["epochs"] = max(counts["epochs"], ours.writer.roster.epoch.number)


def main(count, seed):
    counts = many(count, seed, "ours", one)
    print(
        f"assured: second: {count} random projects of the second implementation (seed {seed}) read by"
        " kagi:"
        f" {counts['readers']} readers, {counts['values']} values and files with equal bytes,"
        f" {counts['refusals']} scopes without grant refused, up to epoch {counts['epochs']};"
        f" doctor accepts each and names the {counts['problems']} problems that were put in; one value of each"
        " changed by kagi is read back"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
