//! What commands ask of many files.

use crate::base::FileKind;
use crate::store::{Rows, StoreResult};

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
