"""Random names and values of every form that docs/FORMAT.md allows, from a seed."""

import random

import names
import primitives as p

PLACE = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_-."
KEY = "abcdefghijklmnopqrstuvwxyzABCDEFXYZ0123456789_-."
# Text with all that a .env file, a shell, JSON and a terminal treat in some way of their own.
TEXT = "abc XYZ019='\"\\$`{}#!%&;|<>()[]\n\r\t\x01\x1b\x7f,.:@/é漢😀\u200b\u2028\ufeff"
NAME = "abcXYZ019 ='\"\\$#é漢😀-_"
PART = "abcdefgXYZ019 _-.()[]'#$%&+,;=@!{}"


class Chance(random.Random):
    def allowed(self, read, make):
        """What `make` draws until `read` takes it."""
        while True:
            try:
                return read(make())
            except p.Refused:
                continue

    def text(self, symbols, least, most):
        return "".join(self.choices(symbols, k=self.randint(least, most)))

    def places(self, count, besides=()):
        """Names of services or environments that differ by more than case from each other."""
        found = []
        while len(found) < count:
            most = self.choice((3, 12, 64))
            name = self.allowed(names.place, lambda: self.text(PLACE, 1, most))
            if name.lower() not in [other.lower() for other in [*found, *besides]]:
                found.append(name)
        return found

    def key(self):
        """No name that a program or kagi gives a meaning: it begins with two letters that none has."""
        return names.key(self.choice(("zq", "_Q", "Qz")) + self.text(KEY, 1, self.choice((6, 20, 254))))

    def member(self):
        return self.allowed(names.member, lambda: self.text(NAME, 1, 12))

    def description(self):
        return self.choice(("", self.text(NAME, 0, 40)))

    def string(self):
        """A value that is UTF-8."""
        most = self.choice((0, 1, 10, 60, 60, 400, 5000))
        return self.text(TEXT, min(most, 1), most).encode()

    def value(self):
        """Any value: in a third of the cases bytes, which may be no UTF-8."""
        if self.randrange(3):
            return self.string()
        return self.randbytes(self.choice((1, 8, 300, 30_000))).replace(b"\0", b"\1")

    def content(self):
        """The content of a stored file."""
        return self.randbytes(self.choice((0, 1, 255, 256, 4000, 60_000)))

    def stored_file(self, taken=()):
        """The name of a file that fits into one directory with those that are there."""
        first = f"file{len(taken)}"
        draw = lambda: [self.text(PART, 1, 12) for _ in range(self.randint(1, 3))]
        return self.allowed(names.stored_file, lambda: "/".join([first, *draw()]))

    def grants(self, services, envs):
        """Grants of a limited member."""
        make = (
            lambda: f"{self.choice(services)}/{self.choice(envs)}",
            lambda: f"{self.choice(services)}/*",
            lambda: f"*/{self.choice(envs)}",
        )
        return sorted({self.choice(make)() for _ in range(self.randint(1, 3))})
