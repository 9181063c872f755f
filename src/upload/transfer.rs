//! Sending: original and thumbnail to the storage, then the request that makes them a photo.

use super::answers::Call;
use super::lanes::LARGE;
use super::pair::load_clip;
use super::parts::{Hashed, Prepared, Transfer, encode};
use super::seal::{PART, Resealing};
use super::step::{Next, StepError, StepResult, load_blob, save_blob};
use super::worker::Uploader;
use crate::base::{AlbumKind, AlbumNo, B64, Nanos, ParkReason};
use crate::crypto::md5;
use crate::namespace::{Dirty, resolve_album, special_album};
use crate::remote::{ObjectBody, Part, PutTarget};
use crate::store::{MemberRow, NodeKind, Rows, Tx, UploadBlob, UploadRow};
use crate::tree::{DropRules, Stage};
use crate::wire::{Magic, MetadataAttributes, ObjectAttributes, RegisterFile};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Parts of one file sent at once.
const PARTS_AT_ONCE: usize = 3;
/// A pull this young is good enough to look for duplicates in.
const FRESH: Duration = Duration::from_secs(2);

impl Uploader {
    pub(super) async fn transfer(&self, row: &UploadRow) -> StepResult {
        // The keys must outlive a power cut before a byte sealed under them leaves (I3).
        self.sync_store().await?;
        let prepared: Prepared = self.load_blob(row, UploadBlob::Prepared)?;
        let (original, thumbnail) = {
            let _lane = if row.size >= LARGE { Some(self.large_lane.acquire().await) } else { None };
            let _turn = self.transfers.acquire().await;
            self.check_hold()?;
            tokio::try_join!(self.put_original(row, &prepared), self.put_thumbnail(&prepared))?
        };
        self.pull.pull_since(Instant::now() - FRESH).await.map_err(StepError::remote(Call::Register))?;
        if let Some(next) = self.link_instead(row)? {
            return Ok(next);
        }
        self.write_request(row, &prepared, Stored { original, thumbnail }).await?;
        Ok(Next::Again)
    }

    /// Nothing is begun while uploads are held; parts that are on their way come to their end.
    fn check_hold(&self) -> Result<(), StepError> {
        self.hold().map_or(Ok(()), |_| Err(StepError::Held))
    }

    /// Another device was quicker: its photo is linked, what was sent is never registered.
    fn link_instead(&self, row: &UploadRow) -> Result<Option<Next>, StepError> {
        let hashed: Hashed = self.load_blob(row, UploadBlob::Facts)?;
        let Some(file) = self.find_duplicate(row, &hashed)? else { return Ok(None) };
        let next = self.advance(row, Stage::Linking, |_, row| {
            row.file = Some(file);
            Ok(())
        })?;
        self.forget_object(row.no);
        Ok(Some(next))
    }

    async fn put_thumbnail(&self, prepared: &Prepared) -> Result<String, StepError> {
        let thumb = prepared.thumb.bytes().ok_or_else(unreadable)?;
        let target = self.remote.fetch_thumbnail_target(thumb.len() as u64, md5(&thumb)).await;
        let target = target.map_err(StepError::remote(Call::Target))?;
        self.put_single(&target, ObjectBody::Bytes(Bytes::from(thumb))).await?;
        Ok(target.object_key)
    }

    async fn put_original(&self, row: &UploadRow, prepared: &Prepared) -> Result<String, StepError> {
        let md5s = prepared.md5s();
        let [md5] = md5s.as_slice() else { return self.put_in_parts(row, prepared, &md5s).await };
        let target = self.remote.fetch_put_target(prepared.cipher_len, *md5).await;
        let target = target.map_err(StepError::remote(Call::Target))?;
        let body = match self.kept_object(row.no) {
            Some(object) => ObjectBody::Bytes(object),
            None => self.resealed(row, prepared, 0..prepared.cipher_len)?,
        };
        self.put_single(&target, body).await?;
        self.note_sent(row.no, prepared.cipher_len);
        Ok(target.object_key)
    }

    async fn put_single(&self, target: &PutTarget, body: ObjectBody) -> Result<(), StepError> {
        let part = target.parts.first().ok_or_else(unreadable)?;
        let etag = self.remote.put_part(part, body).await.map_err(StepError::remote(Call::Put))?;
        if let Some(url) = &target.complete_url {
            self.complete(url, &[Part { number: 1, etag }]).await?;
        }
        Ok(())
    }

    async fn complete(&self, url: &str, parts: &[Part]) -> Result<(), StepError> {
        match self.remote.complete_parts(url, parts).await {
            Ok(()) => Ok(()),
            // The answer of an earlier try was lost; registering finds out whether the object is there.
            Err(error) if super::on_answer(Call::Complete, &error, 0) == super::Answer::Done => Ok(()),
            Err(error) => Err(StepError::Remote { call: Call::Complete, error }),
        }
    }

