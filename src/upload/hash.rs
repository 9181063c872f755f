//! Hashing, and whether Ente has these bytes already (semantics 2.9).

use super::pair::Pairing;
use super::parts::{Hashed, Told};
use super::recall::rewritten_half;
use super::seal::{Draft, read_all};
use super::step::{Next, StepError, StepResult, load_blob, save_blob};
use super::worker::Uploader;
use crate::base::{FileId, FileKind, ParkReason, Part, ReadAt, Timestamp, Visibility};
use crate::crypto::{ContentHash, ContentHasher};
use crate::media::live::Crc;
use crate::media::{MediaKind, Sniffed};
use crate::namespace::{Dirty, RecordFacts, add_photo, is_called, name_photo, other_homes, path_of, relist, show_as};
use crate::store::{
    AlbumRow, AlbumState, FileRow, HalfOf, NodeKind, NodeRow, Rows, StoreResult, Tx, UploadBlob, UploadRow,
};
use crate::tree::{Dedup, Stage};

/// What is to be done with bytes whose hash is known.
enum Plan {
    /// New to the account.
    Upload,
    /// A photo with the same bytes and name is there.
    Link(FileId),
    /// The same is on its way already.
    Wait,
    /// Exactly what the photo it would replace has: no version at all.
    Unchanged(FileId),
}

impl Uploader {
    pub(super) async fn hash(&self, row: &UploadRow) -> StepResult {
        let vault = self.open_spooled(row)?;
        let (node, name, told) = self.store().read(|rows| {
            let name = path_of(rows, row.ino)?.and_then(|path| path.last().cloned());
            Ok((rows.load_node(row.ino)?, name, load_blob::<Told>(rows, row.no, UploadBlob::Told)?))
        })?;
        let (Some(node), Some(name)) = (node, name) else { return Err(StepError::Lost) };
        let told = told.unwrap_or_default();
        // Bytes of a length that no photo has are new to the account; the others are hashed before anything else.
        let is_new = !self.store().read(|rows| rows.has_content_of_size(vault.len()))?;
        let (reader, title) = (self.reader_of(row, &vault), name.clone());
        let (hash, kind, crc, draft) =
            self.on_blocking_thread(move || hash_and_sniff(reader.as_ref(), &title, is_new)).await??;
        if let Some(draft) = draft {
            self.keep_draft(row.no, draft);
        }
        let hashed = Hashed {
            hash: hash.to_text(),
            kind: kind.to_wire(),
            title: told.title.unwrap_or_else(|| String::from_utf8_lossy(&name).into_owned()),
            modified: node.mtime.to_timestamp(),
            crc,
            pair: None,
            recalled: None,
            declined: None,
            recalled_for: told.recalled_for,
        };
        self.advance(row, Stage::Hashed, |tx, row| {
            row.half = None;
            row.generation = vault.generation().or(row.generation);
            save_blob(tx, row.no, UploadBlob::Facts, Some(&hashed))?;
            Ok(tx.save_upload_hash(row.no, Some((&hashed.hash, hashed.kind())))?)
        })
    }

    /// Decides between uploading, linking, waiting for a twin and nothing at all.
    pub(super) async fn decide(&self, row: &UploadRow) -> StepResult {
        if row.half.is_none() {
            match self.seek_partner(row).await? {
                Pairing::Alone => {}
                Pairing::Wait | Pairing::Formed => return Ok(Next::Wait),
            }
        }
        let hashed: Hashed = self.load_blob(row, UploadBlob::Facts)?;
        let dedup = self.dedup_of(row)?;
        let now = self.clock.now();
        let plan = self.commit_step(row, |tx, mut row, dirty| {
            let plan = plan(tx, &row, &hashed, dedup, |no| self.has_claimed(no))?;
            (row.since, row.due) = (now, now);
            match plan {
                Plan::Upload => {
                    self.claim(row.no);
                    return Ok(plan);
                }
                Plan::Link(file) => (row.stage, row.file) = (Stage::Linking, Some(file)),
                // Rung when the other one is in Ente or stops; looked at now and then all the same.
                Plan::Wait => (row.stage, row.due) = (Stage::Twin, now.saturating_add(TWIN_LOOK)),
                Plan::Unchanged(file) => leave_unchanged(tx, &mut row, file, now, dirty)?,
            }
            tx.save_upload(&row)?;
            dirty.ino(row.ino);
            Ok(plan)
        })?;
        match plan {
            Plan::Upload => self.prepare(row, hashed).await,
            Plan::Link(_) => Ok(Next::Again),
            Plan::Wait | Plan::Unchanged(_) => Ok(Next::Wait),
        }
    }

