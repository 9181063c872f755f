//! Ente's trash: the pull keeps what is in it; and photos go there, because somebody wants just that (semantics 4.2).

use super::apply::{Applying, OpenRow, finish_own_upload, save_photo};
use super::pull::{BATCH as ROWS, Reach, Sync, SyncError, from, name_batch, on_blocking_thread};
use crate::base::{AlbumId, AlbumNo, FileId, Timestamp};
use crate::crypto::CollectionKey;
use crate::namespace::{Dirty, Naming, Origin, relist, relist_naming, rename_photo};
use crate::store::{Cursor, OpRow, Rows, StoreError, StoreResult, Tx};
use crate::tree::FixedPlace;
use crate::upload::StepError;
use crate::wire::{AddFiles, BATCH, File, TrashFiles, TrashItem, TrashRow};
use std::collections::HashMap;
use std::sync::Arc;

/// The keys of the albums that photos were in when they went to the trash; `None` for one that cannot be had.
type Keys = HashMap<AlbumId, Option<Arc<CollectionKey>>>;

/// Where a photo that was trashed is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trashed {
    /// In the trash, until it is deleted for good.
    Until(Timestamp),
    /// In an album again.
    Restored,
    /// Deleted for good.
    Deleted,
}

/// What a row of the diff says beside the photo's record.
#[derive(Clone, Copy, Debug)]
struct Mark {
    file: FileId,
    state: Trashed,
    updated: Timestamp,
}

impl Mark {
    fn of(row: &TrashRow) -> Self {
        let state = match (row.is_deleted, row.is_restored) {
            (true, _) => Trashed::Deleted,
            (false, true) => Trashed::Restored,
            (false, false) => Trashed::Until(row.delete_by),
        };
        Self { file: row.file.id, state, updated: row.updated_at }
    }

    fn is_in_trash(&self) -> bool {
        matches!(self.state, Trashed::Until(_))
    }

    /// Whether it has been applied; of what was never here nothing need be known once it is gone.
    fn is_known(&self, rows: &Rows<'_>) -> StoreResult<bool> {
        match rows.load_member(AlbumNo::TRASH, self.file)? {
            Some(member) => Ok(member.updation == self.updated && member.live == self.is_in_trash()),
            None => Ok(!self.is_in_trash() && rows.load_file(self.file)?.is_none()),
        }
    }
}

impl Sync {
    /// The trash as it is now. Rows are asked for again with the overlap of everything else.
    pub(super) async fn pull_trash(self: &Arc<Self>, reach: Reach) -> Result<(), SyncError> {
        let cursor = self.store().read(|rows| rows.load_cursor(Cursor::Trash))?;
        let (mut since, mut keys) = (from(cursor, reach), Keys::new());
        loop {
            let page = self.remote.fetch_trash(since).await?;
            let Some(newest) = page.last else { break };
            self.apply_trash_page(page.rows, &mut keys).await?;
            self.store().write(|tx| tx.save_cursor(Cursor::Trash, newest.max(cursor)))?;
            // A server that says "more" and gives nothing newer must not hold us for ever.
            if !page.has_more || newest <= since {
                break;
            }
            since = newest;
        }
        self.finish_trash()
    }

    async fn apply_trash_page(self: &Arc<Self>, rows: Vec<TrashRow>, keys: &mut Keys) -> Result<(), SyncError> {
        let user = self.keys.user;
        let fresh = self.store().read(|store| {
            let mut fresh = Vec::new();
            for row in rows.into_iter().filter(|row| row.file.owner_id == user) {
                let mark = Mark::of(&row);
                if !mark.is_known(store)? {
                    fresh.push((mark, row.file));
                }
            }
            Ok(fresh)
        })?;
        if fresh.is_empty() {
            return Ok(());
        }
        let (marks, files): (Vec<Mark>, Vec<File>) = fresh.into_iter().unzip();
        for (_, file) in marks.iter().zip(&files).filter(|(mark, _)| mark.is_in_trash()) {
            self.learn_key(file.collection_id, keys).await?;
        }
        let known: Vec<Option<Arc<CollectionKey>>> =
            files.iter().map(|file| keys.get(&file.collection_id).cloned().flatten()).collect();
        let open = |(file, key): (File, Option<Arc<CollectionKey>>)| match key {
            // The row is about the trash: that the album has it no more is no news.
            Some(key) => OpenRow::new(File { is_deleted: false, ..file }, &key),
            None => OpenRow::closed(file),
        };
        let mut opened: Vec<OpenRow> =
            on_blocking_thread(move || files.into_iter().zip(known).map(open).collect()).await?;
        self.ask_sizes(&mut opened).await?;
        self.learn_halves(&mut opened).await?;
        let sync = Arc::clone(self);
        on_blocking_thread(move || sync.apply_trash(&marks, &opened)).await?
    }

