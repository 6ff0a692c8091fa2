#!/usr/bin/env python3
"""Draws docs/pictures/*.svg: five pictures as data, and the little that lays them out.

    scripts/diagrams.py [DIR]     writes into DIR (default: docs/pictures)

The same pictures have the same bytes everywhere. Needs Python 3 alone. It refuses text that would
not fit in its box in a wide font. The pictures have a background of their own, follow the reader's
light or dark theme, and hold neither scripts nor anything from elsewhere."""

import pathlib
import sys
from html import escape

WIDTH = 640
LINE = 23  # from one line of text to the next
SIZES = {"t": 17, "b": 17, "m": 14.5, "s": 15}  # text, bold, monospace, small
ADVANCE = {"t": 0.53, "b": 0.57, "m": 0.61, "s": 0.53}  # of a wide font, in parts of the size

STYLE = """
text{font-family:-apple-system,"Segoe UI",Helvetica,Arial,"Liberation Sans",sans-serif;fill:#1f2328}
.t{font-size:17px}.b{font-size:17px;font-weight:600}.s{font-size:15px}.c{text-anchor:middle}
.m{font-size:14.5px;font-family:ui-monospace,Menlo,Consolas,"Liberation Mono",monospace}
.bg{fill:#fff}.plain{fill:#f6f8fa;stroke:#8c959f}.safe{fill:#dafbe1;stroke:#1a7f37}
.key{fill:#fff8c5;stroke:#9a6700}.who{fill:#ddf4ff;stroke:#0969da}.bad{fill:#ffebe9;stroke:#cf222e}
.l{fill:none;stroke:#59636e;stroke-width:2}.d{stroke-dasharray:6 5}.h{fill:#59636e}.e{fill:none;stroke:#d1d9e0}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.bg{fill:#0d1117}
.plain{fill:#151b23;stroke:#656c76}.safe{fill:#12261e;stroke:#3fb950}.key{fill:#272115;stroke:#d29922}
.who{fill:#121d2f;stroke:#4493f8}.bad{fill:#25171c;stroke:#f85149}
.l{stroke:#9198a1}.h{fill:#9198a1}.e{stroke:#3d444d}}
"""


