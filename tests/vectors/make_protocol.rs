//! The vectors of `docs/PROTOCOL.md` but for its messages: manifests, tokens, the channel, and what a
//! device keeps. The long functions are tables, a vector a row, and are not reformatted.

use crate::Vector;
use crate::make::{accept, noted, reject};
use crate::world::{Epoch, Labelled, epoch, hex, joined, lp, other_project, person, project};
use crate::world::{base32, lps, project_key, seed, short};
use crate::world_protocol::{
    self as world, Call, KnownRemote, Listed, Manifest, REMOTE, Token, ZEROS, admin_content,
    admin_token, agreed_with, call, call_with, credential, followed, known_remote, listed,
    login_json, manifest, name_of, project_token, public_key, sealed_credential, server,
    server_keys, token, token_id, token_secret,
};
use kagi::crypto::hash;
use kagi::secret::Key;

pub fn all() -> Vec<Vector> {
    let rooms = [
        manifests(),
        refused_manifests(),
        paths(),
        manifest_ids(),
        state_macs(),
        project_tokens(),
        refused_tokens(),
        other_tokens(),
        kept_of_tokens(),
        sealed_credentials(),
        requests(),
        responses(),
        remotes(),
        refused_remotes(),
        logins(),
        bases(),
        crate::make_messages::all(),
    ];
    rooms.into_iter().flatten().collect()
}

pub fn good(path: &str, rule: &str, is: &str, what: &str) -> Vector {
    accept(&format!("protocol/{path}"), rule, what).with("is", is)
}

pub fn bad(path: &str, rule: &str, kind: &str, is: &str, what: &str) -> Vector {
    reject(&format!("protocol/{path}"), rule, kind, what).with("is", is)
}

// --- Manifests ---

/// What a reader finds in a manifest.
fn shown(vector: Vector, manifest: &Manifest) -> Vector {
    let link = manifest.link();
    let start = vector
        .with_lines("manifest", noted(&manifest.fields()))
        .gives("project", &manifest.project)
        .gives("epoch", &manifest.epoch.text())
        .gives("revision", &manifest.revision.to_string())
        .gives_hex("previous", &manifest.previous)
        .gives_hex("link", &link)
        .gives_hex("id", &followed(&manifest.previous, &link));
    manifest.files.iter().fold(start, |vector, file| {
        let path = str::from_utf8(&file.path).expect("text");
        let text = format!("{path} {} bytes {}", file.size, hex(&file.digest));
        vector.gives("file", &text)
    })
}

fn first() -> Manifest {
    let mut first = manifest();
    (first.revision, first.previous) = (1, ZEROS);
    first.files.truncate(2);
    first
}

/// Six services in five environments, as values and as files.
fn large() -> Manifest {
    let mut large = manifest();
    large.files.truncate(2);
    for kind in ["files", "secrets"] {
        for service in ["API", "api-2", "job", "mail.v1", "web", "x"] {
            for env in ["dev", "preview", "production", "staging", "test"] {
                let size = 100 + u32::try_from(large.files.len()).expect("few files");
                large
                    .files
                    .push(listed(&format!("{kind}/{service}/{env}.enc"), size));
            }
        }
    }
    large.files.sort_by(|one, next| one.path.cmp(&next.path));
    large
}

/// As large as a state may be.
fn full() -> Manifest {
    let mut full = manifest();
    full.files = vec![
        listed("access.json", 2 * 1024 * 1024),
        listed("kagi.json", 64 * 1024),
    ];
    for at in 0..7 {
        full.files
            .push(listed(&format!("secrets/s{at}/dev.enc"), 33_558_736));
    }
    let sum: u32 = full.files.iter().map(|file| file.size).sum();
    full.files
        .push(listed("secrets/s7/dev.enc", 256 * 1024 * 1024 - sum));
    full
}

#[rustfmt::skip]
fn manifests() -> Vec<Vector> {
    let accepted = |path: &str, rule: &str, what: &str, manifest: &Manifest| {
        shown(good(&format!("manifest_{path}"), rule, "manifest", what), manifest)
    };
    let mut longest = first();
    longest.files.push(listed(&format!("secrets/{}/{}.enc", "a".repeat(64), "b".repeat(64)), 0));
    vec![
        accepted("first", "3.1, 3.2, 3.5", "the first state of a project", &first()),
        accepted("third", "3.1, 3.2, 3.3, 3.5", "a state that follows from another", &manifest()),
        accepted("many_files", "3.1, 3.3", "62 files", &large()),
        accepted("full", "3.2, 3.3", "the largest of each file, and 256 MiB in all", &full()),
        accepted("long_names", "3.3", "names of 64 bytes, and a file of none", &longest),
    ]
}

