"""As much of a container engine as tests/image.sh needs: the last stage of a Dockerfile, put together and run.

    image.py assemble DOCKERFILE ROOT CONTEXT [IMAGE=ROOT...]   COPY, and the stage's last RUN that fills /image
    image.py show ROOT WORD...                                  what it says: `show ROOT healthcheck`
    image.py run ROOT [-v FROM:TO[:ro]]... [--] [WORD...]       words in place of CMD; replaces this process

Reads what is in the Dockerfile, so that the test cannot drift from it, and refuses an instruction that it does
not know. `run` has a mount and a PID namespace, a root that is read-only and has no /proc, the
Dockerfile's USER, no capability, and no way to gain one. Needs root, unshare and mount.
"""
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys

KNOWN = "COPY USER VOLUME EXPOSE STOPSIGNAL ENTRYPOINT CMD HEALTHCHECK WORKDIR ENV"


def instructions(path):
    text = re.sub(r"(?m)^\s*#.*\n", "", open(path).read()).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def stages(path):
    """Name (or number) -> instructions, in order."""
    found = {}
    for word, rest in instructions(path):
        if word == "FROM":
            found[rest.split(" AS ")[-1] if " AS " in rest else len(found)] = []
        else:
            list(found.values())[-1].append((word, rest))
    return found


def fill(stage, root):
    """What the stage's last RUN puts into /image, from the files that its build left below WORKDIR."""
    work = root + next(rest for word, rest in stage if word == "WORKDIR")
    run = [rest for word, rest in stage if word == "RUN" and "/image" in rest][-1]
    subprocess.run(["sh", "-ec", run.replace("/image", root + "/image")], cwd=work, check=True)


def copy(source, target, into):
    if os.path.isdir(source):
        # As the engines do: a stage's files keep owner and mode.
        subprocess.run(["cp", "-a", source.rstrip("/") + "/.", target], check=True)
    else:
        shutil.copy(source, target + "/" + os.path.basename(source) if into else target)


def assemble(dockerfile, root, context, *images):
    images = dict(image.split("=", 1) for image in images)
    every = stages(dockerfile)
    for name, stage in every.items():
        if name in images:
            fill(stage, images[name])
    says = {"user": "0:0", "workdir": "/", "env": {"PATH": "/usr/local/bin:/usr/bin:/bin"}}
    os.makedirs(root, exist_ok=True)
    for word, rest in list(every.values())[-1]:
        if word not in KNOWN.split():
            sys.exit(f"image.py: unknown: {word}")
        if word == "COPY":
            words = rest.split()
            origin = images[words.pop(0)[len("--from="):]] if words[0].startswith("--") else context
            source, target = words
            to = root + os.path.join(says["workdir"], target)
            os.makedirs(to if source.endswith("/") or os.path.isdir(f"{origin}/{source}") else os.path.dirname(to), exist_ok=True)
            copy(f"{origin}/{source}", to, target.endswith("/"))
        elif word == "ENV":
            name, value = rest.split("=", 1)
            says["env"][name] = value
        elif word == "HEALTHCHECK":
            says["healthcheck"] = json.loads(rest[rest.index("CMD") + 3:])
        else:
            says[word.lower()] = json.loads(rest) if rest.startswith("[") else rest
        if word == "WORKDIR":
            os.makedirs(root + rest, exist_ok=True)
    json.dump(says, open(root + ".json", "w"))


def run(root, *words):
    words, volumes = list(words), []
    while words[:1] == ["-v"]:
        volumes.append(words[1])
        del words[:2]
    if words[:1] == ["--"]:
        words.pop(0)
    says = json.load(open(root + ".json"))
    for volume in volumes:
        source, target = volume.split(":")[:2]
        os.makedirs(root + (target if os.path.isdir(source) else os.path.dirname(target)), exist_ok=True)
        if os.path.isfile(source):
            open(root + target, "a").close()
    inside = json.dumps([root, volumes, says["entrypoint"] + (words or says.get("cmd", [])), says])
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, __file__, "inside", inside])


def inside(text):
    """The first process of the container, from here on."""
    root, volumes, words, says = json.loads(text)
    mount = lambda *options: subprocess.run(["mount", *options], check=True)
    mount("--bind", root, root)
    mount("-o", "remount,bind,ro", root)
    for volume in volumes:
        source, target, *how = volume.split(":")
        mount("--bind", source, root + target)
        if how:
            mount("-o", "remount,bind,ro", root + target)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    os.chroot(root)
    os.chdir(says["workdir"])
    for capability in range(64):
        prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; those that the kernel does not know fail
    user, group = map(int, says["user"].split(":"))
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    os.umask(0o022)
    os.execve(words[0], words, says["env"])


def show(root, name):
    said = json.load(open(root + ".json"))[name]
    print(" ".join(said) if isinstance(said, list) else said)


if __name__ == "__main__":
    {"assemble": assemble, "run": run, "inside": inside, "show": show}[sys.argv[1]](*sys.argv[2:])
