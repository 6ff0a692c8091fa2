//! What the library makes of the inputs of a vector, directory by directory.

use crate::world::hex;
use crate::{Field, Outcome, Vector, unhex};
use kagi::crypto::kdf::{self, Place};
use kagi::crypto::{aead, hash, length_prefixed, wrap};
use kagi::error::Error;
use kagi::format::config::Config;
use kagi::format::key_text::{self, Identity, ScopeHolder};
use kagi::format::names::{
    Epoch, Grant, check_file_name, check_key, check_member_name, check_place, check_text, is_id,
    member_id, project_id,
};
use kagi::format::pin::Pin;
use kagi::format::request::Request;
use kagi::format::roster::Roster;
use kagi::format::scope_file::{self, ScopeKey, ScopeKind, ScopeName, SealedBox};
use kagi::format::snapshot::{DESCRIPTION_BYTES_MAX, Entry, Snapshot};
use kagi::format::text::{BASE32, BASE64, HEX};
use kagi::scope::{self, Author, Scope};
use kagi::secret::{Key, Secret};
use kagi::team::{self, Access, Draft, Known};

pub fn check(vector: &Vector) -> Outcome {
    match vector.room() {
        "text" => text(vector),
        "names" => name(vector),
        "kdf" => derivation(vector),
        "wrap" => wrapped(vector),
        "roster" => roster(vector),
        "accept" => acceptance(vector),
        "compose" => composed(vector),
        "request" => request(vector),
        "config" => config(vector),
        "scope_file" => scope_text(vector),
        "box" => sealed_box(vector),
        "snapshot" => plaintext(vector),
        "join" => joined(vector),
        "identity" => identity(vector),
        "pin" => pin(vector),
        #[cfg(feature = "server")]
        "protocol" => crate::check_protocol::check(vector),
        other => panic!("no reader for {other:?}"),
    }
}

pub fn kind(error: &Error) -> String {
    format!("{:?}", error.kind)
}

pub fn none() -> String {
    "none".into()
}