class Picture:
    """Shapes on a canvas of one width; it grows downwards."""

    def __init__(self, title, description):
        self.title, self.description, self.parts, self.bottom = title, description, [], 0

    def words(self, x, y, line, centred=False, room=WIDTH):
        """One line of text: `*` first makes it bold, a backtick monospace, `-` small."""
        kind = {"*": "b", "`": "m", "-": "s"}.get(line[0], "t")
        text = line if kind == "t" else line[1:]
        needs = len(text) * SIZES[kind] * ADVANCE[kind]
        if needs > room:
            sys.exit(f"diagrams: {text!r} needs {needs:.0f} of {room}")
        middle = " c" if centred else ""
        self.parts.append(f'<text class="{kind}{middle}" x="{x}" y="{y}">{escape(text)}</text>')
        self.bottom = max(self.bottom, y + 8)
        return needs

    def box(self, kind, x, y, width, *lines):
        """A box as high as its lines."""
        height = LINE * len(lines) + 18
        self.parts.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>')
        for number, line in enumerate(lines):
            self.words(x + 12, y + 27 + LINE * number, line, room=width - 24)
        self.bottom = max(self.bottom, y + height)

    def arrow(self, start, end, label="", dashed=False):
        """A level or upright line with a head at its end, and the label above or across it."""
        (x1, y1), (x, y) = start, end
        dx, dy = (x > x1) - (x < x1), (y > y1) - (y < y1)
        path = f"M{x1} {y1}L{x - 8 * dx} {y - 8 * dy}"
        self.parts.append(f'<path class="l{" d" if dashed else ""}" d="{path}"/>')
        back, side = (x - 10 * dx, y - 10 * dy), (6 * dy, 6 * dx)
        self.parts.append(
            f'<path class="h" d="M{x} {y}L{back[0] - side[0]} {back[1] - side[1]}'
            f'L{back[0] + side[0]} {back[1] + side[1]}z"/>')
        if label and y1 == y:
            self.words((x1 + x) // 2, y - 9, label, True, abs(x - x1))
        elif label:
            self.on_line(x, (y1 + y) // 2, label)

    def on_line(self, x, y, label):
        """A label across a vertical line, on a piece of background."""
        place = len(self.parts)
        needs = int(self.words(x, y + 5, label, True)) + 8
        self.parts.insert(
            place, f'<rect class="bg" x="{x - needs // 2}" y="{y - 12}" width="{needs}" height="24"/>')

    def lanes(self, y, end, *heads):
        """The heads of a sequence of steps, each over its own line down to `end`."""
        for x, width, kind, line in heads:
            self.parts.append(f'<path class="e" d="M{x} {y + 41}V{end}"/>')
            self.parts.append(
                f'<rect class="{kind}" x="{x - width // 2}" y="{y}" width="{width}" height="41" rx="8"/>')
            self.words(x, y + 27, line, True, width - 12)

    def svg(self):
        height = self.bottom + 20
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" '
            f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="desc">{escape(self.description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="bg" width="{WIDTH}" height="{height}" rx="10"/>',
            *self.parts,
            "</svg>\n",
        ])


def overview():
    p = Picture(
        "kagi at a glance",
        "kagi import takes the values of .env files into encrypted scopes below .kagi, in Git or on a "
        "server. kagi run starts a program with them in its environment. Member devices can open the "
        "scopes, a CI key only its own; a Git host or server has no key.")
    p.box("bad", 20, 20, 160, "*.env files", "plain values", "on every disk")
    p.arrow((180, 64), (310, 64), label="`kagi import")
    p.box("safe", 310, 20, 310, "*.kagi/ in Git, or on a server",
          "`api/development: encrypted", "`api/production: encrypted", "`web/production: encrypted")
    p.arrow((465, 130), (465, 210), label="`kagi run api production ./server")
    p.box("plain", 310, 210, 310, "*your program", "values in its environment,", "no plain file on disk")
    p.words(20, 330, "*Who can open a scope")
    p.box("who", 20, 345, 190, "*a full member", "a key on each", "device: all scopes")
    p.box("who", 225, 345, 190, "*CI, a limited key", "only its own,", "api/production")
    p.box("bad", 430, 345, 190, "*Git host, server", "no key: names and", "sizes, no value")
    return p


def git():
    p = Picture(
        "Secrets on two branches",
        "Two branches write the same scope; each leaves its own encrypted box. Git's union merge keeps "
        "both boxes. The next read joins them: different keys are both there; two values for one key "
        "are a conflict that run and get KEY refuse until kagi resolve chooses.")
    p.box("safe", 160, 20, 320, "*api/production.enc", "`box 1: PORT=80, TOKEN=old")
    p.arrow((230, 84), (230, 124))
    p.arrow((410, 84), (410, 124))
    p.box("who", 20, 124, 290, "*branch main", "`kagi set api ... PORT 81", "`box 2, after box 1")
    p.box("who", 330, 124, 290, "*branch feature", "`kagi set api ... TOKEN new", "`box 3, after box 1")
    p.arrow((230, 211), (230, 251))
    p.arrow((410, 211), (410, 251))
    p.box("plain", 80, 251, 480, "*git merge: the built-in union keeps both lines",
          "`box 2 ...", "`box 3 ...")
    p.arrow((320, 338), (320, 378))
    p.box("safe", 80, 378, 480, "*kagi reads and joins both, key by key",
          "different keys, as here: PORT=81, TOKEN=new;", "the next write leaves one box")
    p.arrow((320, 465), (320, 533), label="`two values for one key")
    p.box("bad", 80, 533, 480, "*conflict: run and get KEY refuse, no guess",
          "both authors and times are named")
    p.arrow((320, 597), (320, 665), label="`kagi resolve api production")
    p.box("safe", 80, 665, 480, "*somebody chooses; one box is left")
    return p


def server():
    p = Picture(
        "A server, from its first start to the first push",
        "The first start prints a fingerprint and the administrator's token. The administrator logs in. "
        "A member asks for the project to be taken; the administrator approves it and hands the "
        "project's token over. The member pulls and pushes. The server holds no key.")
    admin, box, member = 100, 320, 540
    p.lanes(20, 570, (admin, 160, "who", "*administrator"), (box, 160, "plain", "*server"),
            (member, 160, "who", "*member"))
    p.box("plain", 175, 80, 290, "`kagi serve --store DIR", "prints a fingerprint and the",
          "administrator's token, once")
    p.words(20, 200, "`kagi remote login")
    p.words(20, 222, "-token; pins the fingerprint")
    p.arrow((admin, 234), (box, 234))
    p.words(350, 268, "`kagi project join --remote URL")
    p.words(350, 290, "-compares the fingerprint, y")
    p.arrow((member, 302), (box, 302))
    p.words(20, 336, "`kagi project approve kgp_...")
    p.arrow((admin, 348), (box, 348))
    p.words(20, 382, "-prints the project's token")
    p.arrow((box, 394), (admin, 394))
    p.arrow((admin, 442), (member, 442), dashed=True)
    p.words(box, 433, "-the token, by another way than the server", True)
    p.words(350, 482, "`kagi pull -")
    p.words(350, 504, "-pastes the token")
    p.arrow((box, 516), (member, 516))
    p.words(350, 546, "`kagi push")
    p.arrow((member, 558), (box, 558))
    p.box("safe", 20, 590, 290, "*what the server sees", "names of members, services,",
          "environments, keys and files;", "sizes, times, token hashes")
    p.box("key", 330, 590, 290, "*what it never has", "a value or a file's content,",
          "the project key, or any other", "that opens a scope")
    return p


def team():
    p = Picture(
        "A new member, and one who leaves",
        "A new device writes a request and tells its id by a second channel. A member approves that id, "
        "which wraps the keys for the device. After a pull the device opens the project. To remove it a "
        "member makes a new key and encrypts everything anew.")
    new, repo, old = 100, 320, 540
    p.lanes(20, 416, (new, 160, "who", "*Ben, new"), (repo, 160, "plain", "*Git or server"),
            (old, 160, "who", "*Ann, member"))
    p.words(20, 92, "`kagi member join")
    p.words(20, 114, "-a request: name, public key")
    p.arrow((new, 126), (repo, 126))
    p.arrow((new, 174), (old, 174), dashed=True)
    p.words(repo, 165, "-the id kgm_..., by a call or a trusted chat", True)
    p.words(350, 208, "`kagi member approve kgm_...")
    p.words(350, 230, "-wraps the keys for that id")
    p.arrow((old, 242), (repo, 242))
    p.words(20, 276, "`git pull, or kagi pull")
    p.arrow((repo, 288), (new, 288))
    p.words(20, 322, "`kagi get")
    p.words(20, 344, "-shows Ann's id once: compare, y")
    p.words(20, 380, "`kagi run api ./server")
    p.words(20, 402, "-opens what was granted")
    p.words(20, 444, "*Ben leaves")
    p.box("who", 20, 460, 290, "`kagi member del kgm_...", "Ann makes a new project key", "(epoch); each scope encrypted", "anew; no wrap for Ben")
    p.arrow((310, 515), (330, 515))
    p.box("bad", 330, 460, 290, "*Ben", "opens nothing written later;", "what he has read stays known,",
          "and is listed until changed")
    return p


def keys():
    p = Picture(
        "The keys of a project",
        "The device key opens its wrap in access.json, which holds the project key for a full member and "
        "keys of its grants for a limited one. From the project key follow the keys of environments and "
        "scopes, of the roster and its witnesses, and of sync manifests. Labels as in src/crypto/kdf.rs.")
    p.box("who", 20, 20, 600, "*Device key: X25519, one for each device (0600 or keychain)",
          "member id: kgm_ and 20 symbols of H(public key)")
    p.arrow((320, 84), (320, 148), label="`kagi 2026 v1 wrap: DH(ephemeral, device), project, epoch")
    p.box("safe", 20, 148, 600, "*Wrap in access.json, one for each member",
          "full member: PK, and K_roster of up to 15 epochs before",
          "limited: K_state, own W, and K_env or K_scope of its grants")
    p.arrow((320, 235), (320, 270))
    p.box("key", 20, 270, 600, "*PK, the project key: 32 random bytes for each epoch",
          "what follows from it is bound to project id and epoch")
    for x, label in ((115, "env"), (320, "roster"), (525, "state")):
        p.arrow((x, 334), (x, 398), label=f"`kagi 2026 v1 {label}")
    p.box("key", 20, 398, 190, "*K_env", "an environment")
    p.box("key", 225, 398, 190, "*K_roster", "full members only")
    p.box("key", 430, 398, 190, "*K_state", "every member")
    p.arrow((115, 462), (115, 526), label="`kagi 2026 v1 scope")
    p.arrow((320, 462), (320, 526), label="`kagi 2026 v1 witness")
    p.arrow((525, 462), (525, 526))
    p.box("key", 20, 526, 190, "*K_scope", "service, env, and", "values or files")
    p.box("key", 225, 526, 190, "*W, of a member", "-also in its wrap;", '-W of "": the seal')
    p.box("safe", 430, 526, 190, "*MAC of manifests", "-what a server has,", "-as one state")
    p.arrow((115, 613), (115, 648))
    p.arrow((320, 613), (320, 648))
    p.box("safe", 20, 648, 190, "*a box", "XChaCha20-Poly1305", "of all the entries")
    p.box("safe", 225, 648, 190, "*MAC of the roster", "-witnesses and seal", "-of access.json")
    p.words(20, 766, "*From Diffie-Hellman alone, without PK")
    for y, label, what in ((776, "intro", "introduction: author and member"),
                           (825, "token", "a server's token, sealed to a member"),
                           (874, "request", "to a server: its pinned key, ephemeral"),
                           (923, "response", "as before, and both ephemeral keys")):
        p.box("plain", 20, y, 230, f"`kagi 2026 v1 {label}")
        p.words(265, y + 27, what, room=WIDTH - 285)
    return p


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent.parent / "docs" / "pictures"
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    for draw in (overview, git, server, team, keys):
        (target / f"{draw.__name__}.svg").write_bytes(draw().svg().encode())
