#!/usr/bin/env python3
"""Makes tables of what scripts/bench.sh measured; with --write those of docs/BENCHMARKS.md and its plots.

    scripts/bench.py DIR [--write]

DIR holds a file for each group, with tabs: NAME:COUNT and nanoseconds, one line a run (run, write, growth,
peers); NAME and counts (calls, peak); what and how it is here (machine); NAME and version, which is empty
if it is not installed (tools). The goals stand here; nothing fails that misses one. Needs Python 3 alone."""

import math
import pathlib
import statistics
import sys

sys.dont_write_bytecode = True
from diagrams import WIDTH, Picture  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "BENCHMARKS.md"

# What a run takes at most, as a multiple of /bin/true.
RUN_GOALS = {1: 1.6, 20: 1.7, 200: 2.2, 2000: 6.5}
# What a command takes at most, as a multiple of its floor.
FLOOR_GOALS = {
    "set:10": 1.55, "set:1000": 1.8, "set:10000": 2.3, "import:1000": 2.5, "import:10000": 3.6,
    "get:1000": 3.3, "get:10000": 5.5, "export:1000": 3.3, "export:10000": 4.4, "rotate:5000": 1.5,
    "rotate-twice:5000": None,
}
CALLS_GOAL = 70  # of a run with 20 secrets, those of /bin/true with them
PEAK_KIB_GOAL = 1536
PRINTS_GOAL = 1  # writes to standard output

PROGRAMS = {"true": "/bin/true alone", "c": "C program", "musl": "C program, musl", "kagi": "kagi run", "dash": "dash", "bash": "bash"}
COMMANDS = {"set": "`kagi set`", "import": "`kagi import --force`", "get": "`kagi get`",
            "export": "`kagi export`", "rotate": "`kagi key rotate`, 100 scopes",
            "rotate-twice": "the same, beside a floor that writes twice"}
GROWING = {"run": "`kagi run`", "c": "C program, as floor of run", "set": "`kagi set`", "get": "`kagi get`",
           "export": "`kagi export`"}
PEERS = {
    "true": "/bin/true alone", "kagi": "`kagi run`, becomes /bin/true",
    "age": "`age -d`, writes the file to standard output", "direnv": "`direnv exec` of a plain file, becomes /bin/true",
    "sops": "`sops exec-env` of a file for an age key, starts /bin/true by a shell",
    "dotenvx": "`dotenvx run` of an encrypted file, starts /bin/true",
}


class Times:
    """All runs of one command; in milliseconds."""

    def __init__(self, nanoseconds):
        self.sorted = sorted(value / 1e6 for value in nanoseconds)
        self.median = statistics.median(self.sorted)

    def percentile(self, part):
        """The nearest rank."""
        rank = math.ceil(part / 100 * len(self.sorted))
        return self.sorted[max(rank, 1) - 1]

    def cells(self):
        return [number(self.percentile(10)), number(self.median), number(self.percentile(90))]

    def spread(self):
        low, median, high = self.cells()
        return f"{median} ({low}–{high})"


def number(value):
    """Three digits, and no more of them than were measured."""
    return f"{value:,.{max(0, min(3, 2 - math.floor(math.log10(value))))}f}" if value > 0 else "0"


def lines(directory, name):
    """The rows of a file; none if it was not measured."""
    path = directory / name
    return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []


def times(directory, name):
    found = {}
    for command, value in lines(directory, name):
        found.setdefault(command, []).append(int(value))
    return {command: Times(values) for command, values in found.items()}


def table(head, rows, words=1):
    """Markdown, with columns that line up; the first ones hold words, the others numbers."""
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    padded = [" | ".join(cell.ljust(width) if at < words else cell.rjust(width)
                         for at, (cell, width) in enumerate(zip(row, widths))) for row in [head, *rows]]
    rule = "|".join("-" * (width + 1) + ("-" if at < words else ":") for at, width in enumerate(widths))
    return "\n".join(f"| {row} |" for row in padded[:1]) + f"\n|{rule}|\n" + "\n".join(
        f"| {row} |" for row in padded[1:])