#[rustfmt::skip]
fn refused_manifests() -> Vec<Vector> {
    let text = |path: &str, rule: &str, what: &str, fields: &Labelled| {
        bad(&format!("manifest_{path}"), rule, "BadText", "manifest", what).with_lines("manifest", noted(fields))
    };
    let refused = |path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Manifest)| {
        let mut defect = manifest();
        edit(&mut defect);
        text(path, rule, what, &defect.fields())
    };
    let edited = |path: &str, what: &str, edit: &dyn Fn(&mut Labelled)| {
        let mut fields = manifest().fields();
        edit(&mut fields);
        text(path, "3.2", what, &fields)
    };
    let sized = |path: &str, what: &str, file: usize, size: u32| refused(path, "3.3", what, &|it| it.files[file].size = size);
    let mut too_full = full();
    too_full.files.last_mut().expect("a file").size += 1;
    vec![
        refused("format", "3.2", "another format", &|it| it.format = "kagi-manifest 2"),
        refused("project", "3.2", "a project id of 19 symbols", &|it| { it.project.pop(); }),
        refused("project_of_member", "3.2", "a member id as project", &|it| it.project = person("alice").id),
        refused("epoch_zero", "3.2", "the epoch number 0", &|it| it.epoch = Epoch(0, [1; 8])),
        refused("revision_zero", "3.2", "revision 0", &|it| it.revision = 0),
        refused("second_of_nothing", "3.2", "revision 2 follows from nothing", &|it| (it.revision, it.previous) = (2, ZEROS)),
        refused("first_of_another", "3.2", "revision 1 follows from another", &|it| it.revision = 1),
        text("too_full", "3.2", "256 MiB and a byte", &too_full.fields()),
        bad("manifest_too_large", "3.2", "TooLarge", "manifest", "2 MiB and a byte").with_lines("manifest", vec!["*2097153 00".into()]),
        text("empty", "3.2", "no byte", &Vec::new()),
        edited("longer", "a byte left over", &|it| it.push((vec![0], "left over".into()))),
        edited("cut", "the last byte is missing", &|it| { it.last_mut().expect("the MAC").0.pop(); }),
        edited("without_mac", "no MAC", &|it| { it.pop(); }),
        edited("count_more", "a file less than it counts", &|it| it[5].0 = 4u32.to_le_bytes().into()),
        edited("count_less", "a file more than it counts", &|it| it[5].0 = 2u32.to_le_bytes().into()),
        edited("count_only", "a count without bytes", &|it| { it.truncate(5); it.push((vec![0xff; 4], "number of files".into())); }),
        edited("count_10000", "10,000 files, and none is there", &|it| { it.truncate(5); it.push((10_000u32.to_le_bytes().into(), "number of files".into())); }),
        sized("large_roster", "an access.json of 2 MiB and a byte", 0, 2 * 1024 * 1024 + 1),
        sized("large_config", "a kagi.json of 64 KiB and a byte", 1, 64 * 1024 + 1),
        sized("large_scope", "a scope file of one byte too many", 2, 33_558_737),
        refused("unsorted", "3.3", "the files are not sorted", &|it| it.files.swap(0, 1)),
        refused("unsorted_scopes", "3.3", "the scope files are not sorted", &|it| it.files.push(listed("files/api/production.enc", 1))),
        refused("double", "3.3", "a path twice", &|it| it.files.push(it.files[2].clone())),
        refused("double_case", "3.3", "paths that differ by case alone", &|it| it.files.insert(2, listed("secrets/API/production.enc", 1))),
        refused("double_case_env", "3.3", "environments that differ by case alone", &|it| it.files.insert(2, listed("secrets/api/Production.enc", 1))),
        refused("no_config", "3.3", "no kagi.json", &|it| { it.files.remove(1); }),
        refused("no_roster", "3.3", "no access.json", &|it| { it.files.remove(0); }),
        refused("no_file", "3.3", "no file at all", &|it| it.files.clear()),
    ]
}

/// Paths that belong to no state, each in its place by order.
#[rustfmt::skip]
fn paths() -> Vec<Vector> {
    let refused = |name: &str, path: &[u8], what: &str| {
        let mut defect = manifest();
        defect.files.push(Listed { path: path.into(), size: 1, digest: seed("bytes") });
        defect.files.sort_by(|one, next| one.path.cmp(&next.path));
        bad(&format!("path_{name}"), "3.3", "BadText", "manifest", what).with_lines("manifest", noted(&defect.fields()))
    };
    let long = |bytes: usize| "a".repeat(bytes);
    vec![
        refused("empty", b"", "an empty path"),
        refused("up", b"../secrets/api/dev.enc", "a path that leaves the project"),
        refused("up_inside", b"secrets/../kagi.json", "a path with .. inside"),
        refused("up_service", b"secrets/../dev.enc", "a service .."),
        refused("up_env", b"secrets/api/...enc", "an environment .."),
        refused("here", b"./kagi.json", "a path with . first"),
        refused("here_service", b"secrets/./dev.enc", "a service ."),
        refused("absolute", b"/secrets/api/dev.enc", "an absolute path"),
        refused("drive", b"C:/secrets/api/dev.enc", "a path with a drive"),
        refused("backslash", b"secrets\\api\\dev.enc", "backslashes"),
        refused("two_slashes", b"secrets//dev.enc", "no service"),
        refused("no_env", b"secrets/api/.enc", "no environment"),
        refused("directory", b"secrets/api/", "a directory"),
        refused("without_service", b"secrets/dev.enc", "a file beside the services"),
        refused("deeper", b"secrets/api/dev/eu.enc", "a directory more"),
        refused("ending", b"secrets/api/dev.txt", "another ending"),
        refused("ending_case", b"secrets/api/dev.ENC", "the ending in upper case"),
        refused("ending_more", b"secrets/api/dev.enc ", "a blank after it"),
        refused("kind", b"values/api/dev.enc", "another directory"),
        refused("kind_case", b"Secrets/api/dev.enc", "the directory in upper case"),
        refused("config_case", b"KAGI.json", "kagi.json in upper case as well"),
        refused("request", b"requests/kgm_aaaaaaaaaaaaaaaaaaaa.json", "a request is no part of a state"),
        refused("git", b".git/config", "a file of Git"),
        refused("unknown", b"notes.txt", "a file that is not of kagi"),
        refused("device", b"secrets/con/dev.enc", "a device of Windows as service"),
        refused("device_env", b"secrets/api/nul.enc", "a device of Windows as environment"),
        refused("project_id", b"secrets/kgp_a/dev.enc", "a service like a project id"),
        refused("dot", b"secrets/.api/dev.enc", "a service with a dot first"),
        refused("dash", b"secrets/-api/dev.enc", "a service with a dash first"),
        refused("nul", b"secrets/api/dev\0.enc", "a byte 0"),
        refused("line_feed", b"secrets/api/dev\n.enc", "a line feed"),
        refused("letter", "secrets/\u{e9}/dev.enc".as_bytes(), "a letter beyond ASCII"),
        refused("bytes", b"secrets/\xff/dev.enc", "a path that is not UTF-8"),
        refused("long_service", format!("secrets/{}/dev.enc", long(65)).as_bytes(), "a service of 65 bytes"),
        refused("long_env", format!("secrets/api/{}.enc", long(65)).as_bytes(), "an environment of 65 bytes"),
        refused("long", format!("secrets/{}/dev.enc", long(4096)).as_bytes(), "a service of 4,096 bytes"),
    ]
}

