//! What the library makes of the inputs of a vector of directory `protocol`.

use crate::check::{gives, key, kind, none, shortened};
use crate::world::hex;
use crate::{Outcome, Vector, unhex};
use kagi::crypto::kdf::{self, Place};
use kagi::crypto::{hash, length_prefixed, wrap};
use kagi::error::Error;
use kagi::format::message::manifest::{Manifest, follow};
use kagi::format::message::token::{AdminToken, Credential, ProjectToken, ServerKeys, fingerprint};
use kagi::keys::Home;
use kagi::keys::remote::KnownRemote;
use kagi::secret::{Key, Secret};
use kagi::sync::channel::{open_credential, open_request, seal_request_with};
use kagi::sync::protocol::{
    NewToken, Operation, ProjectInfo, Request, Response, Rights, Standing, TokenInfo,
};
use std::path::Path;

type Outputs = Vec<(String, String)>;

pub fn check(vector: &Vector) -> Outcome {
    match vector.line("is").as_str() {
        "manifest" => manifest(vector),
        "id of a manifest" => Ok(followed(vector)),
        "project token" => project_token(vector),
        "administrator's token" => admin_token(vector),
        "key file" => server_keys(vector),
        "fingerprint" => Ok(gives(&[(
            "fingerprint",
            fingerprint(&vector.hex("server")),
        )])),
        "new token id" => {
            let credential = Credential::new(vector.hex("random"), key(vector, "secret"));
            Ok(gives(&[("token id", credential.id)]))
        }
        "kept of a token" => {
            let (id, secret) = (vector.line("token id"), key(vector, "secret"));
            let fields = length_prefixed(&[id.as_bytes(), secret.expose()]);
            let mac = hash::mac(&key(vector, "pepper"), &fields);
            Ok(gives(&[("mac", hex(&mac))]))
        }
        "sealed credential" => sealed_credential(vector),
        "request to open" => request_to_open(vector),
        "request to seal" => request_to_seal(vector),
        "response to open" => response_to_open(vector),
        "request" => request(&vector.bytes("message")).ok_or_else(none),
        "response" => response(&vector.bytes("message")).ok_or_else(none),
        "remote.json" => remote_json(vector),
        other => panic!("no reader for {other:?}"),
    }
}

