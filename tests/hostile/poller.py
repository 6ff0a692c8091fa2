"""Looks, as another user would, for texts that must not be seen.

    python3 -I -c "$(cat poller.py)" DIRECTORY...

The texts are the first lines of standard input, up to an empty one. It says "ready", and then looks at each
process that begins and at each file below the directories, again and again until its input ends. Of a
process it tries all that the system may show: arguments, environment, names, maps, descriptors. At the end
it prints what it did, a line each:

    reads COUNT      what could be read
    refused COUNT    what could not
    process ID       a process whose arguments were read
    hit KIND NAME    a text was there: in what of which program, or in which file
"""

import os
import stat
import sys

FILES = (
    "cmdline environ comm status stat statm maps smaps numa_maps auxv limits io sched wchan stack syscall "
    "mem task/{}/comm task/{}/cmdline task/{}/environ"
)
LINKS = ("cwd", "exe", "root")
BYTES_MAX = 1 << 20
FILES_EACH = 8  # rounds


class Looker:
    def __init__(self, texts, places):
        self.texts, self.places = texts, places
        self.reads, self.refused, self.processes, self.hits = 0, 0, set(), set()
        self.before = set(processes())

    def attempt(self, kind, name, read, path):
        """Reads something and looks for the texts; b"" if it cannot be read."""
        try:
            content = read(path)
        except PermissionError:
            self.refused += 1
            return b""
        except OSError:  # It has ended, or is no file.
            return b""
        self.reads += 1
        if any(text in content for text in self.texts):
            self.hits.add(f"{kind} {name()}")
        return content

    def look(self, has_time):
        for process in processes():
            if process not in self.before:
                self.look_at(process)
        for place in self.places if has_time else ():
            self.look_below(place)

    def look_at(self, process):
        home = f"/proc/{process}/"

        def name():
            try:
                return read_file(home + "comm").decode().strip()
            except OSError:
                return "?"

        for file in FILES.format(process, process, process).split():
            if self.attempt(file, name, read_file, home + file) and file == "cmdline":
                self.processes.add(process)
        for link in LINKS:
            self.attempt(link, name, read_link, home + link)
        for number in self.names(home + "fd"):
            self.attempt("fd", name, read_link, f"{home}fd/{number}")
            self.attempt("fd", name, read_file, f"{home}fd/{number}")

    def look_below(self, place):
        for name in self.names(place):
            path = os.path.join(place, name)
            if os.path.isdir(path) and not os.path.islink(path):
                self.look_below(path)
            else:
                self.attempt("file", lambda: path, read_file, path)

    def names(self, directory):
        try:
            return os.listdir(directory)
        except PermissionError:
            self.refused += 1
        except OSError:
            pass
        return []


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read_file(path):
    # Without a wait, where a FIFO is.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        is_ours = path.startswith("/proc/")
        if not is_ours and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.read(descriptor, BYTES_MAX)
    finally:
        os.close(descriptor)


def read_link(path):
    return os.fsencode(os.readlink(path))


def has_ended():
    try:
        return not os.read(0, 1)
    except BlockingIOError:
        return False


def main():
    texts = []
    while (line := sys.stdin.buffer.readline().strip()):
        texts.append(line)
    looker = Looker(texts, sys.argv[1:])
    print("ready", flush=True)
    os.set_blocking(0, False)
    rounds = 0
    while not has_ended():
        # Files stay longer than processes.
        looker.look(rounds % FILES_EACH == 0)
        rounds += 1
    looker.look(True)
    print(f"reads {looker.reads}\nrefused {looker.refused}")
    for process in sorted(looker.processes):
        print("process", process)
    for hit in sorted(looker.hits):
        print("hit", hit)


main()