class Goals:
    """Which goals there are beside a table, and which are missed."""

    def __init__(self):
        self.count, self.missed = 0, []

    def cell(self, what, value, goal, shown=None):
        """The goal as a cell; empty if there is none."""
        if goal is None:
            return ""
        self.count += 1
        if round(value, 2) > goal:
            self.missed.append(f"{what} ({shown or number(value)}, goal {goal:,})")
        return f"≤ {goal:,}"

    def sentence(self):
        if not self.count:
            return ""
        if not self.missed:
            return f"\n\nAll {self.count} goals are met."
        return f"\n\nMissed, {len(self.missed)} of {self.count} goals: " + "; ".join(self.missed) + "."


def runs(found):
    """How often each command of a group was run."""
    counts = sorted({len(one.sorted) for one in found.values()})
    return f"{' or '.join(map(str, counts))} runs of each."


def by_count(found, name):
    """The commands NAME:COUNT, with their counts as numbers."""
    return {int(key.split(":")[1]): value for key, value in found.items() if key.split(":")[0] == name}


# The groups.

def machine(directory):
    return table(["what", "here"], lines(directory, "machine"), words=2)


def run(directory):
    found = times(directory, "run")
    floor = found["true:0"].median
    goals = Goals()
    rows = [[PROGRAMS["true"], "0", *found["true:0"].cells(), "1", ""]]
    for count, goal in RUN_GOALS.items():
        for name in PROGRAMS:
            one = found.get(f"{name}:{count}")
            if one:
                ratio = one.median / floor
                goal_of = goals.cell(f"a run with {count:,}", ratio, goal if name == "kagi" else None)
                rows.append([PROGRAMS[name], f"{count:,}", *one.cells(), f"{ratio:.2f}", goal_of])
    head = ["program", "secrets", "p10, ms", "median, ms", "p90, ms", "× /bin/true", "goal"]
    return table(head, rows) + goals.sentence() + " " + runs(found)


def write(directory):
    found = times(directory, "write")
    found["rotate-twice:5000"] = found["rotate:5000"]
    goals = Goals()
    rows = []
    for key, goal in FLOOR_GOALS.items():
        name, count = key.split(":")
        one, floor, musl = found[key], found[f"floor of {key}"], found.get(f"musl floor of {key}")
        ratio = one.median / floor.median
        goal = goals.cell(f"{name} of {int(count):,} keys", ratio, goal)
        rows.append([COMMANDS[name], f"{int(count):,}", one.spread(), floor.spread(), f"{ratio:.2f}", goal,
                     f"{one.median / musl.median:.2f}" if musl else "–"])
    head = ["command", "keys", "ms", "floor, ms", "× floor", "goal", "× musl floor"]
    return table(head, rows) + goals.sentence() + " " + runs(found)


def fit(points):
    """a and b of time = a + b·n, by least squares of the relative deviation, so that ten keys count as much
    as twenty thousand; R² of the times; the largest relative deviation and its n."""
    weight = {n: 1 / t ** 2 for n, t in points.items()}
    total = sum(weight.values())
    mean_n = sum(weight[n] * n for n in points) / total
    mean_t = sum(weight[n] * t for n, t in points.items()) / total
    b = (sum(weight[n] * (n - mean_n) * (t - mean_t) for n, t in points.items())
         / sum(weight[n] * (n - mean_n) ** 2 for n in points))
    a = mean_t - b * mean_n
    mean = statistics.mean(points.values())
    left = sum((t - a - b * n) ** 2 for n, t in points.items())
    squared = 1 - left / sum((t - mean) ** 2 for t in points.values())
    worst = max(points, key=lambda n: abs(points[n] / (a + b * n) - 1))
    return a, b, squared, points[worst] / (a + b * worst) - 1, worst


def growth(directory):
    found = times(directory, "growth")
    rows = []
    for name, shown in GROWING.items():
        points = {count: one.median for count, one in by_count(found, name).items()}
        a, b, squared, deviation, where = fit(points)
        rows.append([shown, f"{a:.2f}", f"{b * 1000:.2f}", f"{squared:.4f}", f"{deviation:+.0%} at {where:,}"])
    counts = ", ".join(f"{count:,}" for count in sorted(by_count(found, "run")))
    head = ["command", "a, ms", "b, µs a key", "R²", "largest deviation"]
    return table(head, rows) + f"\n\nThe medians at {counts} keys; {runs(found)}"


