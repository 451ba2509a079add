//! What a section lists under `measurements`: values, or the word `baseline`.
//!
//! The word means the baseline that the file names for all kinds; a file without one is refused.

use std::fmt;
use std::marker::PhantomData;

use lucarne_attest::baseline::Authority;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// Measurements of one kind, as they are written.
pub(super) enum Listed<T> {
    /// These.
    OneOf(Vec<T>),
    /// Those that the baseline authorises.
    Baseline,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self::OneOf(Vec::new())
    }
}

impl<T> Listed<T> {
    /// Whether no measurement is accepted by it.
    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::OneOf(list) => list.is_empty(),
            Self::Baseline => false,
        }
    }
}

/// The baseline of the file, for the section of this kind.
///
/// # Errors
/// When the file names none.
pub(super) fn named(kind: &str, authority: Option<&Authority>) -> Result<Box<Authority>, String> {
    authority.cloned().map(Box::new).ok_or_else(|| {
        format!("{kind}: measurements: expected a baseline under `measurements`, found none")
    })
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Listed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of measurements, or `baseline`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listed<T>, E> {
                match text {
                    "baseline" => Ok(Listed::Baseline),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listed<T>, A::Error> {
                let mut listed = Vec::new();
                while let Some(one) = list.next_element()? {
                    listed.push(one);
                }
                Ok(Listed::OneOf(listed))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}
