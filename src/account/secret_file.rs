//! Small files that hold secrets: whole or not there, readable by their owner alone.

use super::error::{AccountError, AccountResult};
use crate::crypto::Zeroizing;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// No file here is longer.
const LONGEST: u64 = 1 << 20;

/// The file's bytes; `None` where there is no such file.
pub(super) fn read(path: &Path) -> AccountResult<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(AccountError::file(path)(error)),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(LONGEST).read_to_end(&mut bytes).map_err(AccountError::file(path))?;
    Ok(Some(bytes))
}

/// Writes the file or replaces it, at once and for good.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> AccountResult<()> {
    let draft = write_draft(path, bytes)?;
    std::fs::rename(&draft, path).map_err(AccountError::file(path))?;
    sync_parent(path)
}

/// Writes a file that is not there yet, mode 0600, at once and for good.
///
/// # Errors
/// [`AccountError::File`] with `AlreadyExists` where it is there: nothing is overwritten.
pub fn write_new_secret(path: &Path, bytes: &[u8]) -> AccountResult<()> {
    let draft = write_draft(path, bytes)?;
    let placed = place_new(&draft, path);
    if placed.is_err() {
        // The draft holds the secret; a failure here is told by the error that follows.
        let _ = std::fs::remove_file(&draft);
    }
    placed.map_err(AccountError::file(path))?;
    sync_parent(path)
}

/// Overwrites and removes the file, if there is one. Flash and copy-on-write filesystems may keep old
/// bytes all the same; it is what can be done from here.
pub(super) fn destroy(path: &Path) -> AccountResult<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(AccountError::file(path)(error)),
    };
    let length = file.metadata().map_err(AccountError::file(path))?.len().min(LONGEST);
    let zeros = vec![0; length as usize];
    file.write_all(&zeros).and_then(|()| file.sync_all()).map_err(AccountError::file(path))?;
    std::fs::remove_file(path).map_err(AccountError::file(path))?;
    sync_parent(path)
}

/// The bytes on disk under a name of their own, in the directory of `path`, which is made where missing.
fn write_draft(path: &Path, bytes: &[u8]) -> AccountResult<PathBuf> {
    let parent = parent_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(AccountError::file(parent))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".draft");
    let draft = parent.join(name);
    // Left over from a crash.
    if let Err(error) = std::fs::remove_file(&draft)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(AccountError::file(&draft)(error));
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(AccountError::file(&draft))?;
    Ok(draft)
}

fn place_new(draft: &Path, path: &Path) -> std::io::Result<()> {
    match renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE) {
        // Filesystems that cannot: the state directory is locked, so nobody comes between the two.
        Err(Errno::INVAL | Errno::NOSYS) if !path.exists() => std::fs::rename(draft, path),
        Err(Errno::INVAL | Errno::NOSYS) => Err(ErrorKind::AlreadyExists.into()),
        other => other.map_err(Into::into),
    }
}

fn sync_parent(path: &Path) -> AccountResult<()> {
    let parent = parent_of(path);
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(AccountError::file(parent))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_written_for_its_owner_alone_and_replaced_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/of/it/secret");
        replace(&path, b"one").unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        std::fs::write(dir.path().join("state/of/it/secret.draft"), b"left over from a crash").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_new_secret_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_new_secret(&path, b"one").unwrap();
        let refused = write_new_secret(&path, b"two");
        assert!(matches!(refused, Err(AccountError::File { source, .. }) if source.kind() == ErrorKind::AlreadyExists));
        assert_eq!((read(&path).unwrap().unwrap().as_slice(), mode(&path)), (&b"one"[..], 0o600));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_destroyed_secret_is_overwritten_first() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("secret"), dir.path().join("link"));
        write_new_secret(&path, b"one").unwrap();
        std::fs::hard_link(&path, &link).unwrap();
        destroy(&path).unwrap();
        assert_eq!(std::fs::read(&link).unwrap(), [0; 3]);
        assert!(read(&path).unwrap().is_none());
        destroy(&path).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), b"").unwrap();
        let error = replace(&dir.path().join("file/secret"), b"x").expect_err("a file is no directory");
        assert!(error.to_string().contains("file"), "{error}");
    }
}