    /// The album that a photo was in may be deleted; then only the server knows its key.
    async fn learn_key(&self, album: AlbumId, keys: &mut Keys) -> Result<(), SyncError> {
        if keys.contains_key(&album) {
            return Ok(());
        }
        let known = self.store().read(|rows| match rows.load_album_by_remote(album)? {
            Some(row) => rows.load_album_key(row.no),
            None => Ok(None),
        })?;
        let key = match known {
            Some(key) => Some(key),
            None => match self.remote.fetch_album(album).await {
                Ok(album) => self.keys.open_collection_key(&album).ok(),
                Err(error) if matches!(error.status(), Some(400 | 403 | 404)) => None,
                Err(error) => return Err(error.into()),
            },
        };
        keys.insert(album, key.map(Arc::new));
        Ok(())
    }

    fn apply_trash(&self, marks: &[Mark], rows: &[OpenRow]) -> Result<(), SyncError> {
        let now = self.clock.now_nanos();
        let context = Applying { user: self.keys.user, rules: &self.rules, now, confirmed: true };
        for (marks, rows) in marks.chunks(ROWS).zip(rows.chunks(ROWS)) {
            self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
                for (mark, row) in marks.iter().zip(rows) {
                    match mark.state {
                        Trashed::Until(delete_by) => take_in(tx, &context, mark, delete_by, row, dirty)?,
                        Trashed::Restored | Trashed::Deleted => let_go(tx, mark, dirty)?,
                    }
                }
                Ok::<_, SyncError>(())
            })?;
        }
        Ok(())
    }

    /// All of the trash is here: names for what has none, in the order of the file numbers; then it is shown.
    fn finish_trash(&self) -> Result<(), SyncError> {
        let (unnamed, complete) =
            self.store().read(|rows| Ok((rows.load_unnamed(AlbumNo::TRASH)?, rows.load_trash_complete()?)))?;
        for batch in unnamed.chunks(ROWS) {
            self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
                name_batch(tx, AlbumNo::TRASH, batch, false)?;
                batch.iter().try_for_each(|file| relist(tx, *file, dirty))
            })?;
        }
        if complete {
            return Ok(());
        }
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            dirty.dir(FixedPlace::Trash.ino());
            Ok::<_, SyncError>(tx.save_trash_complete()?)
        })
    }

    /// A photo that has another home by now is taken out of `from` alone: nobody saw it go from there. Pulled before,
    /// because what goes to the trash leaves all albums.
    pub(super) async fn send_trash(self: &Arc<Self>, op: &OpRow, files: &[FileId]) -> Result<(), SyncError> {
        self.pull(Reach::New).await?;
        let (mut items, mut others) = (Vec::new(), Vec::new());
        self.store().read(|rows| {
            for file in files {
                match home_elsewhere(rows, *file, op)? {
                    Some(home) => others.push((*file, home)),
                    // Where it is in no album any more, somebody else has trashed or deleted it.
                    None => items.extend(item_of(rows, *file)?),
                }
            }
            Ok(())
        })?;
        for (file, home) in others {
            self.send_move(op.from, Some(home), &[file]).await?;
        }
        if items.is_empty() { Ok(()) } else { Ok(self.remote.trash_files(&TrashFiles { items }).await?) }
    }

    /// All are in the trash as far as is known. Where that was refused, or is not known to have failed, each is looked at:
    /// one that was restored elsewhere meanwhile joins the album all the same, one that was deleted for good is refused.
    pub(super) async fn send_restore(self: &Arc<Self>, ops: &[OpRow]) -> Result<(), SyncError> {
        let Some((first, to)) = ops.first().and_then(|first| Some((first, first.to?))) else { return Ok(()) };
        if first.attempts == 0 {
            return self.send_restored(to, &files_of(ops)).await;
        }
        self.pull(Reach::New).await?;
        let mut places: HashMap<Place, Vec<OpRow>> = HashMap::new();
        self.store().read(|rows| {
            for op in ops {
                let place = op.file.map(|file| place_of(rows, file, to)).transpose()?.unwrap_or(Place::Nowhere);
                places.entry(place).or_default().push(op.clone());
            }
            Ok(())
        })?;
        let mut at = |place| places.remove(&place).unwrap_or_default();
        self.refuse(&at(Place::Nowhere), "it was deleted for good meanwhile")?;
        let elsewhere = files_of(&at(Place::Elsewhere));
        if !elsewhere.is_empty() {
            self.send_add(Some(to), &elsewhere).await?;
        }
        self.send_restored(to, &files_of(&at(Place::Trash))).await
    }

    async fn send_restored(&self, to: AlbumNo, files: &[FileId]) -> Result<(), SyncError> {
        if files.is_empty() {
            return Ok(());
        }
        let request = AddFiles { collection_id: self.remote_id(to).await?, files: self.wrap(to, files)? };
        Ok(self.remote.restore_files(&request).await?)
    }

    /// Moves photos to the trash, out of all albums, and pulls. All are looked at before the first is sent: `false`, and
    /// nothing was, where one is not ours or in no album any more.
    ///
    /// # Errors
    /// [`SyncError`]; some may be in the trash then, and the next pull tells.
    pub async fn trash(self: &Arc<Self>, files: &[FileId]) -> Result<bool, SyncError> {
        let items = self.store().read(|rows| {
            let items: StoreResult<Vec<Option<TrashItem>>> = files.iter().map(|file| item_of(rows, *file)).collect();
            items
        })?;
        let Some(items) = items.into_iter().collect::<Option<Vec<TrashItem>>>() else { return Ok(false) };
        for batch in items.chunks(BATCH) {
            self.remote.trash_files(&TrashFiles { items: batch.to_vec() }).await?;
        }
        self.pull(Reach::Overlap).await?;
        Ok(true)
    }
}

