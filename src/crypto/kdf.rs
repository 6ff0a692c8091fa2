//! Key derivation: `D(label, K, f1, …) = BLAKE3 derive_key(label, LP(K) ‖ LP(f1) ‖ …)` (FORMAT 2.1).
//! Every label of the whole program stands in this file, and each derivation has one function.

use crate::crypto::length;
use crate::secret::Key;
use zeroize::Zeroize;

const ENV: &str = "kagi 2026 v1 env";
const SCOPE: &str = "kagi 2026 v1 scope";
const ROSTER: &str = "kagi 2026 v1 roster";
const STATE: &str = "kagi 2026 v1 state";
const WITNESS: &str = "kagi 2026 v1 witness";
const WRAP: &str = "kagi 2026 v1 wrap";
const INTRODUCTION: &str = "kagi 2026 v1 intro";
const REQUEST: &str = "kagi 2026 v1 request";
const RESPONSE: &str = "kagi 2026 v1 response";
const TOKEN: &str = "kagi 2026 v1 token";

/// What a derivation is bound to besides its names: the project and the epoch's 12 bytes.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The project id, as text.
    pub project: &'a str,
    /// The epoch: number as u32 little-endian, then its 8 random bytes.
    pub epoch: [u8; 12],
}

fn derive(label: &str, key: &Key, fields: &[&[u8]]) -> Key {
    let mut hasher = blake3::Hasher::new_derive_key(label);
    hasher.update(&length(key.expose())).update(key.expose());
    for field in fields {
        hasher.update(&length(field)).update(field);
    }
    let mut raw: [u8; 32] = hasher.finalize().into();
    hasher.zeroize();
    let key = Key::new(raw);
    raw.zeroize();
    key
}

/// `K_env`: opens every scope of one environment (FORMAT 2.2).
#[must_use]
pub fn env(project_key: &Key, place: Place, env: &str) -> Key {
    derive(ENV, project_key, &[place.project.as_bytes(), &place.epoch, env.as_bytes()])
}

/// `K_scope`: opens the boxes of one scope and kind (FORMAT 2.3).
#[must_use]
pub fn scope(env_key: &Key, place: Place, env: &str, service: &str, kind: &str) -> Key {
    let fields = [
        place.project.as_bytes(),
        &place.epoch,
        env.as_bytes(),
        service.as_bytes(),
        kind.as_bytes(),
    ];
    derive(SCOPE, env_key, &fields)
}

/// `K_roster`: makes the witnesses of one epoch; full members only (FORMAT 2.4).
#[must_use]
pub fn roster(project_key: &Key, place: Place) -> Key {
    derive(ROSTER, project_key, &[place.project.as_bytes(), &place.epoch])
}

/// `K_state`: authenticates sync manifests; every member (FORMAT 2.5).
#[must_use]
pub fn state(project_key: &Key, place: Place) -> Key {
    derive(STATE, project_key, &[place.project.as_bytes(), &place.epoch])
}

/// `W_m,e`: one member's witness key of one epoch (FORMAT 2.6).
#[must_use]
pub fn witness(roster_key: &Key, member: &str) -> Key {
    derive(WITNESS, roster_key, &[member.as_bytes()])
}

/// The key of one wrap, from the DH result (FORMAT 2.7).
#[must_use]
pub fn wrap(shared: &Key, ephemeral: &[u8; 32], recipient: &[u8; 32], place: Place) -> Key {
    derive(WRAP, shared, &[ephemeral, recipient, place.project.as_bytes(), &place.epoch])
}

/// The key of one introduction, from the DH result of author and member (FORMAT 2.8).
#[must_use]
pub fn introduction(shared: &Key, author: &[u8; 32], member: &[u8; 32], place: Place) -> Key {
    derive(INTRODUCTION, shared, &[author, member, place.project.as_bytes(), &place.epoch])
}

/// The key of one request to a server, from the DH result of its key and the client's ephemeral one
/// (PROTOCOL 2.2).
#[must_use]
pub fn request(shared: &Key, ephemeral: &[u8; 32], server: &[u8; 32]) -> Key {
    derive(REQUEST, shared, &[ephemeral, server])
}

/// The key of the response: also from the DH result of both ephemeral keys, and bound to the bytes
/// of the request (PROTOCOL 2.3).
#[must_use]
pub fn response(shared: &Key, fresh: &Key, request: &[u8; 32], ephemeral: &[u8; 32]) -> Key {
    derive(RESPONSE, shared, &[fresh.expose(), request, ephemeral])
}

/// The key that seals a token to a member (PROTOCOL 4.6).
#[must_use]
pub fn token(shared: &Key, ephemeral: &[u8; 32], recipient: &[u8; 32], project: &str) -> Key {
    derive(TOKEN, shared, &[ephemeral, recipient, project.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_derivation_of_one_key_differs() {
        let key = Key::new([7; 32]);
        let epoch = [1; 12];
        let place = Place { project: "kgp_a", epoch };
        let other = Place { project: "kgp_b", epoch };
        let raw = [9; 32];
        let all = [
            env(&key, place, "a"),
            env(&key, place, "b"),
            env(&key, other, "a"),
            scope(&key, place, "a", "b", "values"),
            scope(&key, place, "a", "b", "files"),
            scope(&key, place, "b", "a", "values"),
            roster(&key, place),
            state(&key, place),
            witness(&key, "kgm_a"),
            witness(&key, "kgm_b"),
            wrap(&key, &raw, &[8; 32], place),
            wrap(&key, &[8; 32], &raw, place),
            introduction(&key, &raw, &[8; 32], place),
            request(&key, &raw, &[8; 32]),
            response(&key, &Key::new(raw), &[8; 32], &raw),
            token(&key, &raw, &[8; 32], "kgp_a"),
        ];
        let mut seen: Vec<_> = all.iter().map(|key| *key.expose()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all.len());
    }
}
