//! Pushing: changes made here go out in the order they were made, for each photo; equal ones in batches.
//!
//! A change stays pending, and shows, until a pull confirms what it did. One that the server refuses reverts the
//! view and leaves a line in `status` (semantics, tenet 3).

use super::order::{first_batch, still_to_do, unblocked};
use super::pull::{Reach, Sync, SyncError};
use crate::account::{OpenMagic, open_magic, rename_collection, seal_magic, wrap_file_key};
use crate::base::{AlbumId, AlbumKind, AlbumNo, FileId, Printable, Timestamp};
use crate::namespace::{Dirty, Origin, name_album_directory, other_homes, relist, rename_photo, settle};
use crate::remote::RemoteError;
use crate::store::{AlbumState, OpKind, OpRow, StoreError, Trouble, Tx};
use crate::upload::{AlbumMakingError, Answer, Call, back_off, on_answer};
use crate::wire::{
    AddFiles, FileMagic, Magic, MoveFiles, RemoveFiles, UpdateCollectionMagic, UpdateFileMagic, WrappedFile,
};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Changes that go out in one call: same kind, same albums.
struct Batch {
    ops: Vec<OpRow>,
    call: Call,
}

/// What became of a batch.
enum Pushed {
    Done,
    /// Not now.
    Later(Duration),
    /// Never: a sentence for people.
    Refused(String),
}

impl Sync {
    /// Pushes what is due. Answers when the next change is due, if any waits.
    ///
    /// # Errors
    /// Where the store cannot be read or written; failed calls only put their changes off.
    pub async fn push(self: &Arc<Self>) -> Result<Option<Timestamp>, SyncError> {
        self.make_due_albums().await?;
        while self.push_round().await? {}
        self.next_due()
    }

    /// Pushes until a pull must confirm something. Answers whether more may be due by then.
    async fn push_round(self: &Arc<Self>) -> Result<bool, SyncError> {
        let (mut settled, mut put_off) = (Vec::new(), false);
        while let Some(batch) = self.next_batch(&settled)? {
            let pushed = self.push_batch(&batch).await;
            match pushed {
                Pushed::Done => settled.extend(batch.ops),
                Pushed::Later(wait) => {
                    self.put_off(&batch.ops, wait)?;
                    put_off = true;
                    break;
                }
                Pushed::Refused(_) if batch.ops.len() > 1 => self.push_singly(batch, &mut settled).await?,
                Pushed::Refused(why) => self.refuse(&batch.ops, &why)?,
            }
        }
        if settled.is_empty() {
            return Ok(false);
        }
        self.confirm(&settled).await?;
        Ok(!put_off)
    }

    /// One of them is refused: which, each says by itself (semantics 6.2).
    async fn push_singly(self: &Arc<Self>, batch: Batch, settled: &mut Vec<OpRow>) -> Result<(), SyncError> {
        for op in batch.ops {
            let single = Batch { ops: vec![op], call: batch.call };
            match self.push_batch(&single).await {
                Pushed::Done => settled.extend(single.ops),
                Pushed::Later(wait) => self.put_off(&single.ops, wait)?,
                Pushed::Refused(why) => self.refuse(&single.ops, &why)?,
            }
        }
        Ok(())
    }

    fn next_due(&self) -> Result<Option<Timestamp>, SyncError> {
        Ok(self.store().read(|rows| {
            let ops = unblocked(rows.load_ops()?).into_iter().map(|op| op.due).min();
            let albums = rows.load_albums()?.into_iter().filter(|album| album.state == AlbumState::Local);
            Ok([ops, albums.filter_map(|album| album.create_after).min()].into_iter().flatten().min())
        })?)
    }