fn output(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

// --- Manifests ---

fn manifest(vector: &Vector) -> Outcome {
    let bytes = vector.bytes("manifest");
    let manifest = Manifest::decode("manifest", &bytes).map_err(|error| kind(&error))?;
    assert_eq!(manifest.encode(), bytes, "not canonical");
    if vector.find("project_key").is_some() {
        let place = Place {
            project: &manifest.project,
            epoch: manifest.epoch.to_bytes(),
        };
        let state_key = kdf::state(&key(vector, "project_key"), place);
        if !manifest.is_authentic(&state_key) {
            return Err(none());
        }
        let mut again = manifest.clone();
        again.mac = [0; 32];
        again.authenticate(&state_key);
        assert_eq!(again.encode(), bytes, "made anew");
    }
    let mut outputs = gives(&[
        ("project", manifest.project.clone()),
        ("epoch", manifest.epoch.to_string()),
        ("revision", manifest.revision.to_string()),
        ("previous", hex(&manifest.previous)),
        ("link", hex(&manifest.link())),
        ("id", hex(&manifest.id())),
    ]);
    for file in &manifest.files {
        let text = format!("{} {} bytes {}", file.path, file.size, hex(&file.digest));
        outputs.push(output("file", &text));
    }
    Ok(outputs)
}

fn followed(vector: &Vector) -> Outputs {
    let links = vector.all("link").into_iter();
    let id = links.fold(vector.hex("id"), |id, (_, link)| {
        follow(&id, &unhex(&link.line()).try_into().expect("32 bytes"))
    });
    gives(&[("id", hex(&id))])
}

// --- Tokens ---

fn text(vector: &Vector) -> Secret {
    Secret::from_vec(vector.bytes("text"))
}

fn project_token(vector: &Vector) -> Outcome {
    let text = text(vector);
    let text = text.expose_str("text").map_err(|error| kind(&error))?;
    let token = ProjectToken::from_text("text", text).map_err(|error| kind(&error))?;
    assert_eq!(token.to_text().expose(), text.trim_ascii().as_bytes());
    Ok(gives(&[
        ("remote", token.remote.clone()),
        ("project", token.project.clone()),
        ("server", hex(&token.server)),
        ("token id", token.credential.id.clone()),
        ("secret", hex(token.credential.secret.expose())),
        ("anchors", shortened(&token.anchors)),
    ]))
}

fn admin_token(vector: &Vector) -> Outcome {
    let text = text(vector);
    let text = text.expose_str("text").map_err(|error| kind(&error))?;
    let token = AdminToken::from_text("text", text).map_err(|error| kind(&error))?;
    assert_eq!(token.to_text().expose(), text.trim_ascii().as_bytes());
    Ok(gives(&[
        ("server", hex(&token.server)),
        ("token id", token.credential.id.clone()),
        ("secret", hex(token.credential.secret.expose())),
    ]))
}

fn server_keys(vector: &Vector) -> Outcome {
    let text = text(vector);
    let keys = ServerKeys::from_text("text", &text).map_err(|error| kind(&error))?;
    let again = keys.to_text();
    assert_eq!(again.expose().trim_ascii(), text.expose().trim_ascii());
    assert!(again.expose().ends_with(b"\n"));
    Ok(gives(&[
        ("secret", hex(keys.secret.expose())),
        ("public_key", hex(&keys.public)),
        ("pepper", hex(keys.pepper.expose())),
    ]))
}

fn sealed_credential(vector: &Vector) -> Outcome {
    let secret = key(vector, "secret");
    let public = wrap::public_key(&secret);
    let (member, project) = (vector.line("member"), vector.line("project"));
    let sealed = vector.bytes("sealed");
    let credential = open_credential(&member, &secret, &public, &project, &sealed);
    let credential = credential.ok_or_else(none)?;
    Ok(gives(&[
        ("token id", credential.id),
        ("token secret", hex(credential.secret.expose())),
    ]))
}

// --- The channel ---

fn plaintext(secret: &Secret) -> Outputs {
    gives(&[(
        "message",
        secret.expose_str("message").expect("text").into(),
    )])
}

fn request_to_open(vector: &Vector) -> Outcome {
    let secret = key(vector, "secret");
    let public = wrap::public_key(&secret);
    let opened = open_request(&secret, &public, &vector.bytes("request"));
    let (message, answering) = opened.ok_or_else(none)?;
    assert!(answering.seal(&message).is_ok(), "it cannot be answered");
    Ok(plaintext(&message))
}

fn request_to_seal(vector: &Vector) -> Outcome {
    let message = Secret::from_vec(vector.bytes("message"));
    let sealed = seal_request_with(key(vector, "ephemeral"), &vector.hex("server"), &message);
    let (request, _) = sealed.ok_or_else(none)?;
    Ok(gives(&[("request", hex(&request))]))
}

fn response_to_open(vector: &Vector) -> Outcome {
    let message = Secret::from_vec(vector.bytes("asked"));
    let sealed = seal_request_with(key(vector, "ephemeral"), &vector.hex("server"), &message);
    let (_, expecting) = sealed.expect("a good key");
    let message = expecting.open(&vector.bytes("response")).ok_or_else(none)?;
    Ok(plaintext(&message))
}

// --- Messages ---

fn dash(text: &str) -> String {
    (if text.is_empty() { "-" } else { text }).into()
}

fn lossy(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).map(dash);
    text.unwrap_or_else(|_| format!("hex:{}", hex(bytes)))
}

fn many<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    dash(&shortened(&items.iter().map(show).collect::<Vec<_>>()))
}