pub fn gives(outputs: &[(&str, String)]) -> Vec<(String, String)> {
    let outputs = outputs.iter();
    outputs
        .map(|(name, value)| ((*name).to_string(), value.clone()))
        .collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

pub fn key(vector: &Vector, name: &str) -> Key {
    Key::new(vector.hex(name))
}

// --- Texts and names ---

fn text(vector: &Vector) -> Outcome {
    let encoding = match vector.line("encoding").as_str() {
        "base32" => &BASE32,
        "base64" => &BASE64,
        _ => &HEX,
    };
    let text = String::from_utf8(vector.bytes("text")).expect("text");
    let bytes = encoding.decode(&text).ok_or_else(none)?;
    assert_eq!(encoding.encode(bytes.expose()), text, "not canonical");
    Ok(gives(&[("bytes", hex(bytes.expose()))]))
}

fn name(vector: &Vector) -> Outcome {
    let text = || String::from_utf8(vector.bytes("text")).expect("text");
    let checked = |result: Result<(), Error>| result.map_err(|error| kind(&error));
    match vector.line("name").as_str() {
        "place" => checked(check_place(&text()))?,
        "key" => checked(check_key(&text()))?,
        "file" => checked(check_file_name(&text()))?,
        "member" => checked(check_member_name(&text()))?,
        "description" => checked(check_text("text", &text(), DESCRIPTION_BYTES_MAX))?,
        "epoch" => {
            let epoch = Epoch::parse(&text()).ok_or_else(none)?;
            assert_eq!(epoch.to_string(), text());
            assert_eq!(Epoch::from_bytes(epoch.to_bytes()), Some(epoch));
            return Ok(gives(&[("bytes", hex(&epoch.to_bytes()))]));
        }
        "grant" => {
            let grant = Grant::parse(&text()).ok_or_else(none)?;
            assert_eq!(grant.to_string(), text());
        }
        "project id" => is_id("kgp_", &text()).then_some(()).ok_or_else(none)?,
        "member id" => is_id("kgm_", &text()).then_some(()).ok_or_else(none)?,
        "new project id" => return Ok(gives(&[("id", project_id(vector.hex("random")))])),
        "id of a key" => return Ok(gives(&[("id", member_id(&vector.hex("public_key")))])),
        other => panic!("no name {other:?}"),
    }
    Ok(gives(&[]))
}

// --- Keys ---

fn derivation(vector: &Vector) -> Outcome {
    let fields: Vec<_> = vector.all("field").into_iter().collect();
    let fields: Vec<_> = fields.iter().map(|(_, field)| field.bytes()).collect();
    let op = vector.line("op");
    match op.as_str() {
        "LP" => {
            let fields: Vec<_> = fields.iter().map(Vec::as_slice).collect();
            return Ok(gives(&[("bytes", hex(&length_prefixed(&fields)))]));
        }
        "H" => {
            return Ok(gives(&[(
                "hash",
                hex(&hash::hash(&vector.bytes("message"))),
            )]));
        }
        "MAC" => {
            let mac = hash::mac(&key(vector, "key"), &vector.bytes("message"));
            return Ok(gives(&[("mac", hex(&mac))]));
        }
        "AEAD" => {
            let plaintext = Secret::from_vec(vector.bytes("plaintext"));
            let (key, nonce, aad) = (key(vector, "key"), vector.hex("nonce"), vector.bytes("aad"));
            let sealed = aead::seal(&key, &nonce, &aad, &plaintext);
            return Ok(gives(&[("sealed", hex(&sealed))]));
        }
        "DH" => {
            let shared = wrap::agree(&key(vector, "secret"), &vector.hex("public_key"));
            return Ok(gives(&[("shared", hex(shared.ok_or_else(none)?.expose()))]));
        }
        _ => {}
    }
    let from = key(vector, "key");
    let project = vector.optional("project").unwrap_or_default();
    let epoch = vector.optional("epoch").unwrap_or_default();
    let epoch = Epoch::parse(&epoch).map_or([0; 12], Epoch::to_bytes);
    let place = Place {
        project: &project,
        epoch,
    };
    let line = |name| vector.line(name);
    let derived = match op.as_str() {
        "K_env" => kdf::env(&from, place, &line("env")),
        "K_scope" => kdf::scope(&from, place, &line("env"), &line("service"), &line("kind")),
        "K_roster" => kdf::roster(&from, place),
        "K_state" => kdf::state(&from, place),
        "W" => kdf::witness(&from, &vector.optional("member").unwrap_or_default()),
        "wrap key" => kdf::wrap(
            &from,
            &vector.hex("ephemeral"),
            &vector.hex("recipient"),
            place,
        ),
        "introduction key" => {
            kdf::introduction(&from, &vector.hex("author"), &vector.hex("member"), place)
        }
        other => panic!("no derivation {other:?}"),
    };
    Ok(gives(&[("derived", hex(derived.expose()))]))
}

fn wrapped(vector: &Vector) -> Outcome {
    if let Some(public) = vector.optional("public_key") {
        let shared = wrap::agree(
            &key(vector, "secret"),
            &unhex(&public).try_into().expect("32 bytes"),
        );
        return Ok(gives(&[("shared", hex(shared.ok_or_else(none)?.expose()))]));
    }
    let project = vector.line("project");
    let epoch = Epoch::parse(&vector.line("epoch"))
        .expect("an epoch")
        .to_bytes();
    let place = Place {
        project: &project,
        epoch,
    };
    let (secret, aad) = (key(vector, "secret"), vector.bytes("statement"));
    let public = wrap::public_key(&secret);
    let wrap = vector.bytes("wrap");
    let keys = wrap::open(&secret, &public, place, &aad, &wrap).ok_or_else(none)?;
    let ephemeral = key(vector, "ephemeral");
    let again = wrap::seal(&ephemeral, &public, place, &aad, &keys);
    assert_eq!(again, Some(wrap), "sealed again");
    Ok(gives(&[("keys", hex(keys.expose()))]))
}

// --- access.json and kagi.json ---

fn roster(vector: &Vector) -> Outcome {
    let file = vector.bytes("access.json");
    let roster = Roster::read("access.json", &file).map_err(|error| kind(&error))?;
    assert_eq!(roster.write().as_bytes(), file, "not canonical");
    Ok(gives(&[("statement", hex(&roster.statement()))]))
}

fn acceptance(vector: &Vector) -> Outcome {
    let fail = |error: Error| kind(&error);
    let roster = Roster::read("access.json", &vector.bytes("access.json")).map_err(fail)?;
    let config = hash::hash(&vector.bytes("kagi.json"));
    let access = if let Some(text) = vector.optional("scope_key") {
        let text = Secret::from_vec(text.into_bytes());
        let holder = ScopeHolder::from_text("text", &text).map_err(fail)?;
        team::accept_scope_key("access.json", &roster, holder)
    } else if vector.optional("project_key").is_some() {
        team::accept_project_key("access.json", &roster, &config, key(vector, "project_key"))
    } else {
        accepted(vector, &roster, &config)
    };
    let access = access.map_err(fail)?;
    let mut outputs = vec![
        ("member".to_string(), access.member().to_string()),
        ("epoch".to_string(), access.epoch().to_string()),
        ("full".to_string(), yes(access.is_full())),
    ];
    let vouching = [("state", access.state_key()), ("witness", access.witness())];
    let vouching = vouching.into_iter();
    outputs.extend(vouching.filter_map(|(name, key)| Some((name.into(), hex(key?.expose())))));
    for scope in words(&vector.optional("scopes").unwrap_or_default()) {
        outputs.push((format!("key {scope}"), scope_key(&access, &scope)));
    }
    Ok(outputs)
}

fn accepted(vector: &Vector, roster: &Roster, config: &[u8; 32]) -> Result<Access, Error> {
    let identity = Identity::new(key(vector, "secret"));
    let witness = vector.optional("witness").map(|_| key(vector, "witness"));
    let epoch = vector
        .optional("known_epoch")
        .map(|text| Epoch::parse(&text).expect("an epoch"));
    let known = Known {
        witness: epoch.zip(witness.as_ref()),
        anchors: &words(&vector.optional("anchors").unwrap_or_default()),
        confirm: &|author| vector.optional("confirmed") == Some(author.id.clone()),
    };
    team::accept("access.json", roster, config, &identity, &known)
}

/// The next roster, byte for byte: what is random is an input. With a new epoch it is that of a
/// rotation.
fn composed(vector: &Vector) -> Outcome {
    let fail = |error: Error| kind(&error);
    let roster = Roster::read("access.json", &vector.bytes("access.json")).map_err(fail)?;
    let config = hash::hash(&vector.bytes("kagi.json"));
    let access = accepted(vector, &roster, &config).map_err(fail)?;
    let rotates = vector.optional("new epoch");
    let new_epoch = rotates.map(|text| Epoch::parse(&text).expect("an epoch"));
    let epoch = new_epoch.unwrap_or(roster.epoch);
    let mut draft = Draft::after(&roster, config);
    for (_, line) in vector.all("then") {
        let line = words(&line.line());
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        redraft(&mut draft, epoch.number, &line).map_err(fail)?;
    }
    let next = match new_epoch {
        Some(epoch) => access.rotated(epoch, key(vector, "new project key")),
        None => Ok(access),
    };
    let identity = Identity::new(key(vector, "secret"));
    let mut ephemeral = vector.all("ephemeral").into_iter();
    let mut random = || {
        let (_, field) = ephemeral.next().expect("a key for each member");
        Ok(Key::new(unhex(&field.line()).try_into().expect("32 bytes")))
    };
    let envs = Config::read("kagi.json", &vector.bytes("kagi.json")).map_err(fail)?;
    let next = next.and_then(|next| next.compose(&identity, draft, &envs.envs, &mut random));
    Ok(gives(&[("access.json", next.map_err(fail)?.write())]))
}

fn redraft(draft: &mut Draft, epoch: u32, words: &[&str]) -> Result<(), Error> {
    let parse = |grants: &str| {
        let grants = grants.split(',');
        let grants = grants.map(|grant| Grant::parse(grant).expect("a grant"));
        grants.collect()
    };
    match *words {
        ["admit", public, name, grants] => {
            let public = unhex(public).try_into().expect("32 bytes");
            draft.admit(public, name, parse(grants))
        }
        ["remove", id] => draft.remove(id, epoch),
        ["grant", id, grants] => draft.regrant(id, parse(grants), epoch),
        ["rename", id, name] => {
            name.clone_into(&mut draft.member_mut(id)?.name);
            Ok(())
        }
        _ => panic!("no change: {words:?}"),
    }
}

fn request(vector: &Vector) -> Outcome {
    let file = vector.bytes("request.json");
    let request = Request::read("request.json", &file).map_err(|error| kind(&error))?;
    assert_eq!(request.write().as_bytes(), file, "not canonical");
    let again = Request::new(request.public, &request.name).write();
    assert_eq!(again.as_bytes(), file, "made anew");
    Ok(gives(&[
        ("id", request.id.clone()),
        ("name", request.name.clone()),
        ("public_key", hex(&request.public)),
    ]))
}

fn yes(is: bool) -> String {
    (if is { "yes" } else { "no" }).into()
}

fn scope_key(access: &Access, scope: &str) -> String {
    let name = scope_name(scope);
    let key = access.scope_key(&name);
    key.map_or("none".into(), |key| hex(key.key.expose()))
}

/// `values/api/production`.
pub fn scope_name(text: &str) -> ScopeName {
    let parts: Vec<_> = text.split('/').collect();
    let [kind, service, env] = parts[..] else {
        panic!("no scope: {text:?}")
    };
    let kind = if kind == "files" {
        ScopeKind::Files
    } else {
        ScopeKind::Values
    };
    ScopeName {
        kind,
        service: service.into(),
        env: env.into(),
    }
}

fn config(vector: &Vector) -> Outcome {
    let file = vector.bytes("kagi.json");
    let config = Config::read("kagi.json", &file).map_err(|error| kind(&error))?;
    assert_eq!(config.write().as_bytes(), file, "not canonical");
    let mut outputs = vec![("hash".to_string(), hex(&hash::hash(&file)))];
    for (_, below) in vector.all("below") {
        let below = below.line();
        let service = config.inferred_service(&below).unwrap_or("none".into());
        outputs.push((format!("service in {below}"), service));
    }
    Ok(outputs)
}

// --- Scopes ---

fn scope_text(vector: &Vector) -> Outcome {
    let name = scope_name(&vector.line("scope"));
    let file = vector.bytes("file");
    let read = scope_file::read("file", &file, &vector.line("project"), &name)
        .map_err(|error| kind(&error))?;
    let mut outputs = vec![("markers".to_string(), yes(read.has_markers))];
    for sealed in &read.boxes {
        let value = format!("{} {} bytes", hex(&sealed.id()), sealed.len());
        outputs.push((format!("box {}", sealed.epoch), value));
    }
    Ok(outputs)
}

fn sealed_box(vector: &Vector) -> Outcome {
    let name = scope_name(&vector.line("scope"));
    let project = vector.line("project");
    let file = vector.bytes("file");
    let read = scope_file::read("file", &file, &project, &name).map_err(|error| kind(&error))?;
    let sealed = &read.boxes[0];
    let scope_key = ScopeKey {
        key: key(vector, "key"),
        project: &project,
        epoch: sealed.epoch,
        name: &name,
    };
    let snapshot = sealed.open(&scope_key).ok_or_else(none)?;
    let again = SealedBox::seal(&scope_key, vector.hex("nonce"), &snapshot);
    let written = scope_file::write(&project, &name, &snapshot, &[again]);
    assert_eq!(written.as_bytes(), file, "written again");
    Ok(gives(&[
        ("id", hex(&sealed.id())),
        ("plaintext", hex(snapshot.encode().expose())),
    ]))
}

fn plaintext(vector: &Vector) -> Outcome {
    let bytes = vector.bytes("plaintext");
    let kind = match vector.optional("kind").as_deref() {
        None | Some("values") => ScopeKind::Values,
        Some("files") => ScopeKind::Files,
        Some(other) => panic!("no kind {other:?}"),
    };
    let snapshot = Snapshot::decode(Secret::copy_of(&bytes), kind).ok_or_else(none)?;
    assert_eq!(snapshot.encode().expose(), bytes, "not canonical");
    Ok(described(&snapshot))
}

fn described(snapshot: &Snapshot) -> Vec<(String, String)> {
    let ancestors: Vec<_> = snapshot.ancestors.iter().map(|id| hex(id)).collect();
    let mut outputs = vec![
        ("sequence".to_string(), snapshot.sequence.to_string()),
        ("ancestors".to_string(), shortened(&ancestors)),
    ];
    let entries = snapshot.entries.iter();
    outputs.extend(entries.map(|entry| (format!("entry {}", entry.name), entry_line(entry))));
    outputs
}

/// A long list as its first and last item, and how many there are.
pub fn shortened(items: &[String]) -> String {
    match items {
        [] => "-".into(),
        [first, .., last] if items.len() > 16 => format!("{first} to {last}, {}", items.len()),
        _ => items.join(" "),
    }
}

/// Value, description, writer, version, time, author, epoch: values that are no plain word in hex.
pub fn entry_line(entry: &Entry) -> String {
    let word = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        _ if bytes.is_empty() => "-".to_string(),
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => text.to_string(),
        _ => format!("hex:{}", hex(bytes)),
    };
    let value = if entry.value.len() > 64 {
        format!("{} bytes", entry.value.len())
    } else {
        word(entry.value.expose())
    };
    format!(
        "{value} {} writer={} version={} time={} author={} epoch={}",
        word(entry.description.as_bytes()),
        hex(&entry.writer),
        entry.version,
        entry.time,
        word(entry.author.as_bytes()),
        entry.epoch,
    )
}

