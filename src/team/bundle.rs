//! Reading what a wrap holds. Pure.
//!
//! Promises: what is returned is what the writer makes for such a member, key for key (FORMAT 5.9).
//! Refuses a key that no grant gives, and every other order.

use crate::format::bytes::Reader;
use crate::format::names::{Epoch, Grant, check_place};
use crate::format::roster::{Member, WITNESSES_MAX};
use crate::secret::Key;
use crate::team::{FULL, Keys, LIMITED, SCOPE_KEYS_MAX, ScopeKeys};

/// Reads a bundle; `None` unless it is what `bundle` writes for such a member (FORMAT 5.9).
pub(super) fn decode_bundle(bytes: &[u8], member: &Member, epoch: Epoch) -> Option<Keys> {
    let mut reader = Reader(bytes);
    let keys = match reader.raw()? {
        [FULL] if member.is_full() => {
            Keys::Full { project_key: reader.key()?, earlier: decode_earlier(&mut reader, epoch)? }
        }
        [LIMITED] if !member.is_full() => Keys::Limited {
            state: reader.key()?,
            witness: reader.key()?,
            scopes: decode_scopes(&mut reader, &member.grants)?,
        },
        _ => return None,
    };
    reader.end()?;
    Some(keys)
}

fn decode_earlier(reader: &mut Reader, epoch: Epoch) -> Option<Vec<(Epoch, Key)>> {
    let count = usize::try_from(reader.count()?).ok().filter(|count| *count < WITNESSES_MAX)?;
    let mut earlier = Vec::with_capacity(count);
    for _ in 0..count {
        earlier.push((Epoch::from_bytes(reader.raw()?)?, reader.key()?));
    }
    let numbers = earlier.iter().map(|(earlier, _)| earlier.number).chain([epoch.number]);
    numbers.is_sorted_by(|one, next| one < next).then_some(earlier)
}

fn decode_scopes(reader: &mut Reader, grants: &[Grant]) -> Option<Vec<ScopeKeys>> {
    let count = usize::try_from(reader.count()?).ok().filter(|count| *count <= SCOPE_KEYS_MAX)?;
    let mut scopes = Vec::with_capacity(count);
    for _ in 0..count {
        let (env, service) = (reader.text()?.to_string(), reader.text()?.to_string());
        let key = reader.key()?;
        let files = if service.is_empty() { None } else { Some(reader.key()?) };
        scopes.push(ScopeKeys { env, service, key, files });
    }
    let is_granted = |keys: &ScopeKeys| grants.iter().any(|grant| gives(grant, keys));
    let place = |keys: &ScopeKeys| (keys.env.clone(), keys.service.clone());
    let sorted = scopes.is_sorted_by(|one, next| place(one) < place(next));
    (sorted && scopes.iter().all(is_granted)).then_some(scopes)
}

/// True if a grant gives just these keys.
fn gives(grant: &Grant, keys: &ScopeKeys) -> bool {
    match grant {
        Grant::Full => false,
        Grant::Env(env) => *env == keys.env && keys.service.is_empty(),
        Grant::Service(service) => *service == keys.service && check_place(&keys.env).is_ok(),
        Grant::Scope(service, env) => *service == keys.service && *env == keys.env,
    }
}
