"""kagi.json, docs/FORMAT.md 6."""

import re
from collections import namedtuple

import canonical as c
import names
import primitives as p

MOST = 64 * 1024
NAMES = ("format", "project", "envs", "default_env", "nested", "default_service", "paths", "sync")

Config = namedtuple("Config", NAMES[1:])


def read(data):
    form, project, envs, default_env, nested, default_service, paths, sync = c.members(
        c.read(data, MOST), *NAMES
    )
    c.is_one(form)
    names.project_id(c.text(project))
    check_envs(envs)
    p.demand(c.text(default_env) in envs, "the default environment is not listed")
    c.flag(nested)
    if c.text(default_service):
        names.no_env(names.place(default_service), envs)
    check_paths(paths, envs)
    p.demand(re.fullmatch("[!-~]{0,1024}", c.text(sync)), "no address")
    return Config(project, envs, default_env, nested, default_service, dict(paths), sync)


def check_envs(envs):
    p.demand(1 <= len(c.array(envs, 64)), "no environment")
    for env in envs:
        names.place(c.text(env))
    p.demand(len({env.lower() for env in envs}) == len(envs), "an environment twice")


def check_paths(paths, envs):
    p.demand(isinstance(paths, c.Pairs) and len(paths) <= 256, "no object of paths")
    names.sorted_once(names.in_bytes([path for path, _ in paths]), "paths are not sorted")
    for path, service in paths:
        p.demand(1 <= names.byte_length(path) <= 1024 and "\\" not in path, "no path")
        names.printable(path)
        p.demand(not {"", ".", ".."} & set(path.split("/")), "no path")
        names.no_env(names.place(c.text(service)), envs)


def write(config):
    values = config._asdict() | {"paths": c.Pairs(sorted(config.paths.items(), key=lambda i: i[0].encode()))}
    return c.write([("format", 1)] + [(name, values[name]) for name in NAMES[1:]])


def service_below(config, path):
    """6.8: the service of a directory below the root, or None."""
    parts = path.split("/")
    for count in range(len(parts), 0, -1):
        if "/".join(parts[:count]) in config.paths:
            return config.paths["/".join(parts[:count])]
    try:
        return names.no_env(names.place(parts[0]), config.envs) if config.nested else None
    except p.Refused:
        return None