fn manifest_ids() -> Vec<Vector> {
    let (one, two, third) = (seed("link 4"), seed("link 5"), seed("an id"));
    let vector = |name: &str, what: &str| good(name, "3.5", "id of a manifest", what);
    vec![
        vector("id_first", "the id of a first manifest")
            .with_hex("id", &ZEROS)
            .with_hex("link", &first().link())
            .gives_hex("id", &followed(&ZEROS, &first().link())),
        vector("id_next", "the id of the manifest after another")
            .with_hex("id", &third)
            .with_hex("link", &one)
            .gives_hex("id", &followed(&third, &one)),
        vector("id_chain", "an id that is followed by two links")
            .with_hex("id", &third)
            .with_hex("link", &one)
            .with_hex("link", &two)
            .gives_hex("id", &followed(&followed(&third, &one), &two)),
    ]
}

#[rustfmt::skip]
fn state_macs() -> Vec<Vector> {
    let key_of = |number| *project_key(epoch(number)).expose();
    let vector = |name: &str, what: &str, fields: &Labelled, key: [u8; 32]| {
        bad(&format!("mac_{name}"), "3.4", "none", "manifest", what).with_lines("manifest", noted(fields)).with_hex("project_key", &key)
    };
    let whole = manifest();
    // The MAC of the manifest as it was, under one that was changed.
    let changed = |name: &str, what: &str, edit: &dyn Fn(&mut Manifest)| {
        let mut defect = manifest();
        edit(&mut defect);
        let mut fields = defect.body();
        fields.push((whole.mac().into(), "MAC".into()));
        vector(name, what, &fields, key_of(3))
    };
    let mut flipped = whole.fields();
    flipped.last_mut().expect("the MAC").0[31] ^= 1;
    let mut other = whole.body();
    let under = |key: [u8; 32], body: &Labelled| hash::mac(&Key::new(key), &joined(body));
    other.push((under(key_of(3), &whole.body()).into(), "MAC".into()));
    vec![
        shown(good("mac_holds", "3.4", "manifest", "a MAC under K_state"), &whole).with_hex("project_key", &key_of(3)),
        vector("other_epoch", "the project key of another epoch", &whole.fields(), key_of(4)),
        vector("flipped", "one bit of the MAC differs", &flipped, key_of(3)),
        vector("project_key", "a MAC under the project key itself", &other, key_of(3)),
        changed("project", "moved to another project", &|it| it.project = other_project()),
        changed("epoch", "moved to another epoch id", &|it| it.epoch = Epoch(3, [7; 8])),
        changed("revision", "given a higher revision", &|it| it.revision = 4),
        changed("previous", "said to follow from another", &|it| it.previous[0] ^= 1),
        changed("size", "another size of a file", &|it| it.files[2].size += 1),
        changed("hash", "another hash of a file", &|it| it.files[2].digest[0] ^= 1),
        changed("less", "a file less", &|it| { it.files.pop(); }),
    ]
}

// --- Tokens ---

fn token_vector(name: &str, rule: &str, what: &str, text: &str) -> Vector {
    good(&format!("token_{name}"), rule, "project token", what).with_text("text", text)
}

fn shown_token(vector: Vector, token: &Token, anchors: &str) -> Vector {
    vector
        .gives("remote", str::from_utf8(&token.remote).expect("text"))
        .gives("project", &token.project)
        .gives_hex("server", &token.server)
        .gives("token id", &token.id)
        .gives_hex("secret", &token_secret())
        .gives("anchors", anchors)
}

fn anchors(count: usize) -> Vec<String> {
    let id = |at| format!("kgm_{}", &world_id(&format!("anchor {at}")));
    let mut anchors: Vec<_> = (0..count).map(id).collect();
    anchors.sort();
    anchors
}

fn world_id(what: &str) -> String {
    base32(&short::<13>(what))[..20].into()
}

/// The text with a typing error.
fn another_symbol(text: &str, at: usize) -> String {
    let symbol = if text[at..].starts_with('a') {
        "b"
    } else {
        "a"
    };
    format!("{}{symbol}{}", &text[..at], &text[at + 1..])
}