/// A snapshot as the vectors of `join` describe it: `sequence N`, `ancestors ID …` or
/// `ancestors FIRST to LAST`, `entry NAME VALUE DESCRIPTION WRITER VERSION TIME AUTHOR EPOCH`.
fn snapshot_of(field: &Field) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let text = field.string();
    let id = |word: &str| -> [u8; 8] { unhex(word).try_into().expect("8 bytes") };
    let or_empty = |word: &str| if word == "-" { "" } else { word }.to_string();
    for line in text.lines() {
        let line = words(line);
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        match line[..] {
            ["sequence", number] => snapshot.sequence = number.parse().expect("a number"),
            ["ancestors", first, "to", last] => {
                let range = u64::from_be_bytes(id(first))..=u64::from_be_bytes(id(last));
                snapshot.ancestors.extend(range.map(u64::to_be_bytes));
            }
            ["ancestors", ref ids @ ..] => snapshot.ancestors.extend(ids.iter().map(|one| id(one))),
            [
                "entry",
                name,
                value,
                description,
                writer,
                version,
                time,
                author,
                epoch,
            ] => {
                snapshot.entries.push(Entry {
                    name: name.into(),
                    value: Secret::copy_of(value.as_bytes()).into(),
                    description: or_empty(description),
                    time: time.parse().expect("a number"),
                    author: or_empty(author).into(),
                    writer: id(writer),
                    version: version.parse().expect("a number"),
                    epoch: epoch.parse().expect("a number"),
                });
            }
            _ => panic!("no line of a snapshot: {line:?}"),
        }
    }
    let is_sound = Snapshot::decode(snapshot.encode(), ScopeKind::Values).is_some();
    assert!(is_sound, "no reader gets it: {text}");
    snapshot
}

