"""What tests/deploy.sh asks of the files in docs/deploy.

    deploy.py script FILE JOB NAME...   the shell lines of a job: `run` of those steps, or GitLab's lists
    deploy.py check                     the structure of all YAML files, and that they agree with the Dockerfile
    deploy.py refused FILTER TRACE      system calls of a trace (strace -f) that a systemd filter does not allow
"""
import glob
import json
import re
import subprocess
import sys

import yaml

SERVE = ["serve", "--init", "--store", "/data/store", "--key-file", "/data/server.key"]


def load(path):
    return [document for document in yaml.safe_load_all(open(path)) if document]


def script(path, job, *names):
    document = load(path)[0]
    if "jobs" in document:
        steps = {step.get("name"): step["run"] for step in document["jobs"][job]["steps"] if "run" in step}
        print("\n".join(steps[name] for name in names))
    else:
        job = document[job]
        print("\n".join(line for name in names for line in {**document[job.get("extends", "variables")], **job}[name]))


def pods(path, documents):
    for document in documents:
        if document["kind"] == "Deployment":
            yield document["spec"]["template"]["spec"]
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert document["spec"]["selector"]["matchLabels"] == labels, path


def check():
    for path in sorted(glob.glob("docs/deploy/*.y*ml")):
        documents = load(path)
        assert documents, path
        for pod in pods(path, documents) if "kubernetes" in path else []:
            assert pod["automountServiceAccountToken"] is False, path
            assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["fsGroup"] == 65532, path
            volumes = {volume["name"] for volume in pod["volumes"]}
            for container in pod.get("initContainers", []) + pod["containers"]:
                context = container["securityContext"]
                assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"], path
                assert context["capabilities"] == {"drop": ["ALL"]}, path
                assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, path
    server = list(pods("", load("docs/deploy/kubernetes-server.yaml")))[0]
    assert server["initContainers"][0]["args"] == SERVE
    assert server["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    health = server["containers"][0]["readinessProbe"]["exec"]["command"]
    assert health == ["/kagi", "serve", "--health", "--bind", "127.0.0.1:8787"], health
    assert json.dumps(health) in open("docs/deploy/Dockerfile").read()
    policy = load("docs/deploy/kubernetes-server.yaml")[-1]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and "egress" not in policy and len(policy["ingress"]) == 1
    assert [port["port"] for port in policy["ingress"][0]["ports"]] == [server["containers"][0]["ports"][0]["containerPort"]]
    # In an example that is copied, nothing hands values to all later steps.
    steps = load("docs/deploy/github-actions.yml")[0]["jobs"]["deploy"]["steps"]
    assert all(step.get("if") is False for step in steps if "export" in step.get("run", ""))
    compose = load("docs/deploy/compose.yaml")[0]["services"]["kagi"]
    assert compose["read_only"] and compose["cap_drop"] == ["ALL"] and "ports" not in compose
    print("deploy: YAML: " + " ".join(path.split("/")[-1] for path in sorted(glob.glob("docs/deploy/*.y*ml"))))
    validate()


def validate():
    try:
        import kubernetes_validate
    except ImportError:
        print("skipped: deploy: Kubernetes' schema: kubernetes-validate (PyPI) is not here")
        return
    for path in glob.glob("docs/deploy/kubernetes*.yaml"):
        for document in load(path):
            kubernetes_validate.validate(document, "1.31", strict=True)
    print("deploy: Kubernetes 1.31: the manifests are valid")


def calls(name):
    """A set of systemd's, with the sets in it."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    words = {line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")}
    return set().union(*(calls(word) if word.startswith("@") else {word} for word in words))


def refused(unit, trace):
    allowed = set()
    for words in re.findall(r"(?m)^SystemCallFilter=(.*)$", open(unit).read()):
        sets = set().union(*map(calls, words.lstrip("~").split()))
        allowed = allowed - sets if words.startswith("~") else allowed | sets
    used = set(re.findall(r"(?m)^(?:\d+ +)?([a-z_0-9]+)\(", open(trace).read()))
    assert "bind" in used and "accept4" in used, used
    print(" ".join(sorted(used - allowed)))


if __name__ == "__main__":
    {"script": script, "check": check, "refused": refused}[sys.argv[1]](*sys.argv[2:])