#[rustfmt::skip]
fn project_tokens() -> Vec<Vector> {
    let whole = token();
    let with = |edit: &dyn Fn(&mut Token)| {
        let mut token = token();
        edit(&mut token);
        token
    };
    let alone = with(&|it| it.anchors.clear());
    let directory = with(&|it| it.remote = b"/mnt/stick/kagi".into());
    let long = with(&|it| it.remote = format!("https://{}", "a".repeat(1016)).into());
    let bytes = with(&|it| it.remote = (b'!'..=b'~').collect());
    let low = with(&|it| it.server = ZEROS);
    let many = with(&|it| it.anchors = anchors(256));
    let both = whole.anchors.join(" ");
    let range = format!("{} to {}, 256", many.anchors[0], many.anchors[255]);
    let accepted = |name: &str, rule: &str, what: &str, token: &Token, anchors: &str| {
        shown_token(token_vector(name, rule, what, &token.text()), token, anchors)
    };
    let surrounded = format!(" \t{}\r\n", whole.text());
    vec![
        accepted("of_a_member", "4.2, 4.7", "a token with two anchors", &whole, &both),
        accepted("without_anchors", "4.2", "a token without anchors", &alone, "-"),
        accepted("directory", "4.2, 4.8", "a path as remote", &directory, &both),
        accepted("remote_1024", "4.8", "a remote of 1,024 bytes", &long, &both),
        accepted("remote_bytes", "4.8", "every byte that a remote may have", &bytes, &both),
        accepted("low_order", "4.2", "whether a key is of low order is seen when it is used", &low, &both),
        accepted("256_anchors", "4.2", "256 anchors", &many, &range),
        shown_token(token_vector("surrounded", "4.2", "white space around it", &surrounded), &whole, &both),
    ]
}

#[rustfmt::skip]
fn refused_tokens() -> Vec<Vector> {
    let text = |name: &str, rule: &str, what: &str, text: &str| {
        bad(&format!("token_{name}"), rule, "BadText", "project token", what).with_text("text", text)
    };
    let refused = |name: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Token)| {
        let mut defect = token();
        edit(&mut defect);
        text(name, rule, what, &defect.text())
    };
    let remote = |name: &str, what: &str, remote: &[u8]| refused(name, "4.8", what, &|it| it.remote = remote.into());
    let whole = token().text();
    let body = &whole["kagi_proj_v1_".len()..];
    let mut content = token().content();
    content.pop();
    let mut short_secret = lp(REMOTE.as_bytes());
    short_secret.extend(lp(project().as_bytes()));
    short_secret.extend(server().1);
    short_secret.extend(lp(token_id().as_bytes()));
    short_secret.extend(&token_secret()[1..]);
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    vec![
        text("typing_error", "4.2", "one symbol is another", &another_symbol(&whole, 60)),
        text("cut", "4.2", "the last 8 symbols are missing", &whole[..whole.len() - 8]),
        text("upper_case", "4.2", "upper case", &format!("kagi_proj_v1_{}", body.to_uppercase())),
        text("blank", "4.2", "a blank inside", &format!("{} {}", &whole[..40], &whole[40..])),
        text("version", "4.2", "another version", &whole.replace("_v1_", "_v2_")),
        text("prefix", "4.2", "the prefix of an administrator's token", &format!("kagi_admin_v1_{body}")),
        text("without_prefix", "4.2", "no prefix", body),
        text("empty", "4.2", "no text", ""),
        text("nothing_inside", "4.2", "a checksum of nothing", &project_token(b"")),
        text("anchor_cut", "4.2", "an anchor that is cut short", &project_token(&content)),
        text("short_secret", "4.7", "a secret of 31 bytes", &project_token(&short_secret)),
        refused("longer", "4.2", "a byte left over", &|it| it.after = vec![0]),
        refused("project", "4.2", "a project id of 19 symbols", &|it| { it.project.pop(); }),
        refused("project_empty", "4.2", "no project id", &|it| it.project.clear()),
        refused("project_upper_case", "4.2", "a project id in upper case", &|it| it.project = it.project.to_uppercase()),
        refused("key_prime", "4.2", "a public key that is the prime", &|it| it.server = prime),
        refused("key_top_bit", "4.2", "a public key with its top bit set", &|it| it.server[31] |= 0x80),
        refused("id_of_member", "4.7", "a member id as token id", &|it| it.id = person("alice").id),
        refused("id_short", "4.7", "a token id of 19 symbols", &|it| { it.id.pop(); }),
        refused("257_anchors", "4.2", "257 anchors", &|it| it.anchors = anchors(257)),
        refused("anchors_unsorted", "4.2", "the anchors are not sorted", &|it| it.anchors.reverse()),
        refused("anchors_double", "4.2", "an anchor twice", &|it| it.anchors[1] = it.anchors[0].clone()),
        refused("anchor", "4.2", "an anchor that is no member id", &|it| it.anchors = vec![token_id()]),
        remote("remote_empty", "no remote", b""),
        remote("remote_1025", "a remote of 1,025 bytes", format!("https://{}", "a".repeat(1017)).as_bytes()),
        remote("remote_blank", "a remote with a blank", b"/mnt/my stick"),
        remote("remote_line_feed", "a remote with a line feed", b"https://a\nb"),
        remote("remote_escape", "a remote with a control character", b"https://a\x1b[2J"),
        remote("remote_delete", "a remote with the control character 7f", b"https://a\x7f"),
        remote("remote_letter", "a remote with a letter beyond ASCII", "https://\u{e9}".as_bytes()),
        remote("remote_bytes_bad", "a remote that is not UTF-8", b"https://\xff"),
    ]
}