    fn dedup_of(&self, row: &UploadRow) -> Result<Dedup, StepError> {
        if row.adopted {
            return Ok(Dedup::Content);
        }
        let path = self.store().read(|rows| path_of(rows, row.ino))?.unwrap_or_default();
        Ok(self.drop_of(&path).map_or_else(Dedup::default, |drop| drop.dedup))
    }

    /// Looked up once more after a pull, just before registering: another device may have been quicker.
    pub(super) fn find_duplicate(&self, row: &UploadRow, hashed: &Hashed) -> Result<Option<FileId>, StepError> {
        let dedup = self.dedup_of(row)?;
        Ok(self.store().read(|rows| Ok(find_equal(rows, row, hashed, dedup)))??)
    }

    /// A twin looks again: the other may be done, or gone.
    pub(super) fn look_again(&self, row: &UploadRow) -> StepResult {
        match row.half {
            Some(half @ HalfOf { part: Part::Clip, .. }) => self.watch_partner(row, half),
            _ => self.advance(row, Stage::Hashed, |_, _| Ok(())),
        }
    }
}

/// How often a twin looks by itself.
const TWIN_LOOK: std::time::Duration = std::time::Duration::from_secs(30);

/// The hash, the kind and the checksum; where they are new, the bytes are sealed on the way.
fn hash_and_sniff(
    file: &dyn ReadAt,
    name: &[u8],
    is_new: bool,
) -> Result<(ContentHash, FileKind, u32, Option<Draft>), StepError> {
    let kind = match super::settle::examine(file, name)? {
        Sniffed::Media { kind: MediaKind::Video, .. } => FileKind::Video,
        Sniffed::Media { kind: MediaKind::Image, .. } => FileKind::Image,
        _ => return Err(StepError::park(ParkReason::Corrupt, "it is no image and no video any more")),
    };
    let (mut hasher, mut crc) = (ContentHasher::new(), Crc::new());
    let see = |bytes: &[u8]| {
        hasher.update(bytes);
        crc.update(bytes);
    };
    let draft = if is_new { Some(Draft::make(file, see)?) } else { read_all(file, see).map(|()| None)? };
    Ok((hasher.finish(), kind, crc.finish(), draft))
}

fn plan(
    tx: &Tx<'_>,
    row: &UploadRow,
    hashed: &Hashed,
    dedup: Dedup,
    is_claimed: impl Fn(crate::base::UploadNo) -> bool,
) -> Result<Plan, StepError> {
    let ahead = load_versions_ahead(tx, row)?;
    if ahead.iter().any(|other| is_decided_before(other, row)) {
        return Ok(Plan::Wait);
    }
    if let Some(old) = row.supersedes.filter(|_| ahead.is_empty())
        && tx.load_files_by_hash(&hashed.hash, hashed.kind())?.iter().any(|file| file.id == old && !file.trashed)
    {
        return Ok(Plan::Unchanged(old));
    }
    if let Some(half) = rewritten_half(tx, row)?.filter(|_| hashed.pair.is_none())
        && half.hash.as_ref() == Some(&hashed.hash)
    {
        return Ok(Plan::Unchanged(half.other.file));
    }
    if let Some(old) = row.supersedes.filter(|_| hashed.recalled_for.is_some()) {
        // It was recalled for a pair that did not come about.
        return Ok(Plan::Unchanged(old));
    }
    if is_follower_unknown(tx, row)? && !tx.load_files_by_hash(&hashed.hash, hashed.kind())?.is_empty() {
        return Ok(Plan::Wait);
    }
    if let Some(file) = find_equal(tx, row, hashed, dedup)? {
        return Ok(Plan::Link(file));
    }
    if let Some(file) = find_other_half(tx, row, hashed)? {
        return Ok(Plan::Link(file));
    }
    if is_equal_being_replaced(tx, row, hashed, dedup)? {
        return Ok(Plan::Wait);
    }
    let twins = tx.load_twins(&hashed.hash, hashed.kind())?;
    let mut earlier = twins.iter().filter(|twin| goes_first(twin, row, is_claimed(twin.no)));
    let same_name = |twin: &&UploadRow| {
        let facts: Option<Hashed> = load_blob(tx, twin.no, UploadBlob::Facts).ok().flatten();
        dedup == Dedup::Content || facts.is_some_and(|facts| facts.title == hashed.title)
    };
    Ok(if earlier.any(|twin| same_name(&twin)) { Plan::Wait } else { Plan::Upload })
}

