//! What a server answers: it knows no transport.
//!
//! Promises: who may do what is decided here, in one table (PROTOCOL 8.2), before anything is done.
//! Refuses a token that is unknown, wrong, ended or another project's with the same bytes.

use crate::error::Result;
use crate::format::message::token::ServerKeys;
use crate::format::names::is_id;
use crate::sync::channel::open_request;
use crate::sync::protocol::{Operation, Refusal, Request, Response, Rights};
use crate::sync::store::audit::Actor;
use crate::sync::store::project::Push;
use crate::sync::store::tokens::Token;
use crate::sync::store::{Answer, Refused, Store, standing};

/// What goes back to a client.
pub struct Exchange {
    /// The response.
    pub bytes: Vec<u8>,
    /// True if the token was not accepted: such an answer is held back.
    pub is_denied: bool,
    /// Why the store could not do it, for who runs the server.
    pub trouble: Option<String>,
}

/// Answers the bytes of a request; `None` if they do not open: they are not for this server.
///
/// # Errors
/// `Random`.
pub fn exchange(
    store: &Store,
    keys: &ServerKeys,
    bytes: &[u8],
    from: &str,
    now: u64,
) -> Result<Option<Exchange>> {
    let Some((plaintext, answering)) = open_request(&keys.secret, &keys.public, bytes) else {
        return Ok(None);
    };
    // What is large is there as few times at once as can be.
    let request = Request::decode(plaintext.expose());
    drop(plaintext);
    let response = match request {
        Some(request) => response(answer(store, request, from, now)),
        None => Response::Refused(Refusal::Malformed, String::new()),
    };
    let plaintext = response.encode();
    let is_denied = matches!(response, Response::Refused(Refusal::Denied, _));
    let trouble = match response {
        Response::Refused(Refusal::Storage, about) => Some(about),
        _ => None,
    };
    Ok(Some(Exchange { bytes: answering.seal(&plaintext)?, is_denied, trouble }))
}

/// Does what somebody asks who has the store's directory anyway. A project that registers is taken in
/// at once: there is nobody to ask.
#[must_use]
pub fn local(store: &Store, project: &str, operation: Operation, now: u64) -> Response {
    let actor = Actor::local(now);
    response(match operation {
        Operation::Register { name } if is_id("kgp_", project) => {
            store.create(&actor, project, &name).map(|()| Response::Done)
        }
        operation => perform(store, &actor, project, operation),
    })
}

fn response(answer: Answer<Response>) -> Response {
    answer.unwrap_or_else(|Refused(refusal, about)| Response::Refused(refusal, about))
}

/// What holds for an operation.
struct Rule {
    /// The rights that allow it, each alone; none: no token is needed.
    needed: &'static [Rights],
    /// True for what the same request may not do twice. Registrations and requests for the mailbox,
    /// which those may send who can do nothing else, change nothing if they are there: they take no
    /// place.
    is_change: bool,
    /// True for what is of no project.
    is_of_server: bool,
}

/// PROTOCOL 8.2.
fn rule(operation: &Operation) -> Rule {
    let (needed, is_change, is_of_server): (&[Rights], _, _) = match operation {
        Operation::Hello => (&[], false, true),
        Operation::Register { .. } => (&[], false, false),
        Operation::Status | Operation::Pull { .. } | Operation::Fetch { .. } => {
            (&[Rights::PULL, Rights::JOIN], false, false)
        }
        Operation::Post { .. } => (&[Rights::JOIN, Rights::PULL], false, false),
        Operation::Push { .. } => (&[Rights::PUSH], true, false),
        Operation::Tokens => (&[Rights::ROTATE], false, false),
        Operation::Issue { .. } | Operation::Revoke { .. } => (&[Rights::ROTATE], true, false),
        Operation::Projects | Operation::Audit { .. } => (&[Rights::ADMIN], false, true),
        Operation::Approve { .. } | Operation::Delete | Operation::Rollback { .. } => {
            (&[Rights::ADMIN], true, false)
        }
    };
    Rule { needed, is_change, is_of_server }
}

fn answer(store: &Store, request: Request, from: &str, now: u64) -> Answer<Response> {
    let denied = || Refused::new(Refusal::Denied, ""); // PROTOCOL 8.1
    let Rule { needed, is_change, is_of_server } = rule(&request.operation);
    let token = match &request.credential {
        Some(credential) => store.token(credential, now).ok_or_else(denied)?,
        None if needed.is_empty() => Token::of_nobody("-", Rights(0)),
        None => return Err(denied()),
    };
    let is_meant = token.project == request.project
        || (request.project.is_empty() && is_of_server)
        || needed.is_empty() && request.credential.is_none();
    if !is_meant && !token.info.rights.has(Rights::ADMIN) {
        return Err(denied());
    }
    if !token.may(needed) {
        let missing = needed.first().map(|right| right.words());
        return Err(Refused::new(Refusal::Forbidden, missing.unwrap_or_default()));
    }
    if is_change && !store.is_first(&request.id) {
        return Err(Refused::new(Refusal::Replayed, "")); // PROTOCOL 8.6
    }
    let actor = Actor { token, from: from.to_string(), now };
    perform(store, &actor, &request.project, request.operation)
}

fn perform(store: &Store, actor: &Actor, project: &str, operation: Operation) -> Answer<Response> {
    if !rule(&operation).is_of_server && !is_id("kgp_", project) {
        return Err(Refused::malformed("the project id is malformed"));
    }
    let done = |()| Response::Done;
    match operation {
        Operation::Hello => Ok(Response::Standing(standing(actor))),
        Operation::Status => store.status(actor, project).map(Response::Standing),
        Operation::Pull { since, member } => {
            store.pull(actor, project, since, &member).map(Response::Pulled)
        }
        Operation::Fetch { digests } => store.fetch(project, &digests).map(Response::Blobs),
        Operation::Push { manifest, blobs, members, member } => {
            let push = Push::new(project, manifest, blobs)?;
            store.push(actor, project, push, &members, &member).map(Response::Standing)
        }
        Operation::Post { request } => store.post(actor, project, request).map(done),
        Operation::Register { name } => store.register(actor, project, &name).map(done),
        Operation::Issue { token } => store.issue(actor, project, &token).map(done),
        Operation::Tokens => store.tokens(project).map(Response::Tokens),
        Operation::Revoke { token } => store.revoke(actor, project, &token).map(done),
        Operation::Projects => store.projects().map(Response::Projects),
        Operation::Approve { token } => store.approve(actor, project, &token).map(done),
        Operation::Delete => store.delete(actor, project).map(done),
        Operation::Rollback { revision } => store.roll_back(actor, project, revision).map(done),
        Operation::Audit { from } => store.audit(from).map(Response::Lines),
    }
}