#[rustfmt::skip]
fn other_tokens() -> Vec<Vector> {
    let (_, public) = server();
    let content = admin_content(&public, &token_id());
    let whole = admin_token(&content);
    let admin = |name: &str, rule: &str, what: &str, text: &str| bad(&format!("admin_{name}"), rule, "BadText", "administrator's token", what).with_text("text", text);
    let admin_of = |name: &str, rule: &str, what: &str, content: &[u8]| admin(name, rule, what, &admin_token(content));
    let shown = |name: &str, what: &str, text: &str| {
        good(&format!("admin_{name}"), "4.3, 4.7", "administrator's token", what).with_text("text", text)
            .gives_hex("server", &public).gives("token id", &token_id()).gives_hex("secret", &token_secret())
    };
    let mut masked = public;
    masked[31] |= 0x80;
    let (secret, pepper) = (server().0, seed("a pepper"));
    let keys = server_keys(&[secret, pepper].concat());
    let file = |name: &str, what: &str, text: &str| bad(&format!("key_file_{name}"), "4.4", "BadText", "key file", what).with_text("text", text);
    let shown_file = |name: &str, what: &str, text: &str| {
        good(&format!("key_file_{name}"), "4.4", "key file", what).with_text("text", text)
            .gives_hex("secret", &secret).gives_hex("public_key", &public).gives_hex("pepper", &pepper)
    };
    vec![
        shown("token", "an administrator's token", &whole),
        shown("surrounded", "white space around it", &format!("\n{whole} ")),
        admin_of("key", "4.3", "a public key with its top bit set", &admin_content(&masked, &token_id())),
        admin_of("id", "4.7", "a member id as token id", &admin_content(&public, &person("alice").id)),
        admin_of("longer", "4.3", "a byte left over", &[&content[..], &[0]].concat()),
        admin_of("short", "4.7", "a secret of 31 bytes", &content[..content.len() - 1]),
        admin("of_a_project", "4.3", "a project token", &token().text()),
        admin("typing_error", "4.3", "the first symbol is another", &another_symbol(&whole, "kagi_admin_v1_".len())),
        admin("upper_case", "4.3", "upper case", &format!("kagi_admin_v1_{}", whole["kagi_admin_v1_".len()..].to_uppercase())),
        admin("version", "4.3", "another version", &whole.replace("_v1_", "_v2_")),
        shown_file("plain", "the key file of a server", &keys),
        shown_file("bare", "no line feed", keys.trim_end()),
        file("longer", "a byte left over", &server_keys(&[&secret[..], &pepper, &[0]].concat())),
        file("short", "a pepper of 31 bytes", &server_keys(&[&secret[..], &pepper[1..]].concat())),
        file("identity", "an identity", &crate::world::identity(&person("a server"))),
        file("upper_case", "upper case", &keys.to_uppercase().replace("KAGI_SERVER_V1_", "kagi_server_v1_")),
        file("two", "two of them", &keys.repeat(2)),
        file("empty", "no byte", ""),
    ]
}

fn kept_of_tokens() -> Vec<Vector> {
    let (_, public) = server();
    let pepper = seed("a pepper");
    let fields = lps(&[token_id().as_bytes(), &token_secret()]);
    let mac = hash::mac(&Key::new(pepper), &fields);
    let fingerprint = base32(&hash::hash(&public));
    vec![
        good(
            "fingerprint",
            "4.1",
            "fingerprint",
            "the fingerprint of a server",
        )
        .with_hex("server", &public)
        .gives("fingerprint", &format!("kgs_{}", &fingerprint[..20])),
        good(
            "token_id",
            "4.7",
            "new token id",
            "a token id from random bytes",
        )
        .with_hex("random", &short::<13>("a token"))
        .with_hex("secret", &token_secret())
        .gives("token id", &token_id()),
        good(
            "kept",
            "4.5",
            "kept of a token",
            "what a server keeps of a token",
        )
        .with_hex("pepper", &pepper)
        .with("token id", &token_id())
        .with_hex("secret", &token_secret())
        .gives_hex("mac", &mac),
    ]
}

// --- Credentials that wait ---

/// A sealed credential with at most one defect.
struct Waiting {
    head: [u8; 32],
    shared: [u8; 32],
    member: String,
    public: [u8; 32],
    project: String,
    text: Vec<u8>,
}

fn waiting() -> Waiting {
    let (bob, ephemeral) = (person("bob"), seed("an ephemeral key"));
    Waiting {
        head: public_key(&ephemeral),
        shared: agreed_with(&ephemeral, &bob.public),
        member: bob.id,
        public: bob.public,
        project: project(),
        text: credential(&token_id()),
    }
}

impl Waiting {
    fn sealed(&self) -> Vec<u8> {
        let member = (self.member.as_str(), &self.public);
        sealed_credential(&self.head, &self.shared, member, &self.project, &self.text)
    }
}

