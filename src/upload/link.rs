//! Linking a duplicate: the bytes stay here until the server itself says that the photo is live in the album
//! (semantics 2.9).

use super::answers::{Answer, Call, on_answer};
use super::finish::{pass_place_on, replace_version};
use super::hash::is_followed;
use super::pair::load_clip;
use super::parts::Hashed;
use super::sidecar::favor;
use super::step::{Next, StepError, StepResult, is_removed, load_blob};
use super::transfer::album_error;
use super::worker::Uploader;
use crate::account::wrap_file_key;
use crate::base::{AlbumId, AlbumKind, AlbumNo, ContentNo, FileId, FileKind, Nanos};
use crate::namespace::{Dirty, directory_of, enter, is_called, name_photo, other_homes, relist, settle, show_as};
use crate::remote::RemoteError;
use crate::store::{Counter, NodeKind, NodeRow, Tx, UploadBlob, UploadRow};
use crate::tree::Stage;
use crate::wire::{AddFiles, MoveFiles, WrappedFile};
use std::time::{Duration, Instant};

/// Until the changes of the photo that is linked are looked at again.
const PAUSE: Duration = Duration::from_secs(2);

impl Uploader {
    pub(super) async fn link(&self, row: &UploadRow) -> StepResult {
        let file = row.file.ok_or(StepError::Lost)?;
        if self.store().read(|rows| is_removed(rows, row))? {
            return self.link_nobodys(row, file).await;
        }
        let hashed: Hashed = self.load_blob(row, UploadBlob::Facts)?;
        if self.store().read(|rows| Ok(rows.is_being_replaced(file)? || is_followed(rows, row, &hashed)?))? {
            // Decided anew: it waits for that, where that is soon over.
            return self.advance(row, Stage::Hashed, |_, row| {
                (row.file, row.sent) = (None, false);
                Ok(())
            });
        }
        // Changes of a photo go out in their order: a move that waits would take it away again.
        if self.store().read(|rows| rows.load_ops_of_file(file)).is_ok_and(|ops| !ops.is_empty()) {
            return self.link_later(row);
        }
        let album = self.choose_target(row)?;
        let to = self.albums.make_remote(album).await.map_err(album_error)?;
        self.pull.pull_since(Instant::now()).await.map_err(StepError::remote(Call::Link))?;
        if self.is_live_in(album, file)? {
            return self.finish_link(row, album, file).await;
        }
        match self.join(row, file, album, to).await {
            Ok(()) if self.is_live_there(album, file).await? => self.finish_link(row, album, file).await,
            Ok(()) => self.upload_after_all(row),
            Err(error) if on_answer(Call::Link, &error, row.attempts) == Answer::UploadAfterAll => {
                self.upload_after_all(row)
            }
            Err(error) if error.status().is_some_and(|status| matches!(status, 400 | 403 | 404)) => {
                self.upload_after_all(row)
            }
            Err(error) => Err(StepError::Remote { call: Call::Link, error }),
        }
    }

    /// Removed while a request was out: none is sent any more, and what became of that one is undone. Where the album
    /// shows it already it stays: what is seen there is a photo of its own.
    async fn link_nobodys(&self, row: &UploadRow, file: FileId) -> StepResult {
        match row.target {
            Some(album) if !self.is_live_in(album, file)? && self.is_live_there(album, file).await? => {
                self.finish_link(row, album, file).await
            }
            _ => self.upload_after_all(row),
        }
    }

    fn link_later(&self, row: &UploadRow) -> StepResult {
        let due = self.clock.now().saturating_add(PAUSE);
        self.commit_step(row, |tx, row, _| Ok(tx.save_upload(&UploadRow { due, ..row })?))?;
        Ok(Next::Wait)
    }

    /// What the server says now, not what this machine believes.
    async fn is_live_there(&self, album: AlbumNo, file: FileId) -> Result<bool, StepError> {
        self.pull.pull_since(Instant::now()).await.map_err(StepError::remote(Call::Link))?;
        if !self.is_live_in(album, file)? {
            self.pull.pull_closely().await.map_err(StepError::remote(Call::Link))?;
        }
        self.is_live_in(album, file)
    }