    /// Parts that are there already, from before a restart too, are not sent again.
    async fn put_in_parts(&self, row: &UploadRow, prepared: &Prepared, md5s: &[[u8; 16]]) -> Result<String, StepError> {
        let mut transfer: Transfer =
            self.store().read(|rows| load_blob(rows, row.no, UploadBlob::Transfer))?.unwrap_or_default();
        let target = match transfer.target.clone() {
            Some(target) => target,
            None => self.begin_parts(row, prepared, md5s, &mut transfer).await?,
        };
        let url = target.complete_url.clone().ok_or_else(unreadable)?;
        let missing: Vec<u32> = (1..=target.parts.len() as u32)
            .filter(|number| !transfer.done.iter().any(|part| part.number == *number))
            .collect();
        self.note_sent(row.no, transfer.done.len() as u64 * PART);
        let mut sending = futures_util::stream::iter(missing.into_iter().map_while(|number| {
            let target = &target;
            self.check_hold().ok()?;
            Some(async move { self.put_one_of(row, prepared, target, number).await })
        }))
        .buffer_unordered(PARTS_AT_ONCE);
        while let Some(part) = sending.try_next().await? {
            transfer.done.push(part);
            self.note_sent(row.no, transfer.done.len() as u64 * PART);
            self.commit_step(row, |tx, now, _| Ok(save_blob(tx, now.no, UploadBlob::Transfer, Some(&transfer))?))?;
        }
        drop(sending);
        if transfer.done.len() < target.parts.len() {
            return Err(StepError::Held);
        }
        transfer.done.sort_by_key(|part| part.number);
        self.complete(&url, &transfer.done).await?;
        Ok(target.object_key)
    }

    async fn begin_parts(
        &self,
        row: &UploadRow,
        prepared: &Prepared,
        md5s: &[[u8; 16]],
        transfer: &mut Transfer,
    ) -> Result<PutTarget, StepError> {
        let target = self.remote.fetch_multipart_target(prepared.cipher_len, PART, md5s).await;
        let target = target.map_err(StepError::remote(Call::Target))?;
        *transfer = Transfer { target: Some(target.clone()), done: Vec::new() };
        self.commit_step(row, |tx, now, _| Ok(save_blob(tx, now.no, UploadBlob::Transfer, Some(&*transfer))?))?;
        Ok(target)
    }

    async fn put_one_of(
        &self,
        row: &UploadRow,
        prepared: &Prepared,
        target: &PutTarget,
        number: u32,
    ) -> Result<Part, StepError> {
        let part = target.parts.get(number as usize - 1).ok_or_else(unreadable)?;
        let start = u64::from(number - 1) * PART;
        let body = self.resealed(row, prepared, start..start + part.length)?;
        let etag = self.remote.put_part(part, body).await.map_err(StepError::remote(Call::Put))?;
        Ok(Part { number, etag })
    }

    fn resealed(
        &self,
        row: &UploadRow,
        prepared: &Prepared,
        range: std::ops::Range<u64>,
    ) -> Result<ObjectBody, StepError> {
        let hashed: Hashed = self.load_blob(row, UploadBlob::Facts)?;
        let plaintext = self.open_plaintext(row, &hashed)?;
        let (key, header) = prepared.key().zip(prepared.header()).ok_or_else(unreadable)?;
        let source = Resealing::new(plaintext, key, header, prepared.macs(), prepared.plain_len);
        Ok(ObjectBody::Source(Arc::new(source), range))
    }

    /// The exact bytes that will make the photo, durable before they are sent (I15).
    async fn write_request(&self, row: &UploadRow, prepared: &Prepared, stored: Stored) -> Result<(), StepError> {
        let album = self.choose_own_target(row)?;
        let collection_id = self.albums.make_remote(album).await.map_err(album_error)?;
        let key = self.store().read(|rows| rows.load_album_key(album))?.ok_or_else(unreadable)?;
        let file_key = prepared.key().ok_or_else(unreadable)?;
        let wrapped = crate::account::wrap_file_key(&key, crate::base::FileId(0), &file_key);
        let request = RegisterFile {
            collection_id,
            encrypted_key: wrapped.encrypted_key.clone(),
            key_decryption_nonce: wrapped.key_decryption_nonce,
            ..objects_of(prepared, stored)
        };
        let bytes = encode(&request);
        self.advance(row, Stage::Uploaded, |tx, row| {
            if let Some(clip) = load_clip(tx, row)? {
                tx.save_upload(&UploadRow { sent: true, target: Some(album), ..clip })?;
            }
            row.target = Some(album);
            // From here on the server may know of it: a crash before the answer asks first.
            row.sent = true;
            tx.save_upload_blob(row.no, UploadBlob::Transfer, None)?;
            tx.save_upload_request_key(row.no, &wrapped.encrypted_key)?;
            Ok(tx.save_upload_blob(row.no, UploadBlob::Request, Some(&bytes))?)
        })?;
        self.forget_object(row.no);
        self.sync_store().await
    }