    /// Albums made here whose time has come; those with photos are made when the first one is sent.
    async fn make_due_albums(&self) -> Result<(), SyncError> {
        let now = self.clock.now();
        let due: Vec<AlbumNo> = self.store().read(|rows| {
            let local = rows.load_albums()?.into_iter().filter(|album| album.state == AlbumState::Local);
            Ok(local.filter(|album| album.create_after.is_some_and(|due| due <= now)).map(|album| album.no).collect())
        })?;
        for album in due {
            match self.albums.make_remote(album).await {
                Ok(_) | Err(AlbumMakingError::Gone) => {}
                Err(error) => {
                    tracing::info!(%error, "an album could not be made yet");
                    let retry = now.saturating_add(Duration::from_secs(30));
                    self.store().write(|tx| tx.save_album_due(album, retry))?;
                }
            }
        }
        Ok(())
    }

    /// The next changes that nothing earlier holds back.
    fn next_batch(&self, settled: &[OpRow]) -> Result<Option<Batch>, SyncError> {
        let now = self.clock.now();
        let ops = still_to_do(self.store().read(|rows| rows.load_ops())?, settled);
        let batch = first_batch(unblocked(ops).into_iter().filter(|op| op.due <= now));
        let call = batch.first().map(|op| call_of(op.kind));
        Ok(call.map(|call| Batch { ops: batch, call }))
    }

    async fn push_batch(self: &Arc<Self>, batch: &Batch) -> Pushed {
        let attempts = batch.ops.first().map_or(0, |op| op.attempts);
        let outcome = self.send(batch).await;
        match outcome {
            Ok(()) => Pushed::Done,
            Err(SyncError::Remote(error)) => match on_answer(batch.call, &error, attempts) {
                Answer::Done => Pushed::Done,
                Answer::After(wait) => Pushed::Later(wait),
                Answer::BackOff | Answer::FreshTarget | Answer::Reseal => Pushed::Later(wait_for(attempts)),
                // Waiting for a log-in or for room; asked again now and then.
                Answer::Park(crate::base::ParkReason::Session | crate::base::ParkReason::Quota) => {
                    Pushed::Later(Duration::from_secs(60))
                }
                // The server has something else than we believe: see, and try once more.
                Answer::PullAndCompare | Answer::Retarget if attempts < 2 => self.look_again().await,
                _ => Pushed::Refused(error.to_string()),
            },
            Err(error) => {
                tracing::warn!(%error, "a change could not be pushed yet");
                Pushed::Later(wait_for(attempts))
            }
        }
    }

    /// What the server has now is pulled before the next try; where that does not succeed, the try waits.
    async fn look_again(self: &Arc<Self>) -> Pushed {
        match self.pull(Reach::Overlap).await {
            Ok(()) => Pushed::Later(Duration::ZERO),
            Err(error) => {
                tracing::info!(%error, "what the server has now could not be pulled yet");
                Pushed::Later(wait_for(0))
            }
        }
    }

    async fn send(self: &Arc<Self>, batch: &Batch) -> Result<(), SyncError> {
        let Some(first) = batch.ops.first() else { return Ok(()) };
        let files: Vec<FileId> = batch.ops.iter().filter_map(|op| op.file).collect();
        match first.kind {
            OpKind::Leave => self.send_leave(first, &files).await,
            OpKind::Move => self.send_move(first.from, first.to, &files).await,
            OpKind::Add => self.send_add(first.to, &files).await,
            OpKind::NamePhoto | OpKind::EditPhoto => self.send_edits(&batch.ops).await,
            OpKind::NameAlbum => self.send_album_name(first).await,
            OpKind::DeleteAlbum => self.send_deletion(first).await,
            OpKind::ShelveAlbum => self.send_visibility(first).await,
            OpKind::LeaveShared => self.send_leave_shared(first, files).await,
            OpKind::Trash => self.send_trash(first, &files).await,
            OpKind::Restore => self.send_restore(&batch.ops).await,
        }
    }