#[rustfmt::skip]
fn sealed_credentials() -> Vec<Vector> {
    let bob = person("bob");
    let opened = |vector: Vector, sealed: &[u8]| {
        vector.with("member", &bob.id).with_hex("secret", &bob.secret).with("project", &project()).with_bytes("sealed", sealed)
    };
    let refused = |name: &str, rule: &str, what: &str, sealed: &[u8]| opened(bad(&format!("waiting_{name}"), rule, "none", "sealed credential", what), sealed);
    let edited = |name: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Waiting)| {
        let mut defect = waiting();
        edit(&mut defect);
        refused(name, rule, what, &defect.sealed())
    };
    let whole = waiting().sealed();
    let flipped = |at: usize| {
        let mut sealed = whole.clone();
        sealed[at] ^= 1;
        sealed
    };
    let other = person("ci");
    let ephemeral = seed("an ephemeral key");
    vec![
        opened(good("waiting", "4.6, 4.7", "sealed credential", "a credential that waits for a member"), &whole).gives("token id", &token_id()).gives_hex("token secret", &token_secret()),
        edited("other_member", "4.6", "sealed to another member", &|it| (it.member, it.public, it.shared) = (other.id.clone(), other.public, agreed_with(&ephemeral, &other.public))),
        edited("other_name", "4.6", "for another member id", &|it| it.member.clone_from(&other.id)),
        edited("other_project", "4.6", "for another project", &|it| it.project = other_project()),
        edited("low_order", "4.6", "a public key of low order, and zeros as result", &|it| (it.head, it.shared) = (ZEROS, ZEROS)),
        edited("not_canonical", "4.6", "a public key with its top bit set", &|it| it.head[31] |= 0x80),
        edited("longer", "4.6", "a byte left over", &|it| it.text.push(0)),
        edited("short_secret", "4.7", "a secret of 31 bytes", &|it| { it.text.pop(); }),
        edited("id", "4.7", "a member id as token id", &|it| it.text = credential(&other.id)),
        refused("head", "4.6", "one bit of the head differs", &flipped(0)),
        refused("body", "4.6", "one bit of the body differs", &flipped(40)),
        refused("tag", "4.6", "one bit of the tag differs", &flipped(whole.len() - 1)),
        refused("cut", "4.6", "the last byte is missing", &whole[..whole.len() - 1]),
        refused("without_tag", "4.6", "too short for a tag", &whole[..47]),
        refused("short", "4.6", "too short for a head", &whole[..31]),
        refused("empty", "4.6", "no byte", b""),
    ]
}

// --- The channel ---

const ASKED: &str = "a request in clear";
const ANSWERED: &str = "a response in clear";

fn client() -> [u8; 32] {
    seed("the ephemeral key of a client")
}

fn asked() -> Call {
    call(&client(), &server().1, ASKED.as_bytes())
}

#[rustfmt::skip]
fn requests() -> Vec<Vector> {
    let (secret, public) = server();
    let refused = |name: &str, what: &str, request: &[u8]| bad(&format!("request_{name}"), "2.2", "none", "request to open", what).with_hex("secret", &secret).with_bytes("request", request);
    let sealed = |vector: Vector, server: &[u8; 32]| vector.with_hex("ephemeral", &client()).with_hex("server", server).with("message", ASKED);
    let whole = asked().request;
    let flipped = |at: usize| {
        let mut request = whole.clone();
        request[at] ^= 1;
        request
    };
    let es = asked().es;
    let mut masked = public_key(&client());
    masked[31] |= 0x80;
    let mut masked_server = public;
    masked_server[31] |= 0x80;
    let mut one = ZEROS;
    one[0] = 1;
    let to = |head: [u8; 32], es: [u8; 32]| call_with(head, es, &public, ASKED.as_bytes()).request;
    vec![
        good("request_opens", "2.2", "request to open", "a request").with_hex("secret", &secret).with_bytes("request", &whole).gives("message", ASKED),
        sealed(good("request_sealed", "2.2", "request to seal", "a request with a given ephemeral key"), &public).gives_hex("request", &whole),
        sealed(bad("request_to_low_order", "2.2", "none", "request to seal", "a server's key of low order"), &ZEROS),
        sealed(bad("request_to_not_canonical", "2.2", "none", "request to seal", "a server's key with its top bit set"), &masked_server),
        refused("other_server", "a request to another server", &call(&client(), &person("alice").public, ASKED.as_bytes()).request),
        refused("other_key", "a request under the name of another server's key", &call_with(public_key(&client()), es, &person("alice").public, ASKED.as_bytes()).request),
        refused("head", "one bit of the head differs", &flipped(0)),
        refused("body", "one bit of the body differs", &flipped(32)),
        refused("tag", "one bit of the tag differs", &flipped(whole.len() - 1)),
        refused("low_order", "a head of low order, 0, and zeros as result", &to(ZEROS, ZEROS)),
        refused("low_order_one", "a head of low order, 1, and zeros as result", &to(one, ZEROS)),
        refused("not_canonical", "a head with its top bit set", &to(masked, es)),
        refused("longer", "a byte left over", &[&whole[..], &[0]].concat()),
        refused("cut", "the last byte is missing", &whole[..whole.len() - 1]),
        refused("without_tag", "too short for a tag", &whole[..47]),
        refused("short", "too short for a head", &whole[..31]),
        refused("empty", "no byte", b""),
        refused("response", "a response in place of a request", &asked().answer(&seed("the ephemeral key of a server"), ANSWERED.as_bytes())),
    ]
}