    /// The album the photo is made in: what its directory says, or Uncategorized, from where it joins somebody else's
    /// (protocol notes, data 1.6).
    fn choose_own_target(&self, row: &UploadRow) -> Result<AlbumNo, StepError> {
        let now = self.clock.now_nanos();
        self.commit_step(row, |tx, row, dirty| {
            let album = find_target(tx, &self.options.drops, &row, now, dirty)?;
            let is_own = tx.load_album(album)?.is_none_or(|album| album.own);
            if is_own { Ok(album) } else { uncategorized(tx, now, dirty) }
        })
    }

    /// The album the photo goes to: what its directory says now.
    pub(super) fn choose_target(&self, row: &UploadRow) -> Result<AlbumNo, StepError> {
        let now = self.clock.now_nanos();
        self.commit_step(row, |tx, row, dirty| {
            let album = find_target(tx, &self.options.drops, &row, now, dirty)?;
            tx.save_upload(&UploadRow { target: Some(album), ..row })?;
            Ok(album)
        })
    }
}

/// The album that the file's directory stands for now, made where there is none yet.
fn find_target(
    tx: &Tx<'_>,
    rules: &DropRules,
    row: &UploadRow,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<AlbumNo, StepError> {
    let album = match target_of(tx, row)? {
        Target::Directory(dir) => resolve_album(tx, rules, dir, now, dirty)?,
        Target::Album(album) => Some(album),
        Target::Nowhere => None,
    };
    album.map_or_else(|| uncategorized(tx, now, dirty), Ok)
}

fn uncategorized(tx: &Tx<'_>, now: Nanos, dirty: &mut Dirty) -> Result<AlbumNo, StepError> {
    Ok(special_album(tx, AlbumKind::Uncategorized, now, dirty)?)
}

enum Target {
    Directory(crate::base::Ino),
    Album(AlbumNo),
    /// No album has what it replaces any more.
    Nowhere,
}

fn target_of(tx: &Tx<'_>, row: &UploadRow) -> Result<Target, StepError> {
    let node = tx.load_node(row.ino)?.ok_or(StepError::Lost)?;
    if let Some(name) = tx.load_names_of(row.ino)?.first() {
        return Ok(Target::Directory(name.parent));
    }
    // A still in Ente joins its clip where that was written.
    if let Some(clip) = load_clip(tx, row)?
        && let Some(name) = tx.load_names_of(clip.ino)?.first()
    {
        return Ok(Target::Directory(name.parent));
    }
    // A photo rewritten in place goes where the old version is.
    if let (NodeKind::Shadow, Some(old)) = (node.kind, row.supersedes) {
        return Ok(home_of(tx, old)?.map_or(Target::Nowhere, Target::Album));
    }
    row.target.map(Target::Album).ok_or(StepError::Lost)
}

/// An album that has the photo; Uncategorized only if no other does.
fn home_of(rows: &Rows<'_>, file: crate::base::FileId) -> Result<Option<AlbumNo>, StepError> {
    let mut found = None;
    for member in rows.load_memberships(file)?.into_iter().filter(MemberRow::is_visible) {
        if let Some(album) = rows.load_album(member.album)?.filter(|album| album.own && album.is_present()) {
            if album.is_home() {
                return Ok(Some(album.no));
            }
            found = Some(album.no);
        }
    }
    Ok(found)
}

/// The keys of the objects in the storage.
struct Stored {
    original: String,
    thumbnail: String,
}

fn objects_of(prepared: &Prepared, stored: Stored) -> RegisterFile {
    let object = |object_key: String, header: &B64, size: u64| ObjectAttributes {
        object_key,
        decryption_header: header.clone(),
        size: size as i64,
    };
    let thumb_len = prepared.thumb.bytes().map_or(0, |thumb| thumb.len() as u64);
    RegisterFile {
        file: object(stored.original, &prepared.header, prepared.cipher_len),
        thumbnail: object(stored.thumbnail, &prepared.thumb_header, thumb_len),
        metadata: MetadataAttributes {
            encrypted_data: prepared.meta.clone(),
            decryption_header: prepared.meta_header.clone(),
            size: 0,
        },
        pub_magic_metadata: prepared.public.as_ref().map(|magic| Magic {
            version: 1,
            count: magic.count,
            data: magic.data.clone(),
            header: magic.header.clone(),
        }),
        ..RegisterFile::default()
    }
}

pub(super) fn unreadable() -> StepError {
    StepError::park(ParkReason::Corrupt, "what an earlier step wrote down cannot be read back")
}

pub(super) fn album_error(error: super::AlbumMakingError) -> StepError {
    match error {
        super::AlbumMakingError::Remote(error) => StepError::Remote { call: Call::CreateAlbum, error },
        super::AlbumMakingError::Store(error) => StepError::Store(error),
        other => StepError::Later(other.to_string()),
    }
}
