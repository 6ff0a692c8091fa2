#!/bin/sh
# The workflows in .github, as far as they can be tried without GitHub: they are YAML; nothing of
# anybody's is used; what a job may do is written down; a token is only in steps that call gh or
# publish; nothing is compiled where a secret is; no text of an event gets into a script; each script
# is one that shellcheck has no word against. Needs python3 with PyYAML, and shellcheck; a second. Takes no argument.
set -eu
cd "$(dirname "$0")/.."
for python in python3 /usr/bin/python3 none; do ! $python -c 'import yaml' 2>/dev/null || break; done
if [ "$python" = none ] || ! command -v shellcheck >/dev/null; then
    echo 'skipped: workflows: python3-yaml or shellcheck is not here'
    exit 0
fi
exec $python - .github/workflows/*.yml <<'PYTHON'
import re, subprocess, sys, yaml

def fail(*words):
    sys.exit("FAILED: workflows: " + ": ".join(words))

scripts = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        workflow = yaml.safe_load(file)
    if workflow.get("permissions") != {}:
        fail(path, "a job may do more than it says")
    if workflow["defaults"]["run"]["shell"] != "bash":
        fail(path, "scripts are written for bash with -e and pipefail")
    for name, job in workflow["jobs"].items():
        if not 0 < job.get("timeout-minutes", 0) <= 60:
            fail(path, name, "no time limit")
        for step in job["steps"]:
            where = (path, name, step.get("name", "a step without a name"))
            if "uses" in step:
                fail(*where, "an action")
            if "${{" in step["run"]:
                fail(*where, "an expression inside a script")
            token = "token" in str(step.get("env", "")).lower()
            if token != bool(re.search(r"^\s*(gh |cargo publish)", step["run"], re.MULTILINE)):
                fail(*where, "a token, or none, where it should not be")
            if "secrets." in str(job) and re.search(r"^\s*cargo (?!publish .*--no-verify)", step["run"], re.MULTILINE):
                fail(*where, "code of others runs where a secret is")
            if token and "target/" in step["run"] and "realpath" not in step["run"]:
                fail(*where, "what a container left is taken with its links")
            script = "#!/bin/bash\nset -eo pipefail\n" + step["run"]
            found = subprocess.run(["shellcheck", "-"], input=script, text=True, capture_output=True)
            if found.returncode:
                fail(*where, "shellcheck", found.stdout)
            scripts += 1
print(f"workflows: {len(sys.argv) - 1} files, {scripts} scripts: ok")
PYTHON