/// Whether `row` waits for an upload of the same bytes. Of two that are hashed and no more the lower number goes, unless
/// the other was quicker to decide, and claimed it: it may still be sealing what this one would send a second time.
fn goes_first(twin: &UploadRow, row: &UploadRow, is_claimed: bool) -> bool {
    let is_ahead = twin.no.0 < row.no.0 || twin.stage > Stage::Hashed || is_claimed;
    twin.no != row.no && is_ahead && twin.parked.is_none() && twin.stage != Stage::Twin
}

/// An own, live photo, not hidden, with these bytes, this type and (unless content alone counts) this name.
fn find_equal(rows: &Rows<'_>, row: &UploadRow, hashed: &Hashed, dedup: Dedup) -> StoreResult<Option<FileId>> {
    for file in load_equal(rows, row, hashed, dedup)? {
        // What was written here would change with it.
        if !rows.is_being_replaced(file)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Whether a photo with these bytes is one that new bytes are about to replace. What it is linked to is known once they
/// have: they may turn out to be the same, or another drop entry keeps it where it is.
fn is_equal_being_replaced(rows: &Rows<'_>, row: &UploadRow, hashed: &Hashed, dedup: Dedup) -> StoreResult<bool> {
    for file in load_equal(rows, row, hashed, dedup)? {
        if rows.load_replacing(file)?.iter().any(|other| other.no != row.no && is_decided_before(other, row)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// New bytes under the inode of the photo that it takes the place of, not sent yet: it takes the place of what comes of
/// them.
fn load_versions_ahead(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<Vec<UploadRow>> {
    let mut ahead = Vec::new();
    let Some(old) = row.supersedes else { return Ok(ahead) };
    if is_in_place(rows, row)? {
        return Ok(ahead);
    }
    for other in rows.load_replacing(old)? {
        if other.ino != row.ino && is_in_place(rows, &other)? {
            ahead.push(other);
        }
    }
    Ok(ahead)
}

/// Whether these are new bytes under the photo's own inode.
fn is_in_place(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<bool> {
    Ok(rows.load_node(row.ino)?.is_some_and(|node| node.kind == NodeKind::Shadow))
}

/// What stands still, is still written, or waits itself is waited for by nobody.
fn is_soon_over(row: &UploadRow) -> bool {
    let moves = row.stage == Stage::Settling || (row.stage.is_under_way() && row.stage != Stage::Twin);
    moves && !row.is_held() && row.parked.is_none()
}

/// Whether `row` waits for what becomes of `other`. Of two that wait the first goes on, so that they never wait for each
/// other.
fn is_decided_before(other: &UploadRow, row: &UploadRow) -> bool {
    let waits_first = other.stage == Stage::Twin && other.no.0 < row.no.0;
    is_soon_over(other) || (waits_first && !other.is_held() && other.parked.is_none())
}

fn load_equal(rows: &Rows<'_>, row: &UploadRow, hashed: &Hashed, dedup: Dedup) -> StoreResult<Vec<FileId>> {
    let mut equal = Vec::new();
    if is_kept_in_uncategorized(rows, row)? || is_followed(rows, row, hashed)? {
        return Ok(equal);
    }
    for file in rows.load_files_by_hash(&hashed.hash, hashed.kind())? {
        // One that it could not be linked to before is no candidate again.
        let refused = row.stage != Stage::Linking && row.file == Some(file.id);
        let usable = file.own && !file.hidden && !file.trashed && Some(file.id) != row.supersedes && !refused;
        if usable && is_live(rows, &file)? && (dedup == Dedup::Content || has_name(rows, &file, &hashed.title)?) {
            equal.push(file.id);
        }
    }
    Ok(equal)
}

/// Whether other bytes wait to take the place of what comes of this version in turn: of a photo of its own, as they are to
/// take none that other albums have for themselves.
pub(super) fn is_followed(rows: &Rows<'_>, row: &UploadRow, hashed: &Hashed) -> StoreResult<bool> {
    let followers = load_followers(rows, row)?;
    if followers.is_empty() || row.half.is_some() {
        return Ok(false);
    }
    let equal = rows.load_twins(&hashed.hash, hashed.kind())?;
    Ok(followers.iter().any(|later| equal.iter().all(|equal| equal.no != later.no)))
}

/// Whether it will be known soon what bytes those are.
fn is_follower_unknown(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<bool> {
    let unknown = |later: &UploadRow| later.stage < Stage::Hashed && is_soon_over(later);
    Ok(row.half.is_none() && load_followers(rows, row)?.iter().any(unknown))
}

/// What was put over this version, to take the place of what comes of it.
pub(super) fn load_followers(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<Vec<UploadRow>> {
    let Some(old) = row.supersedes else { return Ok(Vec::new()) };
    if !is_in_place(rows, row)? {
        return Ok(Vec::new());
    }
    Ok(rows.load_replacing(old)?.into_iter().filter(|later| later.ino != row.ino).collect())
}

/// A half found without a row: its live photo may be in Ente since before the rows were lost, and its other half gone.
fn find_other_half(
    rows: &Rows<'_>,
    row: &UploadRow,
    hashed: &Hashed,
) -> Result<Option<FileId>, crate::store::StoreError> {
    let part = if hashed.kind() == FileKind::Video { Part::Clip } else { Part::Still };
    if !row.adopted || hashed.pair.is_some() {
        return Ok(None);
    }
    for content in rows.load_contents_of_size(row.size, part)? {
        let Some(file) = rows.load_file(content.file)?.filter(|file| file.own && !file.hidden && !file.trashed) else {
            continue;
        };
        let halves = hash_in_ente(rows, file.id)?;
        let halves = halves.as_deref().and_then(|hash| hash.split_once(':'));
        let is_it = halves.is_some_and(|(still, clip)| hashed.hash == if part == Part::Clip { clip } else { still });
        if is_it && is_live(rows, &file)? {
            return Ok(Some(file.id));
        }
    }
    Ok(None)
}

/// The content hash as the photo's own record has it.
fn hash_in_ente(rows: &Rows<'_>, file: FileId) -> Result<Option<String>, crate::store::StoreError> {
    Ok(RecordFacts::load(rows, file)?.and_then(|facts| facts.hash()))
}

/// New bytes for a photo that no album has: they stay beside it, whatever albums have of the same.
fn is_kept_in_uncategorized(rows: &Rows<'_>, row: &UploadRow) -> Result<bool, crate::store::StoreError> {
    let Some(old) = row.supersedes else { return Ok(false) };
    if !is_in_place(rows, row)? {
        return Ok(false);
    }
    for member in rows.load_memberships(old)?.into_iter().filter(crate::store::MemberRow::is_visible) {
        if rows.load_album(member.album)?.is_some_and(|album| album.is_home()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An own photo that is live in an album, with these bytes and this name.
///
/// # Errors
/// Where the store cannot be read.
pub fn find_known(rows: &Rows<'_>, hash: &str, kind: FileKind, name: &str) -> StoreResult<Option<FileId>> {
    for file in rows.load_files_by_hash(hash, kind)? {
        if file.own && !file.hidden && !file.trashed && is_live(rows, &file)? && has_name(rows, &file, name)? {
            return Ok(Some(file.id));
        }
    }
    Ok(None)
}

pub(super) fn is_live(rows: &Rows<'_>, file: &FileRow) -> Result<bool, crate::store::StoreError> {
    for member in rows.load_memberships(file.id)?.into_iter().filter(crate::store::MemberRow::is_visible) {
        let album = rows.load_album(member.album)?;
        // An album that a photo came to since its removal here stays.
        let is_there = |album: &AlbumRow| album.is_present() || album.state == AlbumState::Deleting;
        if album.is_some_and(|album| album.own && is_there(&album) && album.visibility() != Visibility::Hidden) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The title, the display name, or a name that this mount gave it.
fn has_name(rows: &Rows<'_>, file: &FileRow, name: &str) -> Result<bool, crate::store::StoreError> {
    let label = file.label.as_ref();
    if label.is_some_and(|label| label.title == name || label.display_name() == name)
        || file.want_name.as_deref() == Some(name)
    {
        return Ok(true);
    }
    let shown = rows.load_memberships(file.id)?.into_iter().filter_map(|member| member.listing);
    Ok(shown.into_iter().any(|listing| listing.name == name.as_bytes()))
}

/// The bytes are those of the photo that is there: the file shows that again, nothing is sent.
fn leave_unchanged(
    tx: &Tx<'_>,
    row: &mut UploadRow,
    file: FileId,
    now: Timestamp,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    (row.stage, row.file, row.due) = (Stage::Registered, Some(file), now);
    tx.save_upload_hash(row.no, None)?;
    let Some(node) = tx.load_node(row.ino)? else { return Ok(()) };
    let still = tx.load_file(file)?.and_then(|file| file.content).map(|no| tx.load_content(no)).transpose()?.flatten();
    let clip = still.as_ref().map(|still| tx.load_clip_of(still)).transpose()?.flatten();
    let is_clip = node.content.is_some() && node.content == clip.as_ref().map(|clip| clip.no);
    let shown = if is_clip { clip } else { still };
    let content = shown.map(|content| content.no);
    dirty.ino(row.ino);
    if node.kind == NodeKind::Shadow || (become_member(tx, &node, file, now, dirty)? && !has_names(tx, &node)?) {
        return Ok(tx.delete_node(node.ino)?);
    }
    Ok(tx.save_node(&NodeRow { vault: None, file: Some(file), content, ..node })?)
}

fn has_names(rows: &Rows<'_>, node: &NodeRow) -> StoreResult<bool> {
    Ok(!rows.load_names_of(node.ino)?.is_empty())
}

/// Under a name in an album's directory the photo itself is shown, as a member of that album. Answers whether there was
/// such a name.
fn become_member(tx: &Tx<'_>, node: &NodeRow, file: FileId, now: Timestamp, dirty: &mut Dirty) -> StoreResult<bool> {
    let mut found = false;
    for name in tx.load_names_of(node.ino)? {
        let Some(album) = tx.load_album_by_ino(name.parent)? else { continue };
        found = true;
        tx.delete_name(name.parent, &name.name)?;
        dirty.name(name.parent, &name.name);
        // What another device put into an album meanwhile has no place in Uncategorized.
        let is_rest = album.own && !album.is_home();
        if album.is_present() && (!is_rest || other_homes(tx, file, album.no)?.is_empty()) {
            add_photo(tx, file, album.no, now.to_nanos(), dirty)?;
            show_as(tx, album.no, file, &name.name, dirty)?;
        }
        match String::from_utf8(name.name) {
            Ok(wanted) if !is_called(tx, file, wanted.as_bytes())? => {
                name_photo(tx, file, &wanted, now.to_nanos(), dirty)?;
            }
            _ => {}
        }
    }
    relist(tx, file, dirty)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Ino, UploadNo, VaultId};

    fn row(no: i64, stage: Stage) -> UploadRow {
        UploadRow {
            no: UploadNo(no),
            size: 1,
            due: Timestamp::ZERO,
            frozen: true,
            ..UploadRow::new(Ino(no as u64), VaultId([no as u8; 16]), stage, Timestamp::ZERO)
        }
    }

    /// Both are hashed, and stay so until what is sent of them is sealed: exactly one goes, whichever decides first.
    #[test]
    fn two_equal_files_hashed_at_one_moment_are_uploaded_once() {
        let (one, two) = (row(1, Stage::Hashed), row(2, Stage::Hashed));
        assert!(
            !goes_first(&two, &one, false) && goes_first(&one, &two, false),
            "the lower number, where both see both"
        );
        // The second was hashed before the first was known to be equal: it went, and the first comes to decide now.
        assert!(goes_first(&two, &one, true), "the first waits for it");
        assert!(goes_first(&row(2, Stage::Prepared), &one, false), "also later on, without a claim");
        let parked = UploadRow { parked: Some(ParkReason::Refused), ..two };
        assert!(!goes_first(&parked, &one, false), "what stands still is waited for by nobody");
        assert!(!goes_first(&row(1, Stage::Twin), &row(2, Stage::Hashed), false), "nor is what waits itself");
        assert!(!goes_first(&one, &one, true));
    }
}
