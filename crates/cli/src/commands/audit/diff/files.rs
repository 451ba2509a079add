//! Files of two archives, side by side: both are listed in the order of their names, so one pass
//! over both finds what only one has, whatever their number.

use std::io::Read;
use std::iter::Peekable;

use lucarne_archive::store::Listing;
use lucarne_archive::{Archive, ArchiveError, Name};

use crate::commands::audit::catalogue::unreadable;
use crate::failure::Failure;

/// One difference.
pub(super) enum Difference {
    /// B has no such file.
    OnlyA(Name),
    /// A has no such file.
    OnlyB(Name),
    /// Both have, with other bytes.
    Bytes(Name),
}

/// The differences, one after the other.
pub(super) struct Files<'a> {
    archives: [&'a dyn Archive; 2],
    names: [Peekable<Listing>; 2],
}

const READ_BYTES: usize = 64 << 10;

impl<'a> Files<'a> {
    /// Those of the whole archives.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(super) fn of(a: &'a dyn Archive, b: &'a dyn Archive) -> Result<Self, Failure> {
        let list = |archive: &dyn Archive| {
            archive.list("").map(Iterator::peekable).map_err(|error| unreadable(&error))
        };
        Ok(Self { archives: [a, b], names: [list(a)?, list(b)?] })
    }

    fn advance(&mut self) -> Result<Option<Difference>, Failure> {
        loop {
            let [a, b] = &mut self.names;
            match (head(a)?, head(b)?) {
                (None, None) => return Ok(None),
                (Some(name), None) => {
                    a.next();
                    return Ok(Some(Difference::OnlyA(name)));
                }
                (None, Some(name)) => {
                    b.next();
                    return Ok(Some(Difference::OnlyB(name)));
                }
                (Some(one), Some(other)) => match one.to_string().cmp(&other.to_string()) {
                    std::cmp::Ordering::Less => {
                        a.next();
                        return Ok(Some(Difference::OnlyA(one)));
                    }
                    std::cmp::Ordering::Greater => {
                        b.next();
                        return Ok(Some(Difference::OnlyB(other)));
                    }
                    std::cmp::Ordering::Equal => {
                        a.next();
                        b.next();
                        if !self.same_bytes(&one)? {
                            return Ok(Some(Difference::Bytes(one)));
                        }
                    }
                },
            }
        }
    }

    fn same_bytes(&self, name: &Name) -> Result<bool, Failure> {
        let open = |archive: &dyn Archive| archive.open(name).map_err(|error| unreadable(&error));
        let (mut a, mut b) = (open(self.archives[0])?, open(self.archives[1])?);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        loop {
            one.clear();
            other.clear();
            let limit = READ_BYTES as u64;
            let failed = |cause| Failure::unreadable("read the archive", &cause);
            (&mut a).take(limit).read_to_end(&mut one).map_err(failed)?;
            (&mut b).take(limit).read_to_end(&mut other).map_err(failed)?;
            if one != other {
                return Ok(false);
            }
            if one.is_empty() {
                return Ok(true);
            }
        }
    }
}

impl Iterator for Files<'_> {
    type Item = Result<Difference, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// The name that comes next; what has no name of an archive is no file of one.
fn head(names: &mut Peekable<Listing>) -> Result<Option<Name>, Failure> {
    loop {
        match names.peek() {
            None => return Ok(None),
            Some(Ok(name)) => return Ok(Some(name.clone())),
            Some(Err(ArchiveError::Stray { .. })) => drop(names.next()),
            Some(Err(error)) => return Err(unreadable(error)),
        }
    }
}
