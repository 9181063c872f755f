//! A spool file: a sealed file that minds the room on its disk.

use super::error::SpoolError;
use super::room::Room;
use crate::vault::{SealedFile, SealedReader};
use std::ops::Deref;
use std::sync::Arc;

/// A file on its way in. Everything but writing is [`SealedFile`]'s own.
///
/// Whoever holds the last handle commits before letting it go: what is not committed then is lost.
pub struct SpoolFile {
    file: Arc<SealedFile>,
    room: Arc<Room>,
}

impl SpoolFile {
    pub(super) fn new(file: SealedFile, room: Arc<Room>) -> Self {
        Self { file: Arc::new(file), room }
    }

    /// [`SealedFile::write_at`], refused early when the disk comes near its floor.
    ///
    /// # Errors
    /// [`SpoolError::NoSpace`]; whatever fails, the file is poisoned (I14).
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), SpoolError> {
        self.check_room(data)?;
        Ok(self.file.write_at(offset, data)?)
    }

    /// [`SealedFile::fill_base`], refused early likewise.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    pub fn fill_base(&self, offset: u64, data: &[u8]) -> Result<(), SpoolError> {
        self.check_room(data)?;
        Ok(self.file.fill_base(offset, data)?)
    }

    fn check_room(&self, data: &[u8]) -> Result<(), SpoolError> {
        self.room.check(data.len() as u64).inspect_err(|_| self.file.poison())
    }

    /// For parsers, hashes and uploads; lives as long as it is needed.
    pub fn reader(&self) -> SealedReader {
        SealedReader::new(Arc::clone(&self.file))
    }
}

impl Deref for SpoolFile {
    type Target = SealedFile;

    fn deref(&self) -> &SealedFile {
        &self.file
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if self.file.is_dirty() && !self.file.is_poisoned() {
            tracing::error!(id = ?self.file.id(), "a spool file was let go with bytes that are not committed");
        }
    }
}
