//! The plaintext of a box: every entry of a scope, and the snapshots that came before (FORMAT 8).
//!
//! Promises: one wiped buffer; one encoding for one snapshot; the length tells no more than a
//! multiple of 256. Refuses: unsorted or doubled names, anything over a limit, padding that is not zero.

use crate::error::{Error, Kind, Result};
use crate::format::bytes::{Reader, Writer};
use crate::format::names::{check_file_name, check_key, check_text, is_id};
use crate::format::scope_file::ScopeKind;
use crate::secret::{Part, Secret};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Bytes of one value.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one stored file.
pub const STORED_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Bytes of one description.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Entries in one scope.
pub const ENTRIES_MAX: usize = 20_000;
/// Ancestors that a snapshot lists.
pub const ANCESTORS_MAX: usize = 1024;
/// Bytes of a snapshot's plaintext; its box is a little larger.
pub const SNAPSHOT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// A plaintext is a multiple of this long.
pub const PADDING: usize = 256;
/// Three lengths of texts, a time, an author's length, a writer, two numbers; texts may be empty.
const ENTRY_BYTES_MIN: usize = 3 * 4 + 8 + 4 + 8 + 2 * 4;
const VERSION: u8 = 1;

/// A snapshot's id: the first 8 bytes of `H(box)`. Zero means the snapshot that holds the entry.
pub type SnapshotId = [u8; 8];

/// One key with its value, or a stored file with its content.
pub struct Entry {
    /// The key, or the name of the file.
    pub name: Rc<str>,
    /// The value: any bytes but NUL; of a file any bytes.
    pub value: Part,
    /// For people; may be empty.
    pub description: String,
    /// Seconds since 1970, by the writer's clock.
    pub time: u64,
    /// Member id of the writer, as it claims; empty for the holder of a project key. Many entries share it.
    pub author: Rc<str>,
    /// The snapshot that wrote this entry; zero: this one.
    pub writer: SnapshotId,
    /// 1 for the first value of the key, one more for each that followed.
    pub version: u32,
    /// The number of the epoch in which the value was set: whoever was removed by a later rotation
    /// could read it.
    pub epoch: u32,
}

impl Entry {
    /// The same entry once more, which shares the value.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Entry {
            name: self.name.clone(),
            value: self.value.share(),
            description: self.description.clone(),
            author: self.author.clone(),
            ..*self
        }
    }

    /// True for the same value and description.
    #[must_use]
    pub fn is_same(&self, other: &Entry) -> bool {
        self.value.expose() == other.value.expose() && self.description == other.description
    }
}

/// The state of a scope at one moment.
#[derive(Default)]
pub struct Snapshot {
    /// One more than the newest that came before.
    pub sequence: u64,
    /// Ids of the snapshots that this one contains, the oldest first.
    pub ancestors: Vec<SnapshotId>,
    /// Sorted by name.
    pub entries: Vec<Entry>,
}

impl Snapshot {
    /// The plaintext (FORMAT 8.1).
    #[must_use]
    pub fn encode(&self) -> Secret {
        let sizes = self.entries.iter().map(|entry| {
            64 + entry.name.len() + entry.value.len() + entry.description.len() + entry.author.len()
        });
        let capacity = 64 + 8 * self.ancestors.len() + sizes.sum::<usize>() + PADDING;
        let mut out = Writer::with_capacity(capacity);
        out.raw(&[VERSION]).long(self.sequence).count(self.ancestors.len());
        for ancestor in &self.ancestors {
            out.raw(ancestor);
        }
        out.count(self.entries.len());
        for entry in &self.entries {
            out.field(entry.name.as_bytes())
                .field(entry.value.expose())
                .field(entry.description.as_bytes())
                .long(entry.time)
                .field(entry.author.as_bytes())
                .raw(&entry.writer)
                .raw(&entry.version.to_le_bytes())
                .raw(&entry.epoch.to_le_bytes());
        }
        let missing = out.0.len().next_multiple_of(PADDING) - out.0.len();
        out.raw(&[0; PADDING][..missing]);
        out.0
    }

