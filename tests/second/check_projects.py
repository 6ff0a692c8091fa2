"""What a golden vector of a whole project asks of this reader: accepting, composing, a device's files."""

import tempfile
from pathlib import Path

import accept
import compose
import device
import keytexts
import names
import primitives as p
import project
import roster as rosters
from check_formats import shown_entry


def identity_of(given):
    anchors = (given.text("anchors") or "").split()
    return keytexts.Identity(given.hex("secret"), "", None, None, anchors)


def opened_by(given):
    files = given.get("kagi.json"), given.get("access.json")
    if given.get("project_key"):
        return accept.by_project_key(*files, given.hex("project_key"))
    if given.get("scope_key"):
        return accept.by_scope_key(files[1], keytexts.read_scope_key(given.text("scope_key")))
    known = None
    if given.get("known_epoch"):
        known = accept.Known(names.epoch(given.text("known_epoch")), given.hex("witness"))
    return accept.by_identity(
        *files, identity_of(given), known, confirm=lambda author: author.id == given.text("confirmed")
    )


def accepted(given):
    opened = opened_by(given)
    outputs = [("member", opened.member), ("epoch", str(opened.epoch))]
    outputs += [("full", "yes" if opened.full else "no")]
    if opened.state:
        outputs += [("state", opened.state.hex()), ("witness", opened.witness.hex())]
    for scope in (given.text("scopes") or "").split():
        key = opened.scope_key(*scope.split("/"))
        outputs.append((f"key {scope}", key.hex() if key else "none"))
    return outputs


def composed(given):
    opened = opened_by(given)
    p.demand(opened.full, "only a full member writes a roster")
    roster, bundle, rotation = opened.roster, opened.bundle, None
    if given.get("new epoch"):
        rotation = names.epoch(given.text("new epoch"))
        roster, bundle = compose.rotate(roster, bundle, rotation, given.hex("new project key"))
    for change in given.all("then"):
        roster = change_of(roster, change.decode().split(" "), rotation)
    said = p.hash32(given.get("kagi.json"))
    roster = roster._replace(
        sequence=roster.sequence + 1, author=opened.member, config=said, config_before=said
    )
    roster = compose.finish(
        roster, bundle, given.hex("secret"), opened.config.envs,
        lambda name: given.hex(f"ephemeral for {name}"),
    )  # fmt: skip
    data = rosters.write(roster)
    if rosters.read(data) != roster:
        raise AssertionError("what was written is read otherwise")
    return [("access.json", data)]


def change_of(roster, words, rotation):
    kind, who, *rest = words
    if kind == "admit":
        return compose.admit(roster, bytes.fromhex(who), rest[0], rest[1].split(","))
    if kind == "rename":
        return compose.rename(roster, who, rest[0])
    if kind == "grant":
        return compose.grant(roster, who, rest[0].split(","), rotation)
    return compose.remove(roster, who, rotation)


# device: files below a directory


def laid_out(given, directory):
    for name, content in given:
        if name.startswith("file "):
            path = Path(directory, name[5:])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(int(given.text("mode " + name[5:]) or "600", 8))


def on_device(given):
    with tempfile.TemporaryDirectory() as directory:
        laid_out(given, directory)
        return OPERATIONS[given.text("op")](given, directory, directory + "/home", directory + "/work/.kagi")


def identity(given, _directory, home, _kagi):
    data = device.read_private(Path(home, "identity.json"), device.IDENTITY_MOST)
    if data is None:
        return [("id", "none")]
    if given.text("op") == "identity":
        return [("id", names.id_of_key(device.read_identity(data)[1]))]
    return [("id", device.founders_identity(data).id)]


def checkout(_given, _directory, home, _kagi):
    (path,) = Path(home, "checkouts").iterdir()
    if path.name != device.checkout_name("/srv/app"):
        raise AssertionError("the checkout's file has another name")
    return [("project", device.read_checkout(path.read_bytes()))]


def remember_checkout(given, _directory, _home, _kagi):
    name = device.checkout_name("/srv/app")
    return [(f"file checkouts/{name}", given.text("project") + "\n")]


def holder(given, directory, _home, _kagi):
    start = "variable "
    held = device.holder(
        {
            name[len(start) :]: value.decode().replace("DIR", directory)
            for name, value in given
            if name.startswith(start)
        }
    )
    if held is None:
        return [("holder", "nobody")]
    if isinstance(held, bytes):
        return [("holder", "a project key")]
    return [("holder", held.id if isinstance(held, keytexts.Identity) else "a scope key")]


def request(given, _directory, _home, kagi):
    return [("name", device.request_in(kagi, given.text("id")).name)]


def requests(_given, _directory, _home, kagi):
    found = device.requests_in(kagi)
    return [(i, f"is called {r.name}") if r else ("refused", "NotCanonical") for i, r in found]


def open_project(given, _directory, home, kagi):
    found = project.of_device(kagi, home)
    if given.get("checkout"):
        p.demand(given.text("checkout") == found.opened.roster.project, "another project's checkout")
    outputs = [("kagi.json is behind", "yes")] if found.opened.behind else []
    scope = found.scope(*given.text("scope").split("/"), strict=given.get("strict") is not None)
    if scope is None and given.text("scope") not in found.pin.sequences:
        outputs.append(("scope", "none"))
    for name, items in scope.entries.items() if scope else []:
        outputs += [(f"key {name}", shown_entry(entry)) for entry, _ in items]
    if given.text("shows") == "the pin":
        outputs.append(("pin.json", device.write_pin(found.seen())))
    return outputs


OPERATIONS = {
    "identity": identity, "identity of a founder": identity, "checkout": checkout,
    "remember checkout": remember_checkout, "holder": holder, "request": request,
    "requests": requests, "open": open_project,
}  # fmt: skip
CHECKS = {"accept": accepted, "compose": composed, "device": on_device}