def calls(directory):
    counted = {row[0]: list(map(int, row[1:])) for row in lines(directory, "calls")}
    peaks = {row[0]: int(row[1]) for row in lines(directory, "peak")}
    goals = Goals()
    rows = []
    for name in counted or peaks:
        cells = list(map(str, counted.get(name, []))) or ["–"] * 4
        if name == "kagi run" and counted:
            cells[0] += ", " + goals.cell("system calls of a run", counted[name][0], CALLS_GOAL)
        if name.startswith("kagi") and counted and counted[name][3]:
            cells[3] += ", " + goals.cell(f"writes of {name}", counted[name][3], PRINTS_GOAL)
        peak = f"{peaks[name]:,}" if name in peaks else "–"
        if name == "kagi run" and name in peaks:
            goal = goals.cell("memory of a run", peaks[name], PEAK_KIB_GOAL, f"{peaks[name]:,} KiB")
            peak += f", {goal}"
        rows.append([name, *cells, peak])
    head = ["20 secrets", "system calls", "files opened", "syncs", "writes to stdout", "peak memory, KiB"]
    return table(head, rows) + goals.sentence()


def peers(directory):
    found = times(directory, "peers")
    tools = lines(directory, "tools")
    floor = found["true:20"].median
    rows = []
    for key, one in sorted(found.items(), key=lambda item: item[1].median):
        rows.append([PEERS[key.split(":")[0]], *one.cells(), f"{one.median / floor:.1f}"])
    absent = [name for name, version in tools if not version]
    versions = [f"{name} {version}" for name, version in tools if version]
    text = table(["20 secrets", "p10, ms", "median, ms", "p90, ms", "× /bin/true"], rows)
    text += f"\n\n{runs(found)}" + (f" Versions: {', '.join(versions)}." if versions else "")
    return text + (f" Not installed, so not measured: {', '.join(absent)}." if absent else "")


GROUPS = {"machine": machine, "run": run, "write": write, "growth": growth, "calls": calls, "peers": peers}


# The plots: both axes logarithmic, a point at each median, a line from the 10th to the 90th percentile.

KINDS = {"kagi": "safe", "run": "safe", "c": "key", "true": "plain", "musl": "key", "dash": "who", "bash": "bad",
         "set": "bad", "get": "who", "export": "plain"}


class Plot(Picture):
    LEFT, RIGHT, TOP, BOTTOM = 72, 490, 56, 400
    APART = 22  # labels, at least

    def __init__(self, title, description, counts, values):
        super().__init__(title, description)
        self.first, self.last = min(counts), max(counts)
        self.low, self.high = min(values) / 1.15, max(values) * 1.15
        self.labels = []
        self.axes(sorted(counts))

    def x(self, count):
        part = math.log(count / self.first) / math.log(self.last / self.first)
        return round(self.LEFT + 12 + part * (self.RIGHT - self.LEFT - 24), 1)

    def y(self, value):
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.BOTTOM - part * (self.BOTTOM - self.TOP), 1)

    def axes(self, counts):
        self.words(20, 32, "*" + self.title)
        for power in range(-3, 5):
            for digit in (1, 2, 5):
                value = digit * 10 ** power
                if self.low <= value <= self.high:
                    y = self.y(value)
                    self.parts.append(f'<path class="e" d="M{self.LEFT} {y}H{self.RIGHT}"/>')
                    self.words(20, y + 5, f"-{value:g} ms")
        shown = self.LEFT - 100
        for count in counts:
            x = self.x(count)
            self.parts.append(f'<path class="l" d="M{x} {self.BOTTOM}V{self.BOTTOM + 5}"/>')
            if x - shown >= 50:
                shown = x
                self.words(x, self.BOTTOM + 24, f"-{count:,}", True)
        self.parts.append(f'<path class="l" d="M{self.LEFT} {self.BOTTOM}H{self.RIGHT}"/>')

    def path(self, kind, points, dashed=False):
        path = "L".join(f"{self.x(n)} {self.y(value)}" for n, value in points)
        more = " d" if dashed else ""
        self.parts.append(f'<path class="{kind}{more}" style="fill:none;stroke-width:2" d="M{path}"/>')

    def point(self, kind, count, one):
        x = self.x(count)
        low, high = (max(self.low, min(self.high, one.percentile(part))) for part in (10, 90))
        self.parts.append(f'<path class="{kind}" style="stroke-width:2" d="M{x} {self.y(low)}V{self.y(high)}"/>')
        self.parts.append(f'<circle class="{kind}" cx="{x}" cy="{self.y(one.median)}" r="4"/>')

    def label(self, kind, value, text):
        self.labels.append((self.y(value), kind, text))

    def svg(self):
        """Labels stand beside the ends of their lines, moved down where they would touch."""
        below = 0
        for y, kind, text in sorted(self.labels):
            below = round(max(y + 5, below + self.APART), 1)
            x = self.RIGHT + 6
            self.parts.append(f'<path class="{kind}" style="stroke-width:4" d="M{x} {below - 5}h12"/>')
            self.words(x + 18, below, f"-{text}", room=WIDTH - x - 18)
        self.bottom = max(self.bottom, self.BOTTOM + 50)
        return super().svg()