    /// The homes are looked at again: what kept a photo out of Uncategorized may have gone since.
    async fn send_leave(&self, op: &OpRow, files: &[FileId]) -> Result<(), SyncError> {
        let (Some(from), Some(planned)) = (op.from, op.to) else { return Ok(()) };
        for file in files {
            let homes = self.store().read(|rows| other_homes(rows, *file, from))?;
            let to = if homes.iter().any(|home| home.no == planned) {
                planned
            } else {
                homes.first().map_or(planned, |home| home.no)
            };
            if to != planned {
                self.send_move(Some(from), Some(to), &[*file]).await?;
            }
        }
        self.send_move(Some(from), Some(planned), files).await
    }

    pub(super) async fn send_move(
        &self,
        from: Option<AlbumNo>,
        to: Option<AlbumNo>,
        files: &[FileId],
    ) -> Result<(), SyncError> {
        let (Some(from), Some(to)) = (from, to) else { return Ok(()) };
        let (from_id, to_id) = (self.remote_id(from).await?, self.remote_id(to).await?);
        if from_id == to_id {
            return Ok(());
        }
        let request = MoveFiles { from_collection_id: from_id, to_collection_id: to_id, files: self.wrap(to, files)? };
        Ok(self.remote.move_files(&request).await?)
    }

    pub(super) async fn send_add(&self, to: Option<AlbumNo>, files: &[FileId]) -> Result<(), SyncError> {
        let Some(to) = to else { return Ok(()) };
        let request = AddFiles { collection_id: self.remote_id(to).await?, files: self.wrap(to, files)? };
        Ok(self.remote.add_files(&request).await?)
    }

    pub(super) async fn remote_id(&self, album: AlbumNo) -> Result<AlbumId, SyncError> {
        // One look: between two, a person can remove the album, and what leaves it would be refused. One that is to be
        // deleted next is still there: what leaves it goes before.
        let row = self.store().read(|rows| rows.load_album(album))?;
        if let Some(id) = row.filter(|row| row.state != AlbumState::Deleted).and_then(|row| row.remote) {
            return Ok(id);
        }
        match self.albums.make_remote(album).await {
            Ok(id) => Ok(id),
            Err(AlbumMakingError::Remote(error)) => Err(error.into()),
            Err(AlbumMakingError::Store(error)) => Err(error.into()),
            Err(AlbumMakingError::Account(error)) => Err(error.into()),
            // Moving into what is gone: the server would say so too.
            Err(AlbumMakingError::Gone) => Err(gone().into()),
        }
    }

    pub(super) fn wrap(&self, album: AlbumNo, files: &[FileId]) -> Result<Vec<WrappedFile>, SyncError> {
        let wrapped = self.store().read(|rows| {
            let Some(key) = rows.load_album_key(album)? else { return Ok(None) };
            let mut wrapped = Vec::with_capacity(files.len());
            for file in files {
                if let Some(file_key) = rows.load_file_key(*file)? {
                    wrapped.push(wrap_file_key(&key, *file, &file_key));
                }
            }
            Ok(Some(wrapped))
        })?;
        wrapped.filter(|wrapped| wrapped.len() == files.len()).ok_or_else(|| gone().into())
    }

    /// Read, changed, written as a whole: keys that we do not know stay (protocol notes, data 0.3).
    async fn send_edits(&self, ops: &[OpRow]) -> Result<(), SyncError> {
        let mut list = Vec::with_capacity(ops.len());
        for op in ops {
            if let Some(file) = op.file
                && let Some(magic) = self.edited(file, &fields_of(op))?
            {
                list.push(FileMagic { id: file, magic_metadata: magic });
            }
        }
        if list.is_empty() {
            return Ok(());
        }
        Ok(self.remote.update_public_magic(&UpdateFileMagic { metadata_list: list, skip_version: false }).await?)
    }

