#!/bin/sh
# The examples of docs/deploy that are no images (those are tests/image.sh): each YAML file is parsed and its
# structure checked; systemd verifies the unit, and its filter allows what the server calls; the shell lines of
# the CI examples run in a simulated job, and pre-commit with the local hook, in a project with a real kagi.
# KAGI_BIN names it. Prints one line for each; what needs a tool that is not here is skipped, and says so.
# Takes no argument.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd)
kagi=${KAGI_BIN:-target/debug/kagi}
[ -n "${KAGI_BIN:-}" ] || cargo build --quiet --locked
kagi=$(realpath "$kagi")
python3 -c 'import yaml' 2>/dev/null || { echo 'skipped: deploy: PyYAML (python3-yaml) is not here'; exit 0; }
dir=$(realpath "$(mktemp -d)")
served=
# The server outlives the strace that runs it.
trap '[ -z "$served" ] || kill -KILL $served "$(sed -n "1s/ .*//p" "$dir/trace")" 2>/dev/null || true; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
fail() {
    echo "FAILED: deploy: $*" >&2
    tail -n 8 "$dir/said" >&2 2>/dev/null || true
    exit 1
}
have() { command -v "$1" >/dev/null || { echo "skipped: deploy: $2: $1 is not here"; return 1; }; }
export HOME="$dir/home" KAGI_HOME="$dir/home/kagi" KAGI_DISABLE_KEYRING=1
unset KAGI_IDENTITY KAGI_IDENTITY_FILE KAGI_PROJECT_KEY KAGI_PROJECT_TOKEN KAGI_ADMIN_TOKEN GITHUB_ENV GITHUB_ACTIONS
mkdir -p "$dir/home" "$dir/project" "$dir/programs"
python3 tests/deploy.py check || fail 'a YAML file'

# --- systemd ------------------------------------------------------------------------------------
unit=docs/deploy/kagi.service
if have systemd-analyze systemd; then
    sed "s|/usr/local/bin/kagi|$kagi|" $unit >"$dir/kagi.service"
    systemd-analyze verify "$dir/kagi.service" >"$dir/said" 2>&1 || fail 'systemd-analyze verify'
    [ ! -s "$dir/said" ] || fail 'systemd-analyze verify'
    systemd-analyze security --offline=true --threshold=10 $unit >"$dir/said" 2>&1 || fail 'more exposed than 1.0'
    score=$(sed -n 's/.*Overall exposure level for kagi.service: //p' "$dir/said")
    if have strace 'the filter of system calls'; then
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        strace -f -o "$dir/trace" "$kagi" serve --store "$dir/store" --bind "127.0.0.1:$port" >"$dir/served" 2>&1 &
        served=$!
        left=300
        until "$kagi" serve --health="127.0.0.1:$port"; do
            left=$((left - 1))
            [ $left -gt 0 ] || fail 'the server under strace'
            sleep 0.1
        done
        sed -n 's/^admin token //p' "$dir/served" >"$dir/admin"
        (
            cd "$dir/project"
            "$kagi" init --no-git && "$kagi" set A b
            "$kagi" remote login --remote "http://127.0.0.1:$port" --token - <"$dir/admin"
            "$kagi" project join --remote "http://127.0.0.1:$port" --fingerprint "$(sed -n 's/^fingerprint //p' "$dir/served")"
            "$kagi" project approve "$(grep -o 'kgp_[a-z2-7]*' .kagi/kagi.json)" >"$dir/token"
            "$kagi" pull - <"$dir/token" && "$kagi" push
        ) >"$dir/said" 2>&1 || fail 'a push under strace'
        kill -KILL "$(sed -n '1s/ .*//p' "$dir/trace")"
        wait $served 2>/dev/null || true
        served=
        refused=$(python3 tests/deploy.py refused $unit "$dir/trace")
        [ -z "$refused" ] || fail "the unit's filter ends the server for: $refused"
        rm -rf "$dir/project/.kagi"
    fi
    echo "deploy: systemd: exposure $score"
fi

# --- a project with an application, and an identity for CI ----------------------------------------
cd "$dir/project"
git init -q .
git config user.name ada
git config user.email ada@example.org
{
    "$kagi" init --nested --envs && "$kagi" set api production DATABASE_URL postgres://db-of-production &&
        "$kagi" member add --name ci --only api/production >"$dir/identity"
} >"$dir/said" 2>&1 || fail 'a project'
echo 'DATABASE_URL=' >.env.example
# shellcheck disable=SC2016 # for the program to expand
printf '#!/bin/sh\n! env | grep ^KAGI_I && echo "deployed to $DATABASE_URL"\n' >deploy
chmod +x deploy
git add -A
git commit -q -m one
# The program that a job fetches, by the name of its address.
cat >"$dir/programs/curl" <<'CURL'
#!/bin/sh
[ "$1 $2 $4" = "-fsSL -o $KAGI_URL" ] && cp "$KAGI_RELEASE" "$3"
CURL
chmod +x "$dir/programs/curl"
sum=$(sha256sum "$kagi" | cut -d ' ' -f 1)
url=https://example.org/kagi
# runner SCRIPT SETTING...: runs a script as a runner does: nothing of this environment, bash, the first failure ends it.
runner() {
    script=$1
    shift
    rm -rf "$dir/job"
    git clone -q . "$dir/job"
    mkdir -p "$dir/job-home"
    (cd "$dir/job" && env -i PATH="$dir/programs:/usr/bin:/bin" HOME="$dir/job-home" KAGI_RELEASE="$kagi" KAGI_URL=$url \
        CI=true "$@" bash -eo pipefail -c "$script") >"$dir/said" 2>&1
}
lines() { (cd "$here" && python3 tests/deploy.py script "$@"); }

