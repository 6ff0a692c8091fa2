"""The keys that follow from a project key, docs/FORMAT.md 2."""

import primitives as p


def env(project_key, project, epoch, name):
    return p.derive("kagi 2026 v1 env", project_key, project, epoch.binary, name)


def scope_of_env(env_key, project, epoch, env_name, service, kind):
    return p.derive("kagi 2026 v1 scope", env_key, project, epoch.binary, env_name, service, kind)


def scope(project_key, project, epoch, env_name, service, kind):
    env_key = env(project_key, project, epoch, env_name)
    return scope_of_env(env_key, project, epoch, env_name, service, kind)


def roster(project_key, project, epoch):
    return p.derive("kagi 2026 v1 roster", project_key, project, epoch.binary)


def state(project_key, project, epoch):
    return p.derive("kagi 2026 v1 state", project_key, project, epoch.binary)


def witness(roster_key, member=""):
    """W(member, epoch); of the empty text, the key of the seal."""
    return p.derive("kagi 2026 v1 witness", roster_key, member)


def wrap(shared, ephemeral, recipient, project, epoch):
    return p.derive("kagi 2026 v1 wrap", shared, ephemeral, recipient, project, epoch.binary)


def introduction(shared, author, member, project, epoch):
    return p.derive("kagi 2026 v1 intro", shared, author, member, project, epoch.binary)
