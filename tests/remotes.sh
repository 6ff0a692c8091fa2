#!/bin/sh
# The whole flow by the program itself, once for each way to a remote: https (curl, nginx with an
# authority of our own, `kagi serve --behind-proxy`), ssh (a real sshd on loopback, `kagi serve
# --stdio`), plain http, and a directory. Prints one line for each; a way whose programs are not
# here is skipped, and says so. KAGI_BIN names the program; takes no argument.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd)
command -v python3 >/dev/null || { echo "skipped: remotes: python3 is not here"; exit 0; }
kagi=${KAGI_BIN:-target/debug/kagi}
[ -n "${KAGI_BIN:-}" ] || cargo build --quiet --locked
kagi=$(realpath "$kagi")
dir=$(realpath "$(mktemp -d)")
started=
stop() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    started=
    wait
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
export HOME="$dir/home" KAGI_DISABLE_KEYRING=1 PATH="$dir/programs:$PATH:/usr/sbin"
unset KAGI_PROJECT_TOKEN KAGI_ADMIN_TOKEN KAGI_IDENTITY KAGI_PROJECT_KEY
mkdir "$dir/home" "$dir/programs"
ln -s "$kagi" "$dir/programs/kagi"

fail() {
    echo "FAILED: $*" >&2
    for log in "$dir"/*.log; do [ ! -f "$log" ] || tail -n 5 "$log" >&2; done
    exit 1
}
have() { for name; do command -v "$name" >/dev/null || { echo "skipped: $way: $name is not here"; return 1; }; done; }
# as DEVICE DIRECTORY WORDS...: what one of its commands prints; a failure ends everything.
as() {
    device=$1 at=$2
    shift 2
    mkdir -p "$dir/$way/$at"
    (cd "$dir/$way/$at" && KAGI_HOME="$dir/$way/of-$device" kagi "$@" 2>"$dir/said.log") || fail "$way: $device: kagi $*"
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# until TIMES_A_TENTH COMMAND...
until_true() {
    left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "$way: never: $*"
        sleep 0.1
    done
}

# flow ADDRESS: two people, from nothing to the second one's `run`; the server is there, its
# administrator's token in `admin`. A directory has neither.
flow() {
    remote=$1
    as ada ada init --no-git >/dev/null
    as ada ada set DATABASE_URL "postgres://$way" >/dev/null
    id=$(grep -o 'kgp_[a-z2-7]*' "$dir/$way/ada/.kagi/kagi.json" | head -n 1)
    if [ -f "$dir/$way/admin" ]; then
        as ada ada remote login --remote "$remote" --token - <"$dir/$way/admin"
        as ada ada project join --remote "$remote" --fingerprint "$(cat "$dir/$way/print")" >/dev/null
        as ada ada project list | grep -q "$id" || fail "$way: the project does not ask"
        as ada ada project approve "$id" >"$dir/$way/token"
        as ada ada pull - <"$dir/$way/token"
        as ada ada push
        as ada ada token issue --join --name ben >"$dir/$way/join"
        as ben ben pull - <"$dir/$way/join"
    else
        as ada ada project join --remote "$remote"
        as ada ada push
        as ben ben pull --remote "$remote" --project "$id"
    fi
    as ben ben member join --name ben --trust "$(as ada ada identity show | grep -o 'kgm_[a-z2-7]*' | head -n 1)" >/dev/null
    as ada ada pull
    as ada ada member approve "$(as ben ben identity show | grep -o 'kgm_[a-z2-7]*' | head -n 1)" >/dev/null
    as ada ada push
    as ben ben pull
    got=$(as ben ben run -- printenv DATABASE_URL)
    [ "$got" = "postgres://$way" ] || fail "$way: ben got \"$got\""
    as ben ben set BY_BEN yes >/dev/null
    as ben ben push
    as ada ada pull
    [ "$(as ada ada run -- printenv BY_BEN)" = yes ] || fail "$way: ada got nothing"
    echo "$way: pushed, pulled, joined"
}

# serve WORDS...: starts a server; leaves its port, fingerprint and administrator's token.
serve() {
    mkdir -p "$dir/$way"
    port=$(free_port)
    kagi serve --store "$dir/$way/store" --bind "127.0.0.1:$port" "$@" >"$dir/$way/out" 2>"$dir/serve.log" &
    started="$started $!"
    until_true 50 kagi serve --health="127.0.0.1:$port"
    sed -n 's/^admin token //p' "$dir/$way/out" >"$dir/$way/admin"
    sed -n 's/^fingerprint //p' "$dir/$way/out" >"$dir/$way/print"
}

way=http
serve
flow "http://127.0.0.1:$port"
stop

way=directory
mkdir "$dir/disk"
flow "$dir/disk/store"

way=https
if have nginx openssl curl; then
    serve --behind-proxy
    behind=$port port=$(free_port)
    mkdir "$dir/nginx"
    (
        cd "$dir/nginx"
        key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'
        # shellcheck disable=SC2086
        openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=kagi-test
        # shellcheck disable=SC2086
        openssl req $key -keyout privkey.pem -out server.csr -subj /CN=localhost
        echo 'subjectAltName = DNS:localhost' >names
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile names -out fullchain.pem
        # The server block is that of the documents.
        sed "s|listen 443|listen 127.0.0.1:$port|; /\\[::\\]:443/d; s|kagi.example.org|localhost|; s|/etc/ssl/kagi|$dir/nginx|
            s|127.0.0.1:8787|127.0.0.1:$behind|" "$here/docs/deploy/nginx.conf" >site.conf
        cat >nginx.conf <<CONF
daemon off; master_process off; pid nginx.pid; error_log stderr; events {}
http {
    access_log off;
    client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
    include site.conf;
}
CONF
    ) >"$dir/openssl.log" 2>&1
    nginx -p "$dir/nginx" -c nginx.conf -e stderr >"$dir/nginx.log" 2>&1 &
    started="$started $!"
    export CURL_CA_BUNDLE="$dir/nginx/ca.pem"
    until_true 50 curl -q -s "https://localhost:$port/healthz"
    # What others on the machine can read while curl runs.
    curl=$(command -v curl)
    printf '#!/bin/sh\ntr "\\0" " " </proc/$$/cmdline >>%s; echo >>%s; exec %s "$@"\n' \
        "$dir/arguments" "$dir/arguments" "$curl" >"$dir/programs/curl"
    chmod +x "$dir/programs/curl"
    flow "https://localhost:$port"
    [ "$(sort -u "$dir/arguments")" = "/bin/sh $dir/programs/curl -q -K - " ] || fail 'arguments of curl'
    rm "$dir/programs/curl"
    stop
fi

way=ssh
if have sshd ssh ssh-keygen; then
    mkdir "$dir/sshd" "$dir/$way"
    port=$(free_port)
    kagi serve --init --store "$dir/$way/store" >"$dir/$way/out" 2>"$dir/serve.log" || fail 'serve --init'
    sed -n 's/^admin token //p' "$dir/$way/out" >"$dir/$way/admin"
    sed -n 's/^fingerprint //p' "$dir/$way/out" >"$dir/$way/print"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/sshd/host"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/sshd/key"
    cat >"$dir/sshd/account" <<ACCOUNT
#!/bin/sh
PATH=$dir/programs:\$PATH exec sh -c "\$SSH_ORIGINAL_COMMAND"
ACCOUNT
    chmod +x "$dir/sshd/account"
    echo "restrict,command=\"$dir/sshd/account\" $(cat "$dir/sshd/key.pub")" >"$dir/sshd/authorized_keys"
    echo "box $(cat "$dir/sshd/host.pub")" >"$dir/sshd/known"
    cat >"$dir/sshd/sshd_config" <<CONF
ListenAddress 127.0.0.1:$port
HostKey $dir/sshd/host
PidFile none
StrictModes no
AuthorizedKeysFile $dir/sshd/authorized_keys
PasswordAuthentication no
UsePAM no
CONF
    cat >"$dir/sshd/config" <<CONF
Host box
    HostName 127.0.0.1
    Port $port
    HostKeyAlias box
    UserKnownHostsFile $dir/sshd/known
    IdentityFile $dir/sshd/key
    IdentitiesOnly yes
    BatchMode yes
CONF
    printf '#!/bin/sh\nexec %s -F %s/sshd/config "$@"\n' "$(command -v ssh)" "$dir" >"$dir/programs/ssh"
    chmod +x "$dir/programs/ssh"
    if sshd -t -f "$dir/sshd/sshd_config" 2>&1 | grep 'separation directory' >"$dir/why"; then
        echo "skipped: ssh: $(cat "$dir/why")"
        exit 0
    fi
    "$(command -v sshd)" -D -e -f "$dir/sshd/sshd_config" 2>"$dir/sshd.log" &
    started="$started $!"
    until_true 50 ssh-keyscan -p "$port" 127.0.0.1
    flow "ssh://box$dir/$way/store"
    stop
fi