    /// The photo's public metadata with these fields; `None` where it has them already.
    fn edited(&self, file: FileId, changes: &Map<String, Value>) -> Result<Option<Magic>, SyncError> {
        let (key, record) =
            self.store().read(|rows| Ok((rows.load_file_key(file)?, rows.load_record(file)?.unwrap_or_default())))?;
        let key = key.ok_or_else(gone)?;
        let envelope = record.public.map(|magic| Magic {
            version: magic.version,
            count: 1,
            data: crate::base::B64::of(&magic.data),
            header: crate::base::B64::of(&magic.header),
        });
        let envelope = envelope.map(|magic| if magic.data.0.is_empty() { Magic { count: 0, ..magic } } else { magic });
        let (version, known) = match open_magic(&key, envelope.as_ref()) {
            OpenMagic::Absent { version } => (version, Map::new()),
            OpenMagic::Open { version, fields } => (version, fields),
            // What cannot be read must not be overwritten.
            OpenMagic::Unreadable { .. } => return Err(gone().into()),
        };
        let mut fields = known.clone();
        for (field, value) in changes {
            match value {
                Value::Null => drop(fields.remove(field)),
                value => drop(fields.insert(field.clone(), value.clone())),
            }
        }
        Ok((fields != known).then(|| seal_magic(&key, version, &fields)))
    }

    async fn send_album_name(&self, op: &OpRow) -> Result<(), SyncError> {
        let (Some(album), Some(name)) = (op.from, &op.name) else { return Ok(()) };
        let id = self.remote_id(album).await?;
        let key = self.store().read(|rows| rows.load_album_key(album))?.ok_or_else(gone)?;
        Ok(self.remote.rename_album(&rename_collection(id, &key, name.as_bytes())).await?)
    }

    /// Read, changed, written as a whole, as photos' records are; the server does not check the version.
    async fn send_visibility(&self, op: &OpRow) -> Result<(), SyncError> {
        let Some(album) = op.from else { return Ok(()) };
        let (row, key) = self.store().read(|rows| Ok((rows.load_album(album)?, rows.load_album_key(album)?)))?;
        let Some(wanted) = row.and_then(|row| row.want_visibility) else { return Ok(()) };
        let (id, key) = (self.remote_id(album).await?, key.ok_or_else(gone)?);
        let known = self.remote.fetch_album(id).await?;
        let (version, mut fields) = match open_magic(&key, known.magic_metadata.as_ref()) {
            OpenMagic::Absent { version } => (version, serde_json::Map::new()),
            OpenMagic::Open { version, fields } => (version, fields),
            OpenMagic::Unreadable { .. } => return Err(gone().into()),
        };
        fields.insert("visibility".into(), wanted.to_wire().into());
        let magic_metadata = seal_magic(&key, version, &fields);
        Ok(self.remote.update_album_magic(&UpdateCollectionMagic { id, magic_metadata }).await?)
    }

    async fn send_leave_shared(&self, op: &OpRow, files: Vec<FileId>) -> Result<(), SyncError> {
        let Some(from) = op.from else { return Ok(()) };
        let request = RemoveFiles { collection_id: self.remote_id(from).await?, file_ids: files };
        Ok(self.remote.remove_files(&request).await?)
    }

    async fn send_deletion(&self, op: &OpRow) -> Result<(), SyncError> {
        let Some(album) = op.from else { return Ok(()) };
        let row = self.store().read(|rows| rows.load_album(album))?;
        match row.and_then(|row| row.remote) {
            Some(id) => Ok(self.remote.delete_album(id).await?),
            None => Ok(()),
        }
    }

    fn put_off(&self, ops: &[OpRow], wait: Duration) -> Result<(), SyncError> {
        let due = self.clock.now().saturating_add(wait);
        self.store().write(|tx| {
            for op in ops {
                tx.save_op_retry(op.no, due, op.attempts.saturating_add(1))?;
            }
            Ok::<_, SyncError>(())
        })
    }