    /// Reads a plaintext; `None` if it is not exactly what `encode` writes for a snapshot within
    /// the limits of the kind. The text is authentic by then, so the reason does not matter to anybody.
    #[must_use]
    pub fn decode(plaintext: impl Into<Part>, kind: ScopeKind) -> Option<Self> {
        let whole = plaintext.into();
        let bytes = whole.expose();
        let mut reader = Reader(bytes);
        let [version] = reader.raw()?;
        let sequence = reader.long()?;
        let ancestors = usize::try_from(reader.count()?).ok()?;
        if version != VERSION || bytes.len() > SNAPSHOT_BYTES_MAX || ancestors > ANCESTORS_MAX {
            return None; // FORMAT 8.2
        }
        let ancestors = (0..ancestors).map(|_| reader.raw()).collect::<Option<Vec<_>>>()?;
        let count = usize::try_from(reader.count()?).ok()?;
        if count > ENTRIES_MAX {
            return None; // FORMAT 8.2
        }
        // The number is only believed as far as the bytes go: no entry is shorter.
        let mut entries = Vec::with_capacity(count.min(reader.0.len() / ENTRY_BYTES_MIN));
        let mut author = Rc::default();
        for _ in 0..count {
            entries.push(decode_entry(&whole, &mut reader, kind, &mut author)?);
        }
        let known: BTreeSet<_> = ancestors.iter().copied().chain([[0; 8]]).collect();
        let by_writer = entries.chunk_by(|one: &Entry, next| one.writer == next.writer);
        let is_sound = sequence > 0
            && known.len() == ancestors.len() + 1
            && by_writer.filter_map(<[Entry]>::first).all(|entry| known.contains(&entry.writer)); // FORMAT 8.6
        let sorted = entries.is_sorted_by(|one: &Entry, next| one.name < next.name); // FORMAT 8.4
        let padding = reader.0; // FORMAT 8.5
        let padded = padding.len() < PADDING && bytes.len().is_multiple_of(PADDING);
        (is_sound && sorted && padded && padding.iter().all(|byte| *byte == 0))
            .then_some(Snapshot { sequence, ancestors, entries })
    }
}

/// FORMAT 8.3. `reader` is at an entry of `whole`; `author` is that of the entry before, and then of this
/// one.
fn decode_entry(
    whole: &Part,
    reader: &mut Reader,
    kind: ScopeKind,
    author: &mut Rc<str>,
) -> Option<Entry> {
    let entry = Entry {
        name: reader.text()?.into(),
        value: {
            let length = reader.field()?.len();
            let end = whole.len() - reader.0.len();
            whole.part(end - length..end)?
        },
        description: reader.text()?.to_string(),
        time: reader.long()?,
        author: next_author(reader.text()?, author)?,
        writer: reader.raw()?,
        version: reader.count()?,
        epoch: reader.count()?,
    };
    (entry.version > 0
        && entry.epoch > 0
        && check_entry(kind, &entry.name, entry.value.expose(), &entry.description).is_ok())
    .then_some(entry)
}

/// The author that `text` names, which most often is that of the entry before.
fn next_author(text: &str, last: &mut Rc<str>) -> Option<Rc<str>> {
    if **last != *text {
        let is_author = text.is_empty() || is_id("kgm_", text);
        *last = is_author.then(|| text.into())?;
    }
    Some(last.clone())
}

/// What an entry may hold (FORMAT 8.3): a key's name and any bytes but NUL up to 1 MiB, or a stored
/// file's name (FORMAT 3.9) and any bytes up to 5 MiB; and a description.
///
/// # Errors
/// `BadName`, `Unholdable` or `TooLarge`, naming the key or file.
pub fn check_entry(kind: ScopeKind, name: &str, value: &[u8], description: &str) -> Result<()> {
    let (bytes_max, limit) = match kind {
        ScopeKind::Values => (VALUE_BYTES_MAX, "a value may have 1 MiB"),
        ScopeKind::Files => (STORED_BYTES_MAX, "a file may have 5 MiB"),
    };
    match kind {
        ScopeKind::Values => check_key(name)?,
        ScopeKind::Files => check_file_name(name)?,
    }
    check_text("the description", description, DESCRIPTION_BYTES_MAX)?;
    if kind == ScopeKind::Values && value.contains(&0) {
        return Err(Error::new(Kind::Unholdable, name).because("the value holds a NUL byte"));
    }
    if value.len() > bytes_max {
        return Err(Error::new(Kind::TooLarge, name).because(limit));
    }
    Ok(())
}