fn change(scope: &mut Scope, words: &[&str]) {
    let by = |time: &str, author, epoch: &str| Author {
        id: if author == "-" { "" } else { author },
        time: time.parse().expect("a number"),
        epoch: epoch.parse().expect("a number"),
    };
    match *words {
        [
            "set",
            name,
            value,
            time,
            author,
            epoch,
            ref description @ ..,
        ] => {
            let author = by(time, author, epoch);
            let (value, description) = (Secret::copy_of(value.as_bytes()), description.first());
            let set = scope.set(name, value, description.copied(), author);
            set.expect("set");
        }
        ["unset", name] => assert!(scope.unset(name)),
        ["resolve", name, index, time, author, epoch] => {
            let index = index.parse().expect("a number");
            assert!(scope.resolve(name, index, by(time, author, epoch)));
        }
        _ => panic!("no change: {words:?}"),
    }
}

fn joined(vector: &Vector) -> Outcome {
    let snapshots = vector.all("snapshot ").into_iter();
    let snapshots: Vec<_> = snapshots
        .map(|(id, field)| (unhex(&id).try_into().expect("8 bytes"), snapshot_of(field)))
        .collect();
    let mut scope = scope::join(snapshots);
    let mut outputs = vec![("idle box".to_string(), yes(scope.has_idle_box))];
    for (name, slot) in scope.iter() {
        let entries = slot.iter();
        outputs.extend(entries.map(|entry| (format!("key {name}"), entry_line(entry))));
    }
    for (_, line) in vector.all("then") {
        let line = line.line();
        let line: Vec<_> = line.split_whitespace().collect();
        change(&mut scope, &line);
    }
    let replaced = vector.optional("rotated from").map(|ids| words(&ids));
    let next = match replaced {
        None => scope.into_snapshot(),
        Some(ids) => {
            let ids = ids.iter().map(|id| unhex(id).try_into().expect("8 bytes"));
            scope.into_rotated(ids.collect())
        }
    };
    let next = next.map_err(|error| kind(&error))?;
    let next = described(&next).into_iter();
    outputs.extend(next.map(|(name, value)| (format!("next {name}"), value)));
    Ok(outputs)
}