/// A photo is in the trash, and therefore in no album.
fn take_in(
    tx: &Tx<'_>,
    context: &Applying<'_>,
    mark: &Mark,
    delete_by: Timestamp,
    row: &OpenRow,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    let file = mark.file;
    let known = tx.load_file(file)?;
    let is_ours = known.is_none() && finish_own_upload(tx, context, row, dirty)?;
    // What is known of a photo stays known where the trash's record of it does not open.
    let worse = !row.is_open() && known.as_ref().is_some_and(|known| known.kind.is_some());
    let renamed = !is_ours && !worse && save_photo(tx, context, row, known.as_ref(), dirty)?;
    tx.save_file_trashed(file, true)?;
    tx.save_file_delete_by(file, Some(delete_by))?;
    for member in tx.load_memberships(file)?.into_iter().filter(|member| member.live) {
        tx.save_member(member.album, file, false, member.updation)?;
    }
    tx.save_member(AlbumNo::TRASH, file, true, mark.updated)?;
    if renamed {
        rename_photo(tx, file, dirty)?;
    }
    Ok(relist_naming(tx, file, Naming::Later, dirty)?)
}

/// A photo is not in the trash any more. What is restored comes back by its album.
fn let_go(tx: &Tx<'_>, mark: &Mark, dirty: &mut Dirty) -> Result<(), StoreError> {
    if tx.load_file(mark.file)?.is_none() {
        return Ok(());
    }
    tx.save_file_trashed(mark.file, mark.state == Trashed::Deleted)?;
    tx.save_file_delete_by(mark.file, None)?;
    tx.save_member(AlbumNo::TRASH, mark.file, false, mark.updated)?;
    relist(tx, mark.file, dirty)
}

/// Another own album that has the photo, as the server said last: one that was not there when it was removed.
fn home_elsewhere(rows: &Rows<'_>, file: FileId, op: &OpRow) -> StoreResult<Option<AlbumNo>> {
    for member in rows.load_memberships(file)?.into_iter().filter(|member| member.live && member.want.is_none()) {
        if Some(member.album) != op.from && rows.load_album(member.album)?.is_some_and(|album| album.is_home()) {
            return Ok(Some(member.album));
        }
    }
    Ok(None)
}

fn files_of(ops: &[OpRow]) -> Vec<FileId> {
    ops.iter().filter_map(|op| op.file).collect()
}

/// Where a photo is, as the server said last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    Trash,
    /// In the album that it is to be restored to.
    There,
    Elsewhere,
    /// Deleted for good.
    Nowhere,
}

fn place_of(rows: &Rows<'_>, file: FileId, to: AlbumNo) -> StoreResult<Place> {
    if rows.load_member(AlbumNo::TRASH, file)?.is_some_and(|member| member.live) {
        return Ok(Place::Trash);
    }
    let live: Vec<AlbumNo> =
        rows.load_memberships(file)?.into_iter().filter(|member| member.live).map(|member| member.album).collect();
    Ok(match live[..] {
        [] => Place::Nowhere,
        _ if live.contains(&to) => Place::There,
        _ => Place::Elsewhere,
    })
}

/// The photo with an album that it was in; `None` where it is not ours or nowhere.
fn item_of(rows: &Rows<'_>, file: FileId) -> StoreResult<Option<TrashItem>> {
    if rows.load_file(file)?.is_none_or(|row| !row.own || row.trashed) {
        return Ok(None);
    }
    for member in rows.load_memberships(file)?.into_iter().filter(|member| member.live) {
        let album = rows.load_album(member.album)?.filter(|album| album.own);
        if let Some(collection_id) = album.and_then(|album| album.remote) {
            return Ok(Some(TrashItem { file_id: file, collection_id }));
        }
    }
    Ok(None)
}