    /// A pull shows what the changes did; only then are they no longer pending.
    async fn confirm(self: &Arc<Self>, ops: &[OpRow]) -> Result<(), SyncError> {
        self.pull(Reach::New).await?;
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            for op in ops {
                tx.delete_op(op.no)?;
            }
            for op in ops {
                settle_op(tx, op, dirty)?;
            }
            Ok::<_, SyncError>(())
        })
    }

    /// The view goes back to what the server has, and `status` says why.
    pub(super) fn refuse(&self, ops: &[OpRow], why: &str) -> Result<(), SyncError> {
        let now = self.clock.now();
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            for op in ops {
                tx.insert_trouble(&Trouble { at: now, kind: "refused".into(), text: sentence(tx, op, why)? })?;
                tx.delete_op(op.no)?;
                settle_op(tx, op, dirty)?;
            }
            Ok::<_, SyncError>(())
        })
    }
}

/// What a change writes into a photo's public metadata.
fn fields_of(op: &OpRow) -> Map<String, Value> {
    let text = op.name.as_deref().unwrap_or_default();
    match op.kind {
        OpKind::EditPhoto => serde_json::from_str(text).unwrap_or_default(),
        _ => Map::from_iter([("editedName".to_owned(), Value::from(text))]),
    }
}

fn gone() -> RemoteError {
    RemoteError::Body("the photo or album is gone, or its key cannot be read".into())
}

fn wait_for(attempts: u32) -> Duration {
    back_off(attempts, crate::crypto::random::<1>()[0])
}

fn call_of(kind: OpKind) -> Call {
    match kind {
        OpKind::Leave | OpKind::Move | OpKind::Add | OpKind::LeaveShared => Call::Link,
        OpKind::NamePhoto | OpKind::EditPhoto => Call::PublicMagic,
        OpKind::NameAlbum | OpKind::ShelveAlbum => Call::RenameAlbum,
        OpKind::DeleteAlbum => Call::DeleteAlbum,
        OpKind::Trash => Call::Trash,
        OpKind::Restore => Call::Restore,
    }
}

/// Nothing of this change is pending any more, unless a later one is.
fn settle_op(tx: &Tx<'_>, op: &OpRow, dirty: &mut Dirty) -> Result<(), StoreError> {
    match op.kind {
        OpKind::Leave | OpKind::Move | OpKind::Add | OpKind::LeaveShared => {
            let Some(file) = op.file else { return Ok(()) };
            let later = tx.load_ops_of_file(file)?;
            for album in [op.from, op.to].into_iter().flatten() {
                if !later.iter().any(|op| op.touches(album)) && tx.load_member(album, file)?.is_some() {
                    settle(tx, album, file, dirty)?;
                }
            }
            Ok(())
        }
        OpKind::Trash | OpKind::Restore => {
            let Some(file) = op.file else { return Ok(()) };
            let later = tx.load_ops_of_file(file)?;
            for member in tx.load_places(file)? {
                let touched = member.want.is_some() && op.touches(member.album);
                if touched && !later.iter().any(|op| op.touches(member.album)) {
                    settle(tx, member.album, file, dirty)?;
                }
            }
            Ok(())
        }
        OpKind::NamePhoto => {
            let Some(file) = op.file else { return Ok(()) };
            if tx.load_ops_of_file(file)?.iter().any(|op| op.kind == OpKind::NamePhoto) {
                return Ok(());
            }
            let row = tx.load_file(file)?;
            let confirmed = row.as_ref().is_some_and(|row| {
                row.want_name.as_deref() == row.label.as_ref().map(crate::store::Label::display_name)
            });
            tx.save_file_want_name(file, None)?;
            if confirmed { Ok(()) } else { rename_photo(tx, file, dirty) }
        }
        // The pull brought it.
        OpKind::EditPhoto => Ok(()),
        OpKind::NameAlbum => settle_album_name(tx, op, dirty),
        OpKind::DeleteAlbum => revive_album(tx, op, dirty),
        OpKind::ShelveAlbum => settle_visibility(tx, op, dirty),
    }
}