// --- Identities and pins ---

fn identity(vector: &Vector) -> Outcome {
    let fail = |error: Error| kind(&error);
    let text = Secret::from_vec(vector.bytes("text"));
    if vector.optional("is").as_deref() == Some("project key") {
        let key = key_text::project_key("text", &text).map_err(fail)?;
        return Ok(gives(&[("key", hex(key.expose()))]));
    }
    if vector.optional("is").as_deref() == Some("scope key") {
        return scope_key_text(&text);
    }
    if vector.optional("is").as_deref() == Some("paper") {
        let identity = Identity::from_paper("text", &text).map_err(fail)?;
        let paper = key_text::paper(&identity);
        return Ok(gives(&[
            ("id", identity.id.clone()),
            ("secret", hex(identity.secret.expose())),
            (
                "paper",
                paper.expose_str("paper").expect("ASCII").to_string(),
            ),
        ]));
    }
    let text = text.expose_str("text").map_err(fail)?;
    let identity = Identity::from_text("text", text, None).map_err(fail)?;
    let body = text.trim_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    assert_eq!(identity.to_text().expose(), body.as_bytes());
    let mut outputs = vec![
        ("id".to_string(), identity.id.clone()),
        ("secret".to_string(), hex(identity.secret.expose())),
        ("public_key".to_string(), hex(&identity.public)),
    ];
    if let Some(origin) = &identity.origin {
        outputs.push(("project".into(), origin.project.clone()));
        outputs.push(("epoch".into(), origin.epoch.to_string()));
        outputs.push(("witness".into(), hex(origin.witness.expose())));
    }
    let anchors = identity.anchors.iter();
    outputs.extend(anchors.map(|id| ("anchor".to_string(), id.clone())));
    Ok(outputs)
}