#[rustfmt::skip]
fn responses() -> Vec<Vector> {
    let public = server().1;
    let inputs = |vector: Vector, response: &[u8]| {
        vector.with_hex("ephemeral", &client()).with_hex("server", &public).with("asked", ASKED).with_bytes("response", response)
    };
    let refused = |name: &str, what: &str, response: &[u8]| inputs(bad(&format!("response_{name}"), "2.3", "none", "response to open", what), response);
    let ephemeral = seed("the ephemeral key of a server");
    let answer = |call: &Call| call.answer(&ephemeral, ANSWERED.as_bytes());
    let whole = answer(&asked());
    let flipped = |at: usize| {
        let mut response = whole.clone();
        response[at] ^= 1;
        response
    };
    let mut masked = public_key(&ephemeral);
    masked[31] |= 0x80;
    let ee = agreed_with(&ephemeral, &asked().client);
    let with = |head: [u8; 32], ee: [u8; 32]| asked().answer_with(head, ee, ANSWERED.as_bytes());
    let without_es = Call { es: ZEROS, ..asked() };
    vec![
        inputs(good("response_opens", "2.3", "response to open", "the response to a request"), &whole).gives("message", ANSWERED),
        refused("other_server", "a response of a server with another key", &answer(&Call { es: agreed_with(&client(), &person("alice").public), ..asked() })),
        refused("without_server", "a response of somebody who has no key of the server", &answer(&without_es)),
        refused("other_request", "the response to another request of the same client", &answer(&call(&client(), &public, b"another request"))),
        refused("other_client", "the response to the same request of another client", &answer(&call(&seed("another client"), &public, ASKED.as_bytes()))),
        refused("head", "one bit of the head differs", &flipped(0)),
        refused("body", "one bit of the body differs", &flipped(32)),
        refused("tag", "one bit of the tag differs", &flipped(whole.len() - 1)),
        refused("low_order", "a head of low order, and zeros as result", &with(ZEROS, ZEROS)),
        refused("not_canonical", "a head with its top bit set", &with(masked, ee)),
        refused("longer", "a byte left over", &[&whole[..], &[0]].concat()),
        refused("cut", "the last byte is missing", &whole[..whole.len() - 1]),
        refused("without_tag", "too short for a tag", &whole[..47]),
        refused("short", "too short for a head", &whole[..31]),
        refused("empty", "no byte", b""),
        refused("request", "the request itself", &asked().request),
    ]
}

// --- What a device keeps ---

fn token_line() -> String {
    format!("{} {}", token_id(), hex(&token_secret()))
}

fn shown_remote(vector: Vector, remote: &KnownRemote, token: &str) -> Vector {
    vector
        .gives("remote", &remote.remote)
        .gives("token", token)
        .gives("revision", &remote.revision.to_string())
        .gives("manifest", &remote.manifest)
}

fn remote_path() -> String {
    format!("file home/projects/{}/remote.json", project())
}

#[rustfmt::skip]
fn remotes() -> Vec<Vector> {
    let with = |edit: &dyn Fn(&mut KnownRemote)| {
        let mut remote = known_remote();
        edit(&mut remote);
        remote
    };
    let directory = with(&|it| (it.token, it.remote) = (String::new(), "/mnt/stick/kagi".into()));
    let fresh = with(&|it| (it.revision, it.manifest) = (0, hex(&ZEROS)));
    let escaped = with(&|it| it.remote = "/mnt/\"a\\b\"".into());
    let accepted = |name: &str, what: &str, remote: &KnownRemote, token: &str| {
        let vector = good(&format!("remote_{name}"), "6.1", "remote.json", what).with_text("remote.json", &remote.json());
        shown_remote(vector, remote, token)
    };
    let kept = |vector: Vector| vector.with("op", "remote").with("project", &project());
    let mode = format!("mode {}", remote_path().replace("file ", ""));
    let whole = known_remote();
    vec![
        accepted("server", "a remote that is a server", &whole, &token_line()),
        accepted("directory", "a remote that is a directory", &directory, "none"),
        accepted("fresh", "a remote of which nothing was seen yet", &fresh, &token_line()),
        accepted("escaped", "a remote with what JSON escapes", &escaped, &token_line()),
        shown_remote(kept(accept("protocol/remote_found", "6.1", "the remote of a project")).with_text(&remote_path(), &whole.json()), &whole, &token_line()),
        kept(accept("protocol/remote_none", "6.1", "a project without remote")).gives("found", "nothing"),
        kept(reject("protocol/remote_exposed", "6.1", "Exposed", "others can read it")).with_text(&remote_path(), &whole.json()).with(&mode, "644"),
    ]
}

