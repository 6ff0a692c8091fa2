"""Running kagi as somebody's device, with an environment of its own and no terminal."""

import os
import subprocess
from pathlib import Path

PROGRAM = os.environ.get("KAGI_BIN", "target/debug/kagi")
CLEAN = {"HOME", "PATH", "TERM", "LANG"}


class Device:
    def __init__(self, root, name, **variables):
        self.home = Path(root, name)
        self.kagi_home = self.home / "kagi"
        self.kagi_home.mkdir(parents=True, mode=0o700)
        self.variables = {
            "HOME": str(self.home), "KAGI_HOME": str(self.kagi_home), "USER": "somebody",
            "KAGI_DISABLE_KEYRING": "1", "LANG": "C.UTF-8", "PATH": os.environ["PATH"], **variables,
        }  # fmt: skip

    def run(self, directory, *words, text=b""):
        """Code, standard output and standard error."""
        done = subprocess.run(
            [os.path.abspath(PROGRAM), *words], cwd=directory, env=self.variables, input=text,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def ok(self, directory, *words, text=b""):
        code, out, err = self.run(directory, *words, text=text)
        if code != 0:
            raise AssertionError(f"kagi {' '.join(words)}: {code}\n{err}")
        return out

    def values(self, directory, service, env):
        """What `run` hands to a program, byte for byte."""
        out = self.ok(directory, "run", "-s", service, "-e", env, "--clean", "--", "env", "-0")
        pairs = dict(item.split(b"=", 1) for item in out.split(b"\0") if item)
        return {name.decode(): value for name, value in pairs.items() if name.decode() not in CLEAN}


def dotenv(values):
    """Lines that kagi reads as these values, which are UTF-8."""
    escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\r": "\\r"})
    return "".join(f'{name}="{value.decode().translate(escapes)}"\n' for name, value in values.items())