    fn is_live_in(&self, album: AlbumNo, file: FileId) -> Result<bool, StepError> {
        let member = self.store().read(|rows| rows.load_member(album, file))?;
        Ok(member.is_some_and(|member| member.live))
    }

    async fn join(&self, row: &UploadRow, file: FileId, album: AlbumNo, to: AlbumId) -> Result<(), RemoteError> {
        let Ok(Some(wrapped)) = self.wrapped_for(album, file) else {
            return Err(RemoteError::Body("the photo's key cannot be read".into()));
        };
        if self.mark_sent(row).is_err() {
            return Err(RemoteError::Body("the file changed meanwhile".into()));
        }
        // From Uncategorized it is always a move: a photo in an album has no place there.
        let is_own = self.store().read(|rows| rows.load_album(album)).is_ok_and(|row| row.is_none_or(|row| row.own));
        match self.uncategorized_with(file) {
            // Into somebody else's album nothing moves: it joins.
            Some(from) if from != to && is_own => {
                let request = MoveFiles { from_collection_id: from, to_collection_id: to, files: vec![wrapped] };
                self.remote.move_files(&request).await
            }
            _ => self.remote.add_files(&AddFiles { collection_id: to, files: vec![wrapped] }).await,
        }
    }

    fn wrapped_for(&self, album: AlbumNo, file: FileId) -> Result<Option<WrappedFile>, StepError> {
        let keys = self.store().read(|rows| Ok((rows.load_album_key(album)?, rows.load_file_key(file)?)))?;
        Ok(keys.0.zip(keys.1).map(|(album, key)| wrap_file_key(&album, file, &key)))
    }

    fn uncategorized_with(&self, file: FileId) -> Option<AlbumId> {
        let found = self.store().read(|rows| {
            let Some(album) = rows.load_special_album(AlbumKind::Uncategorized)? else { return Ok(None) };
            let live = rows.load_member(album.no, file)?.is_some_and(|member| member.live);
            Ok(album.remote.filter(|_| live))
        });
        found.ok().flatten()
    }

    fn mark_sent(&self, row: &UploadRow) -> Result<(), StepError> {
        self.commit_step(row, |tx, now, _| {
            if let Some(clip) = load_clip(tx, &now)? {
                tx.save_upload(&UploadRow { sent: true, target: now.target, ..clip })?;
            }
            Ok(tx.save_upload(&UploadRow { sent: true, ..now })?)
        })
    }

    /// The photo cannot be linked: it is in the trash, say. Its bytes are here, so they go up.
    fn upload_after_all(&self, row: &UploadRow) -> StepResult {
        self.advance(row, Stage::Hashed, |_, row| {
            row.sent = false;
            Ok(())
        })
    }

    async fn finish_link(&self, row: &UploadRow, album: AlbumNo, file: FileId) -> StepResult {
        let told = self.look_for_sidecar(row).await?;
        let now = self.clock.now_nanos();
        self.commit_step(row, |tx, mut row, dirty| {
            if let Some(old) = row.supersedes
                && is_version_of(tx, &row, file)?
            {
                pass_place_on(tx, &row, None)?;
                replace_version(tx, &row, old, file, album, now, dirty)?;
                // The name passes on to what takes the old one's place.
                tx.clear_listing(album, file)?;
            }
            super::finish::tell_later(tx, &row, file)?;
            enter(tx, album, file, dirty)?;
            settle(tx, album, file, dirty)?;
            favor(tx, file, told.sidecar.as_ref(), now, dirty)?;
            let names = tx.load_names_of(row.ino)?;
            let is_removed = is_removed(tx, &row)?;
            let content = tx.load_file(file)?.and_then(|file| file.content);
            if let Some(clip) = load_clip(tx, &row)? {
                let still = content.map(|no| tx.load_content(no)).transpose()?.flatten();
                let moving = still.map(|still| tx.load_clip_of(&still)).transpose()?.flatten();
                let names = tx.load_names_of(clip.ino)?;
                pass_on(tx, &clip, album, file, moving.map(|moving| moving.no), now, dirty)?;
                super::finish::join_further(tx, &self.options.drops, &names, clip.ino, album, file, now, dirty)?;
                let (stage, due) = (Stage::Registered, now.to_timestamp());
                tx.save_upload(&UploadRow { stage, file: Some(file), due, target: Some(album), ..clip })?;
            }
            let content = half_content(tx, &row, content)?;
            let is_entry = pass_on(tx, &row, album, file, content, now, dirty)?;
            (row.stage, row.file, row.due) = (Stage::Registered, Some(file), now.to_timestamp());
            row.target = Some(album);
            tx.save_upload(&row)?;
            tx.save_upload_hash(row.no, None)?;
            tx.count(Counter::Linked, 1)?;
            if is_entry || is_removed {
                super::finish::follow_up(tx, &self.options.drops, &row, file, now, dirty)?;
            }
            super::finish::join_further(tx, &self.options.drops, &names, row.ino, album, file, now, dirty)?;
            Ok(Next::Again)
        })
    }
}