#[rustfmt::skip]
fn refused_remotes() -> Vec<Vector> {
    let text = |name: &str, rule: &str, kind: &str, what: &str, text: &str| bad(&format!("remote_{name}"), rule, kind, "remote.json", what).with_text("remote.json", text);
    let refused = |name: &str, rule: &str, kind: &str, what: &str, edit: &dyn Fn(&mut KnownRemote)| {
        let mut defect = known_remote();
        edit(&mut defect);
        text(name, rule, kind, what, &defect.json())
    };
    let whole = known_remote().json();
    let lines: Vec<_> = whole.lines().collect();
    let token_last = format!("{{\n{}\n{}\n{}\n{},\n{}\n}}\n", lines[2], lines[3], lines[4], lines[5], lines[1].trim_end_matches(','));
    vec![
        refused("newer", "6.1", "Newer", "a later format", &|it| it.format = 2),
        refused("token_blank", "6.1", "NotCanonical", "a blank before the token", &|it| it.token.insert(0, ' ')),
        refused("token_typing_error", "6.1, 4.2", "BadText", "a token that is cut short", &|it| { it.token.pop(); }),
        refused("token_of_admin", "6.1, 4.2", "BadText", "an administrator's token", &|it| it.token = admin_token(&admin_content(&server().1, &token_id()))),
        refused("address_empty", "6.1, 4.8", "NotCanonical", "no remote", &|it| it.remote.clear()),
        refused("address_blank", "6.1, 4.8", "NotCanonical", "a remote with a blank", &|it| it.remote = "/mnt/my stick".into()),
        refused("address_1025", "6.1, 4.8", "NotCanonical", "a remote of 1,025 bytes", &|it| it.remote = format!("/{}", "a".repeat(1024))),
        refused("id_short", "6.1", "NotCanonical", "an id of 31 bytes", &|it| it.manifest.truncate(62)),
        refused("id_upper_case", "6.1", "NotCanonical", "an id in upper case", &|it| it.manifest = it.manifest.to_uppercase()),
        refused("without_id", "6.1", "NotCanonical", "a revision without id", &|it| it.manifest = hex(&ZEROS)),
        refused("without_revision", "6.1", "NotCanonical", "an id without revision", &|it| it.revision = 0),
        text("token_last", "6.1", "NotCanonical", "the token is the last member", &token_last),
        text("without_token", "6.1", "NotCanonical", "no token", &whole.replace(&format!("{}\n", lines[1]), "")),
        text("unknown", "6.1", "NotCanonical", "a member that is unknown", &whole.replace("\"remote\"", "\"more\": 1,\n  \"remote\"")),
        text("no_line_feed", "6.1", "NotCanonical", "no line feed at the end", whole.trim_end()),
        text("carriage_return", "6.1", "NotCanonical", "lines that end in carriage return and line feed", &whole.replace('\n', "\r\n")),
        text("empty", "6.1", "NotCanonical", "no byte", ""),
    ]
}

#[rustfmt::skip]
fn logins() -> Vec<Vector> {
    let token = admin_token(&admin_content(&server().1, &token_id()));
    let whole = login_json(&token, REMOTE);
    let file = |remote: &str| format!("file home/remotes/{}.json", name_of(remote));
    let op = |vector: Vector, op: &str| vector.with("op", op);
    let login = |vector: Vector| op(vector, "login").with("remote", REMOTE);
    let refused = |name: &str, kind: &str, what: &str, text: &str| {
        login(reject(&format!("protocol/login_{name}"), "6.2", kind, what)).with_text(&file(REMOTE), text)
    };
    let found = |name: &str, what: &str| accept(&format!("protocol/login_{name}"), "6.2", what);
    let other = "ssh://kagi@example/srv/kagi";
    vec![
        login(found("found", "an administrator's token for a server")).with_text(&file(REMOTE), &whole).gives("token", &token_line()),
        login(found("of_another", "a token for another server alone")).with_text(&file(other), &login_json(&token, other)).gives("found", "nothing"),
        op(found("written", "what is written for a server"), "remember login").with("remote", REMOTE).with_hex("server", &server().1).with("token id", &token_id()).with_hex("secret", &token_secret())
            .gives_text(&format!("file remotes/{}.json", name_of(REMOTE)), &whole),
        op(found("list", "the servers that there are tokens for; another file is none"), "logins").with_text(&file(REMOTE), &whole).with_text("file home/remotes/notes.txt", "notes\n").gives("remote", REMOTE),
        refused("misplaced", "NotCanonical", "the file of another server under this name", &login_json(&token, other)),
        op(reject("protocol/login_list_misplaced", "6.2", "NotCanonical", "a file that is not named after its server"), "logins").with_text("file home/remotes/a.json", &whole),
        refused("newer", "Newer", "a later format", &whole.replace("\"format\": 1", "\"format\": 2")),
        refused("token_of_project", "BadText", "a project token", &login_json(&world::token().text(), REMOTE)),
        refused("token_empty", "BadText", "no token", &login_json("", REMOTE)),
        refused("token_blank", "NotCanonical", "a blank after the token", &login_json(&format!("{token} "), REMOTE)),
        refused("unknown", "NotCanonical", "a member that is unknown", &whole.replace("\"remote\"", "\"more\": 1,\n  \"remote\"")),
        refused("no_line_feed", "NotCanonical", "no line feed at the end", whole.trim_end()),
        login(reject("protocol/login_exposed", "6.2", "Exposed", "others can read it")).with_text(&file(REMOTE), &whole).with(&file(REMOTE).replace("file ", "mode "), "640"),
    ]
}

#[rustfmt::skip]
fn bases() -> Vec<Vector> {
    let checkout = "/srv/app";
    let base = |vector: Vector| vector.with("op", "base").with("checkout", checkout);
    let file = |checkout: &str| format!("file home/checkouts/{}.base", name_of(checkout));
    let whole = manifest();
    let fields = noted(&whole.fields());
    let mut longer = fields.clone();
    longer.push("#00  left over".into());
    vec![
        base(accept("protocol/base_found", "6.3", "the manifest of a checkout")).with_lines(&file(checkout), fields.clone()).gives_hex("id", &followed(&whole.previous, &whole.link())),
        base(accept("protocol/base_of_another", "6.3", "the manifest of another checkout")).with_lines(&file("/srv/other"), fields).gives("found", "nothing"),
        base(reject("protocol/base_longer", "6.3, 3.2", "BadText", "a byte left over")).with_lines(&file(checkout), longer),
        base(reject("protocol/base_empty", "6.3, 3.2", "BadText", "no byte")).with_lines(&file(checkout), Vec::new()),
    ]
}
