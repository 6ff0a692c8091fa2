//! What a sync server and its clients hold and exchange: manifests, tokens, keys of a server.
//!
//! Promises: nothing here can open a scope, so the server's code may import it. Canonical or
//! rejected, as everywhere in `format`. Refuses lists of more items than a state has files.

use crate::format::bytes::{Reader, Writer};
use crate::format::names::Epoch;

pub mod manifest;
pub mod token;

/// Items of any list in a message (PROTOCOL 5.3).
const ITEMS_MAX: usize = manifest::FILES_MAX;

/// A part of a message, which has one encoding.
pub trait Part: Sized {
    /// Appends it to a message.
    fn write(&self, out: &mut Writer);

    /// Takes it off a message; `None` for anything that `write` would not have written.
    fn read(reader: &mut Reader) -> Option<Self>;
}

/// Reads a part, and nothing behind it.
#[must_use]
pub fn whole<T: Part>(bytes: &[u8]) -> Option<T> {
    let mut reader = Reader(bytes);
    let part = T::read(&mut reader)?;
    reader.end()?;
    Some(part)
}

/// Says of which fields a struct consists, in the order in which they are written.
macro_rules! parts {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl Part for $name {
            fn write(&self, out: &mut Writer) {
                $(self.$field.write(out);)*
            }

            fn read(reader: &mut Reader) -> Option<Self> {
                Some($name { $($field: Part::read(reader)?),* })
            }
        }
    };
}
pub(crate) use parts;

/// Says of a type how it becomes a few bytes, always as many, and comes of them.
macro_rules! fixed {
    ($type:ty, $value:ident => $to:expr, $bytes:ident => $from:expr) => {
        impl Part for $type {
            fn write(&self, out: &mut Writer) {
                let $value = self;
                out.raw(&$to);
            }

            fn read(reader: &mut Reader) -> Option<Self> {
                let $bytes = reader.raw()?;
                $from
            }
        }
    };
}
pub(crate) use fixed;

fixed!(u32, number => number.to_le_bytes(), bytes => Some(u32::from_le_bytes(bytes)));
fixed!(u64, number => number.to_le_bytes(), bytes => Some(u64::from_le_bytes(bytes)));
fixed!(bool, is_so => [u8::from(*is_so)], bytes => match bytes {
    [0] => Some(false),
    [1] => Some(true),
    _ => None,
});
fixed!(Epoch, epoch => epoch.to_bytes(), bytes => Epoch::from_bytes(bytes));

impl<const N: usize> Part for [u8; N] {
    fn write(&self, out: &mut Writer) {
        out.raw(self);
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        reader.raw()
    }
}

impl Part for String {
    fn write(&self, out: &mut Writer) {
        out.field(self.as_bytes());
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        reader.text().map(str::to_string)
    }
}

impl Part for Vec<u8> {
    fn write(&self, out: &mut Writer) {
        out.field(self);
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        reader.field().map(<[u8]>::to_vec)
    }
}

impl<T: Part> Part for Vec<T> {
    fn write(&self, out: &mut Writer) {
        out.count(self.len());
        for item in self {
            item.write(out);
        }
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let count = usize::try_from(reader.count()?).ok().filter(|count| *count <= ITEMS_MAX)?;
        (0..count).map(|_| T::read(reader)).collect()
    }
}

impl<T: Part> Part for Option<T> {
    fn write(&self, out: &mut Writer) {
        self.is_some().write(out);
        if let Some(part) = self {
            part.write(out);
        }
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        if bool::read(reader)? { T::read(reader).map(Some) } else { Some(None) }
    }
}

impl<A: Part, B: Part> Part for (A, B) {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some((A::read(reader)?, B::read(reader)?))
    }
}