def draw_run(directory):
    found = times(directory, "run")
    kept = [one.median for one in found.values()]
    plot = Plot("Starting a program with so many secrets",
                "Milliseconds from the start of the command to the end of /bin/true, which it becomes, "
                "by the number of secrets: kagi run, and dash, bash and a C program that read them from a "
                "plain file. " + said(found, PROGRAMS), RUN_GOALS, kept)
    for name, shown in PROGRAMS.items():
        points = by_count(found, name)
        if name == "true":
            points = {count: points[0] for count in RUN_GOALS}
        if not points:
            continue
        plot.path(KINDS[name], [(n, one.median) for n, one in sorted(points.items())], name == "musl")
        for count, one in points.items():
            plot.point(KINDS[name], count, one)
        plot.label(KINDS[name], points[max(points)].median, shown)
    return plot.svg()


def draw_growth(directory):
    found = times(directory, "growth")
    plot = Plot("Growth with the number of keys",
                "Milliseconds by the number of keys in a scope. Points are medians, lines a + b·n as fitted. "
                + said(found, GROWING), sorted(by_count(found, "run")), [one.median for one in found.values()])
    for name, shown in GROWING.items():
        points = by_count(found, name)
        a, b, *_ = fit({count: one.median for count, one in points.items()})
        steps = [plot.first * (plot.last / plot.first) ** (at / 40) for at in range(41)]
        plot.path(KINDS[name], [(n, max(plot.low, a + b * n)) for n in steps])
        for count, one in points.items():
            plot.point(KINDS[name], count, one)
        plot.label(KINDS[name], points[max(points)].median, shown.replace("`", "").split(",")[0])
    return plot.svg()


def said(found, names):
    """The medians in words, for those who do not see the picture."""
    series = []
    for name, shown in names.items():
        points = sorted(by_count(found, name).items())
        if points:
            values = ", ".join(number(one.median) for _, one in points)
            series.append(f"{shown.replace('`', '')}: {values}")
    return "Medians: " + "; ".join(series) + "."


def page(text, tables):
    """The page with each table that it asks for."""
    kept, skipping = [], False
    for line in text.splitlines():
        if line == "<!-- end of table -->":
            skipping = False
        if not skipping:
            kept.append(line)
        if line.startswith("<!-- table: "):
            kept.append(tables.pop(line.split()[2]))
            skipping = True
    if skipping or tables:
        sys.exit(f"{PAGE}: a table does not end, or is not asked for: {', '.join(tables)}")
    return "\n".join(kept) + "\n"


def main():
    directory = pathlib.Path(sys.argv[1])
    is_measured = {name: (directory / name).exists() for name in GROUPS}
    is_measured["calls"] |= (directory / "peak").exists()
    tables = {name: make(directory) for name, make in GROUPS.items() if is_measured[name]}
    for name, text in tables.items():
        print(f"\n-- {name}\n\n{text}")
    if "--write" in sys.argv[2:]:
        PAGE.write_text(page(PAGE.read_text(), tables))
        (ROOT / "docs" / "bench-run.svg").write_text(draw_run(directory))
        (ROOT / "docs" / "bench-growth.svg").write_text(draw_growth(directory))


if __name__ == "__main__":
    main()
