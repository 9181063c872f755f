//! The directory `spool/`: one file per vault ID, nothing readable in a name.

use super::error::SpoolError;
use crate::base::VaultId;
use crate::crypto::random;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const DIR_MODE: u32 = 0o700;
const OPEN_MODE: u32 = 0o600;
const SEALED_MODE: u32 = 0o400;

/// The open directory.
pub(super) struct SpoolDir {
    path: PathBuf,
    handle: File,
}

/// A file as it stands in the directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: VaultId,
    /// Bytes of the file, holes counted.
    pub(super) size: u64,
    /// Bytes taken on the disk.
    pub(super) disk_bytes: u64,
    pub(super) is_sealed: bool,
}

impl SpoolDir {
    /// Opens the directory, and makes it where it is missing, durably.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        let open = || -> io::Result<Self> {
            if !path.is_dir() {
                DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)?;
                path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())?;
            }
            fs::set_permissions(path, Permissions::from_mode(DIR_MODE))?;
            Ok(Self { path: path.to_owned(), handle: File::open(path)? })
        };
        open().map_err(SpoolError::io("open the directory"))
    }

    pub(super) fn path(&self, id: VaultId) -> PathBuf {
        self.path.join(id.to_hex())
    }

    /// Makes the names in it durable.
    pub(super) fn sync(&self) -> Result<(), SpoolError> {
        self.handle.sync_all().map_err(SpoolError::io("sync the directory"))
    }

    /// A second handle, to ask for the free space.
    pub(super) fn handle(&self) -> Result<File, SpoolError> {
        self.handle.try_clone().map_err(SpoolError::io("open the directory"))
    }

    /// An empty file under a fresh name; durable after [`Self::sync`]: what makes it is one change with its name. A sync of
    /// each would have every file on its way in wait for one of another.
    pub(super) fn create(&self) -> Result<(VaultId, File), SpoolError> {
        let id = VaultId(random());
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(OPEN_MODE).open(self.path(id));
        Ok((id, file.map_err(SpoolError::io("make a file"))?))
    }

    /// Opens a file for reading and writing, and tells whether it is sealed: its record still changes then.
    pub(super) fn open_file(&self, id: VaultId) -> Result<(File, bool), SpoolError> {
        let path = self.path(id);
        let open = || OpenOptions::new().read(true).write(true).open(&path);
        let opened = match open() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // Sealed: only its owner's own mode bars it.
                fs::set_permissions(&path, Permissions::from_mode(OPEN_MODE))
                    .and_then(|()| open())
                    .and_then(|file| file.set_permissions(Permissions::from_mode(SEALED_MODE)).map(|()| file))
            }
            opened => opened,
        };
        let with_mode = opened.and_then(|file| file.metadata().map(|meta| (file, meta.mode() & 0o200 == 0)));
        with_mode.map_err(SpoolError::of("open a file", id))
    }

    pub(super) fn entry(&self, id: VaultId) -> Result<Entry, SpoolError> {
        let meta = fs::metadata(self.path(id)).map_err(SpoolError::of("look at a file", id))?;
        let is_sealed = meta.mode() & 0o200 == 0;
        Ok(Entry { id, size: meta.len(), disk_bytes: meta.blocks() * 512, is_sealed })
    }

    /// The vault IDs in it; other names are none of ours.
    pub(super) fn ids(&self) -> Result<Vec<VaultId>, SpoolError> {
        let list = || -> io::Result<Vec<VaultId>> {
            let mut ids = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                ids.extend(entry?.file_name().to_str().and_then(VaultId::from_hex));
            }
            Ok(ids)
        };
        list().map_err(SpoolError::io("list the directory"))
    }

    pub(super) fn make_sealed(&self, id: VaultId) -> Result<(), SpoolError> {
        let mode = Permissions::from_mode(SEALED_MODE);
        fs::set_permissions(self.path(id), mode).map_err(SpoolError::of("seal a file", id))
    }

    /// Renames a file out of the directory; whoever takes it may write to it.
    pub(super) fn rename_to(&self, id: VaultId, to: &Path) -> Result<(), SpoolError> {
        let (from, failed) = (self.path(id), SpoolError::of("hand a file on", id));
        let was_sealed = self.entry(id)?.is_sealed;
        fs::set_permissions(&from, Permissions::from_mode(OPEN_MODE)).map_err(&failed)?;
        let renamed = fs::rename(&from, to).map_err(&failed);
        if renamed.is_err() && was_sealed {
            self.make_sealed(id)?;
        }
        renamed
    }

    /// Removes a file; one that is gone already is removed.
    pub(super) fn remove(&self, id: VaultId) -> Result<(), SpoolError> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SpoolError::of("remove a file", id)(error)),
            _ => Ok(()),
        }
    }
}
