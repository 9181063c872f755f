//! Small frozen files, opened once for all the steps of an upload: each block would be decrypted five times otherwise.

use super::worker::Uploader;
use crate::base::sync::Mutex;
use crate::base::{Generation, ReadAt, UploadNo, VaultId};
use crate::crypto::CHUNK;
use crate::spool::SpoolFile;
use crate::store::UploadRow;
use crate::vault::SealedReader;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Files up to this size are kept opened.
const SMALL: u64 = CHUNK as u64;
/// All of them together.
const KEPT: u64 = 32 << 20;

/// The opened files of the uploads under way.
#[derive(Default)]
pub(super) struct OpenedFiles(Mutex<HashMap<UploadNo, (Frozen, Arc<OpenedFile>)>>);

/// Which bytes they are: those of one commit never change.
type Frozen = (VaultId, Option<Generation>);

impl OpenedFiles {
    pub(super) fn forget(&self, no: UploadNo) {
        self.0.lock().remove(&no);
    }

    fn get_or_keep(&self, no: UploadNo, frozen: Frozen, vault: &SpoolFile) -> Option<Arc<OpenedFile>> {
        let mut files = self.0.lock();
        if let Some((known, file)) = files.get(&no)
            && *known == frozen
        {
            return Some(Arc::clone(file));
        }
        files.remove(&no);
        let kept: u64 = files.values().map(|(_, file)| file.size()).sum();
        if kept + vault.len() > KEPT {
            return None;
        }
        let file = Arc::new(OpenedFile { sealed: vault.reader(), bytes: Mutex::new(None) });
        files.insert(no, (frozen, Arc::clone(&file)));
        Some(file)
    }
}

impl Uploader {
    /// A frozen file's bytes; a small one's stay in memory until its task ends.
    pub(super) fn reader_of(&self, row: &UploadRow, vault: &SpoolFile) -> Arc<dyn ReadAt> {
        let is_kept = row.frozen && vault.len() <= SMALL;
        let frozen = (row.vault, vault.generation());
        match is_kept.then(|| self.opened.get_or_keep(row.no, frozen, vault)).flatten() {
            Some(file) => file,
            None => Arc::new(vault.reader()),
        }
    }
}

/// A file whose bytes stay, once somebody asked for some.
struct OpenedFile {
    sealed: SealedReader,
    bytes: Mutex<Option<Vec<u8>>>,
}

impl ReadAt for OpenedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock();
        if bytes.is_none() {
            let mut whole = vec![0; self.sealed.size() as usize];
            self.sealed.read_exact_at(0, &mut whole)?;
            *bytes = Some(whole);
        }
        bytes.as_ref().map_or(Ok(0), |bytes| bytes.read_at(offset, buf))
    }

    fn size(&self) -> u64 {
        self.sealed.size()
    }
}
