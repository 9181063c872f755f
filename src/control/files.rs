//! What commands ask of many files: is it in Ente, is it on this machine only, was it deleted in Ente?

use crate::base::{B64, FileKind, Ino};
use crate::namespace::{FileState, Namespace, Origin, path_of, state_of};
use crate::store::{Rows, StoreError, StoreResult};
use crate::tree::Stage;
use serde::{Deserialize, Serialize};

/// A file as it is listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListedFile {
    /// From the mount on, as the filesystem has it.
    pub path: B64,
    pub bytes: u64,
}

/// Which of these content hashes are those of own photos that are live in an album, as Ente said last.
///
/// # Errors
/// Where the store cannot be read.
pub fn known_hashes(rows: &Rows<'_>, hashes: &[String]) -> StoreResult<Vec<bool>> {
    hashes.iter().map(|hash| is_in_ente(rows, hash)).collect()
}

fn is_in_ente(rows: &Rows<'_>, hash: &str) -> StoreResult<bool> {
    for kind in [FileKind::Image, FileKind::Video, FileKind::LivePhoto] {
        for file in rows.load_files_by_hash(hash, kind)?.iter().filter(|file| file.own && !file.trashed) {
            // What a change is about to take out of an album stays in Ente.
            if rows.load_memberships(file.id)?.iter().any(|member| member.live) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Files that exist on this machine only, by their path.
///
/// # Errors
/// Where the store cannot be read.
pub fn local_only_files(rows: &Rows<'_>) -> StoreResult<Vec<ListedFile>> {
    let mut files = Vec::new();
    for row in rows.load_all_uploads()?.into_iter().filter(|row| row.stage == Stage::LocalOnly) {
        if let Some(path) = path_of(rows, row.ino)? {
            files.push((path.join(&b'/'), row.size));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(path, bytes)| ListedFile { path: B64::of(path), bytes }).collect())
}

/// Entries of drops whose photo was deleted in Ente, by their path: what is not sent again (semantics 2.10).
///
/// # Errors
/// Where the store cannot be read.
pub fn ignored_files(rows: &Rows<'_>) -> StoreResult<Vec<ListedFile>> {
    let listed = |(_, path, bytes)| ListedFile { path: B64::of(path), bytes };
    Ok(ignored(rows)?.into_iter().map(listed).collect())
}

/// Takes such entries out of the listing: all, or those at and below the paths. Answers how many.
///
/// # Errors
/// Where the store cannot be read or written.
pub fn reset_ignored(namespace: &Namespace, paths: &[Vec<u8>]) -> StoreResult<u64> {
    namespace.commit(Origin::Elsewhere, |tx, dirty| {
        let mut entries = 0;
        for (ino, _, _) in ignored(tx)?.into_iter().filter(|(_, path, _)| is_meant(path, paths)) {
            for name in tx.load_names_of(ino)? {
                tx.delete_name(name.parent, &name.name)?;
                dirty.name(name.parent, &name.name);
            }
            tx.delete_node(ino)?;
            entries += 1;
        }
        Ok::<_, StoreError>(entries)
    })
}

/// All, where no path is given.
fn is_meant(path: &[u8], wanted: &[Vec<u8>]) -> bool {
    let covers = |above: &Vec<u8>| {
        let above = above.strip_suffix(b"/").unwrap_or(above);
        path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    wanted.is_empty() || wanted.iter().any(covers)
}

fn ignored(rows: &Rows<'_>) -> StoreResult<Vec<(Ino, Vec<u8>, u64)>> {
    let mut found = Vec::new();
    for node in rows.load_sent_files()? {
        if state_of(rows, node.ino)? == Some(FileState::DeletedInEnte)
            && let Some(path) = path_of(rows, node.ino)?
        {
            found.push((node.ino, path.join(&b'/'), node.size));
        }
    }
    found.sort_by(|one, other| one.1.cmp(&other.1));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_itself_and_all_below_it() {
        let meant = |path: &str, above: &str| is_meant(path.as_bytes(), &[above.as_bytes().to_vec()]);
        assert!(meant("Drop/A/x.jpg", "Drop/A") && meant("Drop/A/x.jpg", "Drop/A/") && meant("Drop/A", "Drop/A"));
        assert!(!meant("Drop/AB/x.jpg", "Drop/A") && is_meant(b"Drop/x", &[]));
    }
}