fn request(bytes: &[u8]) -> Option<Outputs> {
    let request = Request::decode(bytes)?;
    assert_eq!(request.encode().expose(), bytes, "not canonical");
    let credential = request.credential.as_ref();
    let mut outputs = vec![
        output("request id", &hex(&request.id)),
        output("token", &credential.map_or("none".into(), credential_line)),
        output("project", &dash(&request.project)),
    ];
    let (name, fields) = operation(&request.operation);
    outputs.push(output("operation", name));
    outputs.extend(fields.into_iter().map(|(name, value)| output(name, &value)));
    Some(outputs)
}

fn credential_line(credential: &Credential) -> String {
    format!("{} {}", credential.id, hex(credential.secret.expose()))
}

fn operation(operation: &Operation) -> (&'static str, Vec<(&'static str, String)>) {
    match operation {
        Operation::Hello => ("hello", vec![]),
        Operation::Status => ("status", vec![]),
        Operation::Pull { since, member } => (
            "pull",
            vec![("since", since.to_string()), ("member", dash(member))],
        ),
        Operation::Fetch { digests } => ("fetch", vec![("hashes", many(digests, |one| hex(one)))]),
        Operation::Push {
            manifest,
            blobs,
            members,
            member,
        } => {
            let members = many(members, |(id, rights)| format!("{id}={}", words(*rights)));
            let blobs = many(blobs, |blob| lossy(blob));
            let fields = vec![
                ("manifest", lossy(manifest)),
                ("blobs", blobs),
                ("members", members),
                ("member", dash(member)),
            ];
            ("push", fields)
        }
        Operation::Post { request } => ("post", vec![("request", lossy(request))]),
        Operation::Register { name } => ("register", vec![("name", dash(name))]),
        Operation::Issue { token } => ("issue", new_token(token)),
        Operation::Tokens => ("tokens", vec![]),
        Operation::Revoke { token } => ("revoke", vec![("token id", dash(token))]),
        Operation::Projects => ("projects", vec![]),
        Operation::Approve { token } => ("approve", new_token(token)),
        Operation::Delete => ("delete", vec![]),
        Operation::Rollback { revision } => ("rollback", vec![("revision", revision.to_string())]),
        Operation::Audit { from } => ("audit", vec![("from", from.to_string())]),
    }
}

fn words(rights: Rights) -> String {
    dash(&rights.words())
}

fn new_token(token: &NewToken) -> Vec<(&'static str, String)> {
    vec![
        ("new token", credential_line(&token.credential)),
        ("rights", words(token.rights)),
        ("expires", token.expires.to_string()),
        ("member", dash(&token.member)),
        ("name", dash(&token.name)),
        ("sealed", lossy(&token.sealed)),
    ]
}

fn response(bytes: &[u8]) -> Option<Outputs> {
    let response = Response::decode(bytes)?;
    assert_eq!(response.encode().expose(), bytes, "not canonical");
    Some(match response {
        Response::Refused(refusal, about) => gives(&[
            ("result", format!("refused: {refusal:?}")),
            ("about", dash(&about)),
        ]),
        Response::Done => gives(&[("result", "done".into())]),
        Response::Standing(standing) => [result("standing"), self::standing(&standing)].concat(),
        Response::Pulled(pulled) => {
            let rest = gives(&[
                ("links", many(&pulled.links, |link| hex(link))),
                ("manifest", lossy(&pulled.manifest)),
                ("blobs", many(&pulled.blobs, |blob| lossy(blob))),
                ("requests", many(&pulled.requests, |one| lossy(one))),
                ("sealed", lossy(&pulled.sealed)),
            ]);
            [result("pulled"), standing(&pulled.standing), rest].concat()
        }
        Response::Blobs(blobs) => [
            result("blobs"),
            gives(&[("blobs", many(&blobs, |blob| lossy(blob)))]),
        ]
        .concat(),
        Response::Tokens(tokens) => {
            let tokens = tokens
                .iter()
                .map(|token| output("token", &token_line(token)));
            result("tokens").into_iter().chain(tokens).collect()
        }
        Response::Projects(projects) => {
            let projects = projects
                .iter()
                .map(|one| output("project", &project_line(one)));
            result("projects").into_iter().chain(projects).collect()
        }
        Response::Lines(lines) => [
            result("lines"),
            gives(&[("lines", many(&lines, |line| dash(line)))]),
        ]
        .concat(),
    })
}

