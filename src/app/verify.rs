//! `verify`: a photo's bytes as the mount reads them, against the hash that its record has.

use super::engine::Engine;
use crate::base::Ino;
use crate::control::{VerifiedFile, resolve};
use crate::crypto::ContentHasher;
use crate::fetch::FetchError;
use crate::namespace::{RecordFacts, content_of};
use crate::store::{ContentRow, Rows, StoreResult};
use std::sync::Arc;

/// Read at a time: one chunk of Ente's.
const PIECE: usize = 4 << 20;

/// What the photo at `path` turns out to be. Nothing that goes wrong stops the next one.
pub(super) async fn verify(engine: &Arc<Engine>, path: &[u8]) -> VerifiedFile {
    let ino = match resolve(&engine.namespace, path) {
        Ok(Some(ino)) => ino,
        Ok(None) => return VerifiedFile::Unread("there is no such file".into()),
        Err(error) => return VerifiedFile::Unread(error.to_string()),
    };
    match engine.store().read(|rows| expected(rows, ino)) {
        Ok(Some((content, hash))) => match hash_of(engine, content).await {
            Ok(found) if found == hash => VerifiedFile::Good,
            Ok(_) => VerifiedFile::Bad("its bytes are not those of its hash".into()),
            Err(error @ (FetchError::Gone | FetchError::Damaged(_) | FetchError::Halves(_))) => {
                VerifiedFile::Bad(error.to_string())
            }
            Err(error @ (FetchError::Longer | FetchError::Offline(_) | FetchError::Store(_))) => {
                VerifiedFile::Unread(error.to_string())
            }
        },
        Ok(None) => VerifiedFile::NotChecked,
        Err(error) => VerifiedFile::Unread(error.to_string()),
    }
}

/// The content of an inode, and the hash that its photo's record has of it. `None` for what is not in Ente, has no hash,
/// or is an older version than the record's.
fn expected(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<(ContentRow, String)>> {
    let Some(content) = content_of(rows, ino)? else { return Ok(None) };
    let current = rows.load_file(content.file)?.and_then(|row| row.content);
    let current = current.map(|no| rows.load_content(no)).transpose()?.flatten();
    if current.is_none_or(|current| current.header != content.header) {
        return Ok(None);
    }
    let hash = RecordFacts::load(rows, content.file)?.and_then(|facts| facts.part_hash(content.part));
    Ok(hash.map(|hash| (content, hash)))
}

async fn hash_of(engine: &Arc<Engine>, content: ContentRow) -> Result<String, FetchError> {
    let content = Arc::new(with_verified_size(engine, content).await?);
    let (mut hasher, mut at) = (ContentHasher::new(), 0);
    while at < content.size {
        let piece = engine.fetch.read(&content, at, PIECE).await?;
        if piece.is_empty() {
            // Shorter than its record says: that is told by the hash.
            break;
        }
        at += piece.len() as u64;
        let hashed = tokio::task::spawn_blocking(move || {
            hasher.update(&piece);
            hasher
        });
        hasher = hashed.await.map_err(|_| FetchError::Offline("the hashing was interrupted".into()))?;
    }
    Ok(hasher.finish().to_text())
}

/// The size of a live photo's half is a hint until it is first read (semantics 1.3).
async fn with_verified_size(engine: &Arc<Engine>, content: ContentRow) -> Result<ContentRow, FetchError> {
    if content.packed.is_none_or(|packed| packed.place.is_some()) {
        return Ok(content);
    }
    let content = Arc::new(content);
    // A failure shows again at the reading itself.
    let _ = engine.fetch.read(&content, 0, 1).await;
    let known = engine.store().read(|rows| rows.load_content(content.no))?;
    Ok(known.unwrap_or_else(|| (*content).clone()))
}