/// A drop entry with another capture time than its photo's is a new photo, not a new version (semantics 2.12).
fn is_version_of(tx: &Tx<'_>, row: &UploadRow, file: FileId) -> Result<bool, StepError> {
    let taken = tx.load_node(row.ino)?.and_then(|node| node.taken);
    let label = tx.load_file(file)?.and_then(|file| file.label);
    Ok(taken.is_none_or(|taken| label.is_some_and(|label| label.taken == taken)))
}

/// A clip alone that is in Ente as half of a live photo points at that half.
fn half_content(tx: &Tx<'_>, row: &UploadRow, content: Option<ContentNo>) -> Result<Option<ContentNo>, StepError> {
    let facts: Option<Hashed> = load_blob(tx, row.no, UploadBlob::Facts)?;
    let still = content.map(|no| tx.load_content(no)).transpose()?.flatten().filter(|still| still.packed.is_some());
    match (facts, still) {
        (Some(facts), Some(still)) if facts.kind() == FileKind::Video => {
            Ok(tx.load_clip_of(&still)?.map(|clip| clip.no))
        }
        _ => Ok(content),
    }
}

/// A drop entry points at the photo's content from now on; a file in an album directory gives its name to the
/// photo's own inode (semantics 2.7). Answers whether an entry is left.
fn pass_on(
    tx: &Tx<'_>,
    row: &UploadRow,
    album: AlbumNo,
    file: FileId,
    content: Option<ContentNo>,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<bool, StepError> {
    let Some(node) = tx.load_node(row.ino)?.filter(|node| node.vault == Some(row.vault)) else { return Ok(false) };
    let dir = tx.load_album(album)?.map(|album| directory_of(&album));
    let names = tx.load_names_of(node.ino)?;
    let in_album = names.iter().find(|name| Some(name.parent) == dir);
    if let Some(name) = in_album {
        tx.delete_name(name.parent, &name.name)?;
        dirty.name(name.parent, &name.name);
        tx.delete_node(node.ino)?;
        call_as(tx, row, (album, file), &name.name, now, dirty)?;
        if let Some(old) = row.supersedes {
            relist(tx, old, dirty)?;
        }
        return Ok(false);
    }
    dirty.ino(row.ino);
    match node.kind {
        // The photo that it was written over is left as it is in Ente.
        NodeKind::Shadow => tx.delete_node(node.ino)?,
        _ => tx.save_node(&NodeRow { vault: None, file: Some(file), content, album: Some(album), ..node })?,
    }
    relist(tx, file, dirty)?;
    if let Some(old) = row.supersedes {
        relist(tx, old, dirty)?;
    }
    if node.kind == NodeKind::Shadow {
        return Ok(false);
    }
    Ok(true)
}

/// The album shows the photo as the file was called. One that came there by this, and is in no other, is called so from
/// then on; one that albums show already keeps its name.
fn call_as(
    tx: &Tx<'_>,
    row: &UploadRow,
    (album, file): (AlbumNo, FileId),
    name: &[u8],
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    tx.clear_listing(album, file)?;
    relist(tx, file, dirty)?;
    if is_called(tx, file, name)? {
        return Ok(show_as(tx, album, file, name, dirty)?);
    }
    // What is found without its row may have another name in Ente since.
    let is_new_there = row.sent && !row.adopted && other_homes(tx, file, album)?.is_empty();
    match std::str::from_utf8(name) {
        Ok(wanted) if is_new_there => Ok(name_photo(tx, file, wanted, now, dirty)?),
        _ => Ok(()),
    }
}