fn scope_key_text(text: &Secret) -> Outcome {
    let holder = ScopeHolder::from_text("text", text).map_err(|error| kind(&error))?;
    let body = text.expose().trim_ascii();
    assert_eq!(holder.to_text().expose(), body, "not canonical");
    Ok(gives(&[
        ("project", holder.project.clone()),
        ("epoch", holder.epoch.to_string()),
        ("scope", format!("{}/{}", holder.service, holder.env)),
        ("values", hex(holder.values.expose())),
        ("files", hex(holder.files.expose())),
    ]))
}

fn pin(vector: &Vector) -> Outcome {
    let file = vector.bytes("pin.json");
    let pin = Pin::read("pin.json", &file).map_err(|error| kind(&error))?;
    assert_eq!(pin.write().expose(), file, "not canonical");
    let accepted = pin.accepted.as_ref().map_or("none".into(), |(epoch, key)| {
        format!("{epoch} {}", hex(key.expose()))
    });
    let sequences: Vec<_> = pin
        .sequences
        .iter()
        .map(|(scope, number)| format!("{scope}={number}"))
        .collect();
    Ok(gives(&[
        ("accepted", accepted),
        (
            "member",
            if pin.member.is_empty() {
                "-".into()
            } else {
                pin.member.clone()
            },
        ),
        ("anchors", shortened(&pin.anchors)),
        ("sequences", shortened(&sequences)),
    ]))
}

/// The kind of a failure, for the vectors that need a process of their own.
#[cfg(unix)]
pub fn failure(error: &Error) -> String {
    kind(error)
}
