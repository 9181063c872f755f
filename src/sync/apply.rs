//! Memberships from a diff: the photo's record, its content, what its albums show of it.

use super::halves::Archive;
use super::photo::{PhotoRecord, kind_of, raw_record};
use crate::account::{OpenFile, open_file};
use crate::base::{AlbumNo, ContentNo, FileId, FileKind, Ino, Nanos, Part, Timestamp, UserId};
use crate::crypto::{CollectionKey, StreamHeader, plain_len};
use crate::media::live::Halves;
use crate::namespace::{Dirty, Naming, relist, relist_naming, rename_photo};
use crate::store::{ContentRow, Counter, FileFacts, FileRow, Label, NewContent, RawRecord, Tx};
use crate::tree::DropRules;
use crate::upload::{StepError, apply_registration};
use crate::wire::File;

/// A row of a diff, opened where it can be.
pub(super) struct OpenRow {
    file: File,
    open: Option<OpenFile>,
    /// Ciphertext bytes, where the server or a look at the object told.
    cipher_size: Option<u64>,
    /// Of a live photo not seen before: what the end of its zip says, unverified.
    halves: Option<Halves>,
}

impl OpenRow {
    /// Of a removed membership nothing is to be opened.
    pub(super) fn new(file: File, key: &CollectionKey) -> Self {
        let wanted = !file.is_deleted && !file.metadata.is_scrubbed();
        let open = wanted.then(|| open_file(&file, key).ok()).flatten();
        let size = file.info.map(|info| info.file_size).and_then(|size| u64::try_from(size).ok());
        Self { open, cipher_size: size.filter(|size| *size > 0), halves: None, file }
    }

    /// Of which nothing is to be opened, or can be.
    pub(super) fn closed(file: File) -> Self {
        Self { file, open: None, cipher_size: None, halves: None }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn updation(&self) -> Timestamp {
        self.file.updation_time
    }

    /// Very old files have no size in their record: the object must be asked.
    pub(super) fn lacks_size(&self) -> Option<FileId> {
        (self.open.is_some() && self.cipher_size.is_none()).then_some(self.file.id)
    }

    /// The object of a live photo, whose halves are to be learned.
    pub(super) fn archive(&self) -> Option<Archive> {
        let (open, cipher_size) = (self.open.as_ref()?, self.cipher_size?);
        let header = StreamHeader(self.file.file.decryption_header.array()?);
        let is_live = kind_of(open) == FileKind::LivePhoto;
        is_live.then(|| Archive::new(self.file.id, &open.key, header, cipher_size)).flatten()
    }

    pub(super) fn set_halves(&mut self, halves: Halves) {
        self.halves = Some(halves);
    }

    pub(super) fn id(&self) -> FileId {
        self.file.id
    }

    pub(super) fn set_size(&mut self, size: u64) {
        self.cipher_size = Some(size);
    }
}

/// What applying needs to know.
pub(super) struct Applying<'a> {
    pub(super) user: UserId,
    pub(super) rules: &'a DropRules,
    pub(super) now: Nanos,
    /// The server was asked a second time: what it says now is so.
    pub(super) confirmed: bool,
}

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Applied,
    /// Older than what is known, and different: the server must say it again. Updates stamp when they arrive and
    /// commit late (protocol notes, data 7.3), but an old page replayed looks the same.
    Doubtful,
}

/// Applies one row. Idempotent: the same row again changes nothing.
pub(super) fn apply_row(
    tx: &Tx<'_>,
    context: &Applying<'_>,
    album: AlbumNo,
    row: &OpenRow,
    dirty: &mut Dirty,
) -> Result<Outcome, StepError> {
    let file = row.file.id;
    let member = tx.load_member(album, file)?;
    let live = !row.file.is_deleted;
    if member.as_ref().is_some_and(|member| member.updation == row.updation() && member.live == live) {
        return Ok(Outcome::Applied);
    }
    let older = member.as_ref().is_some_and(|member| row.updation() < member.updation);
    if older && !context.confirmed {
        return Ok(Outcome::Doubtful);
    }
    if !live {
        // Nothing is removed here on the word of an older page.
        if member.is_some() && !older {
            tx.save_member(album, file, false, row.updation())?;
            relist(tx, file, dirty)?;
        }
        return Ok(Outcome::Applied);
    }
    let known = tx.load_file(file)?;
    if known.is_none() && finish_own_upload(tx, context, row, dirty)? {
        tx.save_member(album, file, true, row.updation())?;
        relist(tx, file, dirty)?;
        return Ok(Outcome::Applied);
    }
    let renamed = save_photo(tx, context, row, known.as_ref(), dirty)?;
    tx.save_member(album, file, true, row.updation())?;
    if renamed {
        rename_photo(tx, file, dirty)?;
    }
    relist_naming(tx, file, Naming::Later, dirty)?;
    Ok(Outcome::Applied)
}

/// A photo that this machine sent and had no answer for (I15): known by its wrapped key.
pub(super) fn finish_own_upload(
    tx: &Tx<'_>,
    context: &Applying<'_>,
    row: &OpenRow,
    dirty: &mut Dirty,
) -> Result<bool, StepError> {
    let file = &row.file;
    if file.owner_id != context.user {
        return Ok(false);
    }
    let Some(upload) = tx.find_upload_by_request_key(&file.encrypted_key)? else { return Ok(false) };
    apply_registration(tx, context.rules, upload, file.id, context.now, dirty)?;
    Ok(true)
}

