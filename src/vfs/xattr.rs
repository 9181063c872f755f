//! Extended attributes: `user.ente.*` are facts, other `user.*` are kept here (semantics 3).

use super::Vfs;
use super::error::{VfsError, VfsResult};
use crate::base::Ino;
use crate::namespace::{RecordFacts, photo_of, reason_of, state_of};
use crate::store::{Rows, StoreResult};
use crate::tree::Refusal;

/// Whether an attribute must be new, must be there, or either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XattrMode {
    Set,
    Create,
    Replace,
}

const FACTS: &[u8] = b"user.ente.";
const USER: &[u8] = b"user.";
/// What ext4 takes, about.
const MAX_VALUE: usize = 64 << 10;

impl Vfs {
    /// # Errors
    /// ENODATA where there is none; EOPNOTSUPP for names that are not the user's.
    pub fn getxattr(&self, ino: Ino, name: &[u8]) -> VfsResult<Vec<u8>> {
        if let Some(fact) = name.strip_prefix(FACTS) {
            let value = self.store().read(|rows| fact_of(rows, ino, fact))?;
            return value.map(String::into_bytes).ok_or(VfsError::NoAttribute);
        }
        check_user_name(name)?;
        self.store().read(|rows| rows.load_xattr(ino, name))?.ok_or(VfsError::NoAttribute)
    }

    /// The names that users set; facts are not named, so that `rsync -X` stays silent.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn listxattr(&self, ino: Ino) -> VfsResult<Vec<Vec<u8>>> {
        Ok(self.store().read(|rows| rows.load_xattr_names(ino))?)
    }

    /// # Errors
    /// EPERM for facts, EOPNOTSUPP for names that are not the user's, ERANGE for a value over 64 KiB.
    pub fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> VfsResult<()> {
        self.check_settable(name)?;
        if value.len() > MAX_VALUE {
            return Err(VfsError::TooLarge);
        }
        self.commit(&[], Some(ino), |tx, _| {
            let there = tx.load_xattr(ino, name)?.is_some();
            match mode {
                XattrMode::Create if there => Err(Refusal::Exists.into()),
                XattrMode::Replace if !there => Err(VfsError::NoAttribute),
                _ => Ok(tx.save_xattr(ino, name, value)?),
            }
        })
    }

    /// # Errors
    /// ENODATA where there is none; otherwise as [`Self::setxattr`].
    pub fn removexattr(&self, ino: Ino, name: &[u8]) -> VfsResult<()> {
        self.check_settable(name)?;
        let was = self.commit(&[], Some(ino), |tx, _| Ok(tx.delete_xattr(ino, name)?))?;
        if was { Ok(()) } else { Err(VfsError::NoAttribute) }
    }

    fn check_settable(&self, name: &[u8]) -> VfsResult<()> {
        self.check_writable()?;
        if name.starts_with(FACTS) {
            return Err(Refusal::FixedPlace.into());
        }
        check_user_name(name)
    }
}

/// EOPNOTSUPP makes the kernel stop asking for `security.*` and `system.*` (facts of FUSE, line 4).
fn check_user_name(name: &[u8]) -> VfsResult<()> {
    if name.starts_with(USER) { Ok(()) } else { Err(VfsError::Unsupported) }
}

fn fact_of(rows: &Rows<'_>, ino: Ino, fact: &[u8]) -> StoreResult<Option<String>> {
    match fact {
        b"state" => Ok(state_of(rows, ino)?.map(|state| state.word().to_owned())),
        b"reason" => reason_of(rows, ino),
        b"id" => Ok(photo_of(rows, ino)?.map(|file| file.to_string())),
        word => match photo_of(rows, ino)? {
            Some(file) => Ok(RecordFacts::load(rows, file)?.and_then(|facts| facts.get(word))),
            None => Ok(None),
        },
    }
}