# --- GitHub Actions: a step is a process of its own; what it hands on is in files -------------------
yaml=docs/deploy/github-actions.yml
github="GITHUB_ACTIONS=true RUNNER_TEMP=$dir/job-temp GITHUB_ENV=$dir/github-env GITHUB_PATH=$dir/github-path"
touch "$dir/github-env" "$dir/github-path"
# shellcheck disable=SC2086
runner "$(lines $yaml deploy 'install kagi')" $github "KAGI_SHA256=$sum" || fail 'GitHub: install'
path="PATH=$(cat "$dir/github-path"):/usr/bin:/bin"
# shellcheck disable=SC2086
runner "$(lines $yaml deploy deploy)" $github "$path" "KAGI_IDENTITY=$(cat "$dir/identity")" || fail 'GitHub: deploy'
[ "$(cat "$dir/said")" = 'deployed to postgres://db-of-production' ] || fail 'GitHub: deploy'
# shellcheck disable=SC2086
runner "$(lines $yaml deploy 'hand the values to later steps')" $github "$path" "KAGI_IDENTITY=$(cat "$dir/identity")" ||
    fail 'GitHub: export'
grep -q '^::add-mask::postgres://db-of-production$' "$dir/said" || fail 'GitHub: nothing is masked'
grep -q postgres://db-of-production "$dir/github-env" || fail 'GitHub: nothing for later steps'
# A fork's workflow: the secret is empty there.
# shellcheck disable=SC2086
if runner "$(lines $yaml deploy deploy)" $github "$path" KAGI_IDENTITY=; then fail 'GitHub: deployed without an identity'; fi
if grep -q deployed "$dir/said"; then fail 'GitHub: deployed without an identity'; fi
# Another file than the sum says, as with the one that stands in the example.
# shellcheck disable=SC2086
if runner "$(lines $yaml deploy 'install kagi')" $github "KAGI_SHA256=$(printf '%064d' 0)"; then fail 'GitHub: a wrong sum'; fi
echo 'deploy: GitHub Actions: install, deploy, export'

# --- GitLab CI: before_script and script are one shell ----------------------------------------------
yaml=docs/deploy/gitlab-ci.yml
gitlab="GITLAB_CI=true CI_PROJECT_DIR=$dir/job KAGI_IDENTITY_FILE=$dir/job.tmp/KAGI_IDENTITY_FILE"
mkdir "$dir/job.tmp"
(umask 0; cp "$dir/identity" "$dir/job.tmp/KAGI_IDENTITY_FILE"; chmod 0666 "$dir/job.tmp/KAGI_IDENTITY_FILE")
# shellcheck disable=SC2086
runner "$(lines $yaml deploy before_script script)" $gitlab "KAGI_SHA256=$sum" || fail 'GitLab: deploy'
grep -q '^deployed to postgres://db-of-production$' "$dir/said" || fail 'GitLab: deploy'
# shellcheck disable=SC2086
if runner "$(lines $yaml deploy before_script script)" $gitlab "KAGI_SHA256=$(printf '%064d' 0)"; then fail 'GitLab: a wrong sum'; fi
if grep -q deployed "$dir/said"; then fail 'GitLab: a wrong sum'; fi
echo 'deploy: GitLab CI: install, deploy'

# --- pre-commit ---------------------------------------------------------------------------------
if have pre-commit pre-commit; then
    ln -sf "$kagi" "$dir/programs/kagi"
    export PATH="$dir/programs:$PATH"
    cp "$here/docs/deploy/pre-commit-config.yaml" .pre-commit-config.yaml
    pre-commit install >"$dir/said" 2>&1 || fail 'pre-commit install'
    git add .pre-commit-config.yaml
    git commit -q -m two >"$dir/said" 2>&1 || fail 'pre-commit: a commit without a value'
    echo 'url = postgres://db-of-production' >notes
    git add notes
    if git commit -q -m three >"$dir/said" 2>&1; then fail 'pre-commit: a value was committed'; fi
    grep -q 'notes:1: DATABASE_URL\|notes.*1.*DATABASE_URL' "$dir/said" || fail 'pre-commit: it does not name the key'
    if grep -q db-of-production "$dir/said"; then fail 'pre-commit: it shows the value'; fi
    git mv -f notes notes.txt && rm "$dir/programs/kagi"
    if git commit -q -m three >"$dir/said" 2>&1; then fail 'pre-commit: committed without kagi'; fi
    echo "deploy: $(pre-commit --version): refuses a value"
fi