/// Stores record and content. Answers whether the photo has another name now.
pub(super) fn save_photo(
    tx: &Tx<'_>,
    context: &Applying<'_>,
    row: &OpenRow,
    known: Option<&FileRow>,
    dirty: &mut Dirty,
) -> Result<bool, StepError> {
    let own = row.file.owner_id == context.user;
    let header: Option<[u8; 24]> = row.file.file.decryption_header.array();
    let size = row.cipher_size.and_then(|cipher| plain_len(cipher).map(|plain| (cipher, plain)));
    let (Some(open), Some(header), Some(size)) = (&row.open, header, size) else {
        return save_unreadable(tx, row, own, known, dirty);
    };
    let record = PhotoRecord::of(row.file.id, open);
    let facts = FileFacts {
        own,
        kind: Some(record.kind),
        key: Some(&open.key),
        label: Some(&record.label),
        hash: record.hash.as_deref(),
        hidden: record.hidden,
        stand_in: record.stand_in,
    };
    note_taken(known, Some(record.label.taken), dirty);
    tx.save_file(row.file.id, &facts, &raw_record(&row.file))?;
    tx.save_file_trashed(row.file.id, false)?;
    let content = NewVersion { header: StreamHeader(header), size, modified: record.modified, now: context.now };
    if record.kind == FileKind::LivePhoto {
        save_halves(tx, row, &content, known, dirty)?;
    } else {
        save_content(tx, row.file.id, &content, known, dirty)?;
    }
    let before = known.and_then(|known| known.label.as_ref()).map(Label::display_name);
    // A name given here is shown until that change is settled, whatever comes meanwhile.
    Ok(known.is_some_and(|known| known.want_name.is_none()) && before != Some(record.label.display_name()))
}

/// Counted, and taken up again when the server says something new of it.
fn save_unreadable(
    tx: &Tx<'_>,
    row: &OpenRow,
    own: bool,
    known: Option<&FileRow>,
    dirty: &mut Dirty,
) -> Result<bool, StepError> {
    if known.is_none_or(|known| known.kind.is_some()) {
        tracing::warn!(file = row.file.id.0, "a photo's record cannot be opened; it is not shown");
        tx.count(Counter::Unreadable, 1)?;
    }
    let facts = FileFacts { own, kind: None, key: None, label: None, hash: None, hidden: false, stand_in: false };
    note_taken(known, None, dirty);
    tx.save_file(row.file.id, &facts, &RawRecord::default())?;
    Ok(false)
}

/// The month that a photo is not in any more may be one less.
fn note_taken(known: Option<&FileRow>, now: Option<Timestamp>, dirty: &mut Dirty) {
    let before = known.and_then(|known| known.label.as_ref()).map(|label| label.taken);
    if let Some(before) = before.filter(|before| Some(*before) != now) {
        dirty.retaken(before);
    }
}

/// What a record says of the photo's bytes.
struct NewVersion {
    header: StreamHeader,
    /// Of the object, and of its plaintext.
    size: (u64, u64),
    modified: Timestamp,
    now: Nanos,
}

/// A new header is a new content, hence a new inode: two versions never share a page cache (semantics 5.3).
fn save_content(
    tx: &Tx<'_>,
    file: FileId,
    version: &NewVersion,
    known: Option<&FileRow>,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    if let Some(content) = tx.load_content_by_header(file, &version.header)? {
        save_modified(tx, &content, version, dirty)?;
        return Ok(tx.save_file_content(file, content.no)?);
    }
    let first = known.is_none_or(|known| known.content.is_none());
    let no = insert_part(tx, file, version, (Part::Whole, version.size.1), Ino::of_photo(file).filter(|_| first))?;
    Ok(tx.save_file_content(file, no)?)
}

/// A time written through this mount is finer than the record's.
fn save_modified(tx: &Tx<'_>, content: &ContentRow, version: &NewVersion, dirty: &mut Dirty) -> Result<(), StepError> {
    if content.mtime.to_timestamp() != version.modified {
        tx.save_content_times(content.no, version.modified.to_nanos(), version.now)?;
        dirty.ino(content.ino);
    }
    Ok(())
}

fn insert_part(
    tx: &Tx<'_>,
    file: FileId,
    version: &NewVersion,
    (part, size): (Part, u64),
    ino: Option<Ino>,
) -> Result<ContentNo, StepError> {
    let mtime = version.modified.to_nanos();
    let ctime = if ino.is_some() { mtime } else { version.now };
    let ino = ino.map_or_else(|| tx.next_ino(), Ok)?;
    let (header, cipher_size) = (version.header, version.size.0);
    Ok(tx.insert_content(&NewContent { file, part, header, cipher_size, size, ino, mtime, ctime })?)
}

/// A live photo is two contents; one whose halves could not be told is not listed.
fn save_halves(
    tx: &Tx<'_>,
    row: &OpenRow,
    version: &NewVersion,
    known: Option<&FileRow>,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let file = row.file.id;
    if let Some(still) = tx.load_content_by_header(file, &version.header)? {
        save_modified(tx, &still, version, dirty)?;
        if let Some(clip) = tx.load_clip_of(&still)? {
            save_modified(tx, &clip, version, dirty)?;
        }
        return Ok(tx.save_file_content(file, still.no)?);
    }
    let Some(halves) = &row.halves else { return Ok(()) };
    let first = known.is_none_or(|known| known.content.is_none());
    let (photo, clip) = (Ino::of_photo(file).filter(|_| first), Ino::of_clip(file).filter(|_| first));
    let still = insert_part(tx, file, version, (Part::Still, halves.still.size), photo)?;
    let clip = insert_part(tx, file, version, (Part::Clip, halves.clip.size), clip)?;
    tx.save_half(still, still, &halves.still.extension)?;
    tx.save_half(clip, still, &halves.clip.extension)?;
    Ok(tx.save_file_content(file, still)?)
}