fn settle_album_name(tx: &Tx<'_>, op: &OpRow, dirty: &mut Dirty) -> Result<(), StoreError> {
    let Some(album) = op.from else { return Ok(()) };
    let later = tx.load_ops()?.iter().any(|other| other.kind == OpKind::NameAlbum && other.from == Some(album));
    let Some(row) = tx.load_album(album)?.filter(|_| !later) else { return Ok(()) };
    tx.save_album_want_name(album, None)?;
    // A directory keeps the very name it was given as long as it fits what the server says.
    if row.want_name.as_deref() == Some(row.name.as_str()) { Ok(()) } else { name_album_directory(tx, album, dirty) }
}

fn settle_visibility(tx: &Tx<'_>, op: &OpRow, dirty: &mut Dirty) -> Result<(), StoreError> {
    let Some(album) = op.from else { return Ok(()) };
    let later = tx.load_ops()?.iter().any(|other| other.kind == OpKind::ShelveAlbum && other.from == Some(album));
    let Some(row) = tx.load_album(album)?.filter(|_| !later) else { return Ok(()) };
    tx.save_album_want_visibility(album, None)?;
    if row.want_visibility == Some(row.visibility) { Ok(()) } else { name_album_directory(tx, album, dirty) }
}

/// Refused, and still there: it shows again.
fn revive_album(tx: &Tx<'_>, op: &OpRow, dirty: &mut Dirty) -> Result<(), StoreError> {
    let Some(album) = op.from else { return Ok(()) };
    let Some(row) = tx.load_album(album)?.filter(|row| row.state == AlbumState::Deleting) else { return Ok(()) };
    tx.save_album_state(album, AlbumState::Live)?;
    dirty.dir(row.ino);
    // What came to it or changed in it while it was going was not listed anew.
    let mut files = Vec::new();
    tx.for_each_member(album, |file| files.push(file))?;
    for file in files {
        relist(tx, file, dirty)?;
    }
    name_album_directory(tx, album, dirty)
}

/// What could not be done, why, and what is so now.
fn sentence(tx: &Tx<'_>, op: &OpRow, why: &str) -> Result<String, StoreError> {
    let album = |no: Option<AlbumNo>| -> Result<String, StoreError> {
        let row = no.map(|no| tx.load_album(no)).transpose()?.flatten();
        Ok(row.map_or_else(
            || "an album".into(),
            |row| match row.kind {
                AlbumKind::Uncategorized => "Uncategorized".into(),
                _ => format!("'{}'", Printable(row.display_name().as_bytes())),
            },
        ))
    };
    let file = op.file.map(|file| tx.load_file(file)).transpose()?.flatten();
    let photo = file
        .and_then(|file| file.label)
        .map_or_else(|| "a photo".into(), |label| format!("'{}'", Printable(label.display_name().as_bytes())));
    let what = match op.kind {
        OpKind::Leave | OpKind::LeaveShared => format!("{photo} could not be taken out of {}", album(op.from)?),
        OpKind::Move => format!("{photo} could not be moved from {} to {}", album(op.from)?, album(op.to)?),
        OpKind::Add => format!("{photo} could not be added to {}", album(op.to)?),
        OpKind::NamePhoto => {
            format!("{photo} could not be renamed to '{}'", Printable(op.name.as_deref().unwrap_or("").as_bytes()))
        }
        OpKind::EditPhoto => format!("{photo} could not be given the date, place or caption of its sidecar"),
        OpKind::NameAlbum => format!("the album {} could not be renamed", album(op.from)?),
        OpKind::ShelveAlbum => format!("the album {} could not be archived, hidden or shown", album(op.from)?),
        OpKind::DeleteAlbum => format!("the album {} could not be removed", album(op.from)?),
        OpKind::Trash => format!("{photo} could not be moved to Ente's trash"),
        OpKind::Restore => format!("{photo} could not be restored from the trash to {}", album(op.to)?),
    };
    Ok(format!("{what}: {why}; it shows again as Ente has it"))
}