fn result(name: &str) -> Outputs {
    gives(&[("result", name.into())])
}

fn standing(standing: &Standing) -> Outputs {
    gives(&[
        ("revision", standing.revision.to_string()),
        ("id", hex(&standing.id)),
        ("token", dash(&standing.token)),
        ("rights", words(standing.rights)),
        ("member", dash(&standing.member)),
        ("waiting", many(&standing.waiting, Clone::clone)),
    ])
}

fn token_line(token: &TokenInfo) -> String {
    let (rights, member) = (words(token.rights), dash(&token.member));
    let (issued, expires) = (token.issued, token.expires);
    format!(
        "{} {rights} issued={issued} expires={expires} {member} {}",
        token.id, token.name
    )
}

fn project_line(project: &ProjectInfo) -> String {
    let state = if project.is_approved {
        "taken in"
    } else {
        "waits"
    };
    let (revision, bytes) = (project.revision, project.bytes);
    format!(
        "{} {} {state} revision={revision} bytes={bytes}",
        project.id, project.name
    )
}

// --- What a device keeps ---

fn remote_json(vector: &Vector) -> Outcome {
    let bytes = vector.bytes("remote.json");
    let remote = KnownRemote::read("remote.json", &bytes).map_err(|error| kind(&error))?;
    assert_eq!(remote.write().expose(), bytes, "not canonical");
    Ok(remote_outputs(&remote))
}

fn remote_outputs(remote: &KnownRemote) -> Outputs {
    let token = remote.token.as_ref();
    gives(&[
        ("remote", remote.address.clone()),
        (
            "token",
            token.map_or("none".into(), |token| credential_line(&token.credential)),
        ),
        ("revision", remote.revision.to_string()),
        ("manifest", hex(&remote.id)),
    ])
}

/// What needs files; called in a process of its own.
pub fn kept(op: &str, vector: &Vector) -> Result<Outputs, Error> {
    let home = Home::find()?;
    let nothing = || gives(&[("found", "nothing".into())]);
    Ok(match op {
        "remote" => {
            let remote = home.remote(&vector.line("project"))?;
            remote.as_ref().map_or_else(nothing, remote_outputs)
        }
        "login" => {
            let token = home.login(&vector.line("remote"))?;
            token.map_or_else(nothing, |token| {
                gives(&[("token", credential_line(&token.credential))])
            })
        }
        "logins" => {
            let logins = home.logins()?.into_iter();
            logins.map(|address| output("remote", &address)).collect()
        }
        "remember login" => {
            let remote = vector.line("remote");
            let token = AdminToken {
                server: vector.hex("server"),
                credential: Credential {
                    id: vector.line("token id"),
                    secret: Key::new(vector.hex("secret")),
                },
            };
            home.set_login(&remote, &token)?;
            written("remotes")
        }
        "base" => {
            let base = home.base(Path::new(&vector.line("checkout")))?;
            base.map_or_else(nothing, |base| gives(&[("id", hex(&base.id()))]))
        }
        other => panic!("no operation {other:?}"),
    })
}

/// The files with a name that ends like one below a directory of `home`.
fn written(directory: &str) -> Outputs {
    let files = std::fs::read_dir(Path::new("../home").join(directory)).expect("it was made");
    let files = files.map(|file| file.expect("an entry").path());
    let files = files.filter(|file| file.extension().is_some_and(|end| end == "json"));
    files
        .map(|file| {
            let name = file.file_name().expect("a name").to_string_lossy();
            let text = std::fs::read_to_string(&file).expect("text");
            output(&format!("file {directory}/{name}"), &text)
        })
        .collect()
}
