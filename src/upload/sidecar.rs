//! Takeout sidecars beside photos in the mount (semantics 2.13): a photo that is prepared looks for its sidecar, and
//! a sidecar that settles looks for its photo, in Ente already or on its way.

use super::parts::Told;
use super::step::{StepError, load_blob, save_blob};
use super::worker::Uploader;
use crate::base::{AlbumKind, FileId, Generation, Ino, Nanos, VaultId};
use crate::media::Place;
use crate::media::takeout::{LONGEST, METADATA, Sidecar, media_names, read_sidecar, sidecar_key, sidecar_keys};
use crate::namespace::{Dirty, Origin, RecordFacts, add_photo, edit_photo, path_of, special_album};
use crate::spool::{Found, Spool, SpoolFile};
use crate::store::{Rows, StoreError, StoreResult, Tx, UploadBlob, UploadRow};
use crate::tree::Stage;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a sidecar waits for a photo that is on its way before it looks again.
pub(super) const SIDECAR_LOOK: Duration = Duration::from_secs(1);

/// The photos that a sidecar speaks of.
#[derive(Debug, Default)]
struct Subjects {
    files: Vec<FileId>,
    /// One is on its way, and may have been prepared before the sidecar was there.
    under_way: bool,
}

impl Uploader {
    /// What is told of a file from outside it: by the import that brought it, else by the sidecar beside it. Kept in
    /// its row, for when it is registered.
    pub(super) async fn look_for_sidecar(&self, row: &UploadRow) -> Result<Told, StepError> {
        let told: Told = self.store().read(|rows| load_blob(rows, row.no, UploadBlob::Told))?.unwrap_or_default();
        if told.title.is_some() {
            return Ok(told);
        }
        let (spool, store) = (Arc::clone(&self.spool), Arc::clone(self.store()));
        let ino = row.ino;
        let sidecar = self
            .on_blocking_thread(move || {
                let found = store.read(|rows| load_spooled_sidecar(rows, ino))?;
                Ok::<_, StepError>(found.and_then(|found| read_local(&spool, found)))
            })
            .await??;
        let told = Told { sidecar, ..told };
        self.commit_step(row, |tx, now, _| Ok(save_blob(tx, now.no, UploadBlob::Told, Some(&told))?))?;
        Ok(told)
    }

    /// A sidecar that stays here tells its photos what it knows. `false`: one of them is on its way, so not yet.
    pub(super) async fn apply_sidecar(&self, row: &UploadRow, vault: &Arc<SpoolFile>) -> Result<bool, StepError> {
        let Some((dir, key)) = self.store().read(|rows| place_of_sidecar(rows, row.ino))? else { return Ok(true) };
        let reader = Arc::clone(vault);
        let sidecar = self.on_blocking_thread(move || read_spooled(&reader)).await?;
        let Some(sidecar) = sidecar else { return Ok(true) };
        let now = self.clock.now_nanos();
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            let subjects = find_subjects(tx, dir, &key, row.ino, sidecar.title.as_deref())?;
            if subjects.under_way {
                return Ok(false);
            }
            for file in subjects.files {
                apply_to_photo(tx, file, &sidecar, now, dirty)?;
            }
            Ok(true)
        })
    }
}

/// Brings a photo that is in Ente to what its sidecar says.
fn apply_to_photo(
    tx: &Tx<'_>,
    file: FileId,
    sidecar: &Sidecar,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    if !tx.load_file(file)?.is_some_and(|row| row.own && !row.trashed) {
        return Ok(());
    }
    let fields = missing_fields(tx, file, sidecar)?;
    if !fields.is_empty() {
        edit_photo(tx, file, &fields, now, dirty)?;
    }
    favor(tx, file, Some(sidecar), now, dirty)
}

/// A photo that its sidecar calls a favorite becomes one.
///
/// # Errors
/// Where the store cannot be read or written.
pub fn favor(
    tx: &Tx<'_>,
    file: FileId,
    sidecar: Option<&Sidecar>,
    now: Nanos,
    dirty: &mut Dirty,
) -> Result<(), StepError> {
    if sidecar.is_some_and(|sidecar| sidecar.favorite) {
        let favorites = special_album(tx, AlbumKind::Favorites, now, dirty)?;
        add_photo(tx, file, favorites, now, dirty)?;
    }
    Ok(())
}

/// The public metadata that a photo lacks to say what its sidecar says (protocol notes, data 2.4).
fn missing_fields(rows: &Rows<'_>, file: FileId, sidecar: &Sidecar) -> StoreResult<Map<String, Value>> {
    Ok(RecordFacts::load(rows, file)?.map(|facts| differing(sidecar, &facts)).unwrap_or_default())
}

fn differing(sidecar: &Sidecar, facts: &RecordFacts) -> Map<String, Value> {
    // What cannot be read is left as it is.
    let Some(taken) = facts.taken_at() else { return Map::new() };
    let mut fields = Map::new();
    if let Some(time) = sidecar.taken.filter(|time| *time != taken) {
        fields.insert("editedTime".into(), json!(time.0));
        // They tell what a clock showed at another time.
        for wall in ["dateTime", "offsetTime"] {
            if facts.public(wall).is_some() {
                fields.insert(wall.into(), Value::Null);
            }
        }
    }
    if let Some(caption) = &sidecar.caption
        && facts.caption().as_ref() != Some(caption)
    {
        fields.insert("caption".into(), json!(caption));
    }
    if let Some(place) = sidecar.place
        && facts.place().is_none_or(|known| !is_there(place, known))
    {
        fields.insert("lat".into(), json!(place.latitude));
        fields.insert("long".into(), json!(place.longitude));
    }
    fields
}

/// Within a centimetre.
fn is_there(place: Place, (latitude, longitude): (f64, f64)) -> bool {
    (place.latitude - latitude).abs() < 1e-7 && (place.longitude - longitude).abs() < 1e-7
}

/// Bytes in the spool, and their newest commit.
type Spooled = (VaultId, Option<Generation>);

/// The bytes of the sidecar that belongs to a file.
fn load_spooled_sidecar(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<Spooled>> {
    let Some(name) = rows.load_names_of(ino)?.into_iter().next() else { return Ok(None) };
    let found = find_sidecar(rows, name.parent, &String::from_utf8_lossy(&name.name))?;
    let upload = found.map(|found| rows.load_uploads_of(found)).transpose()?.and_then(|mut uploads| uploads.pop());
    Ok(upload.filter(|row| row.stage != Stage::Writing).map(|row| (row.vault, row.generation)))
}

fn find_sidecar(rows: &Rows<'_>, dir: Ino, name: &str) -> StoreResult<Option<Ino>> {
    let apart = rows.find_name(dir, METADATA.as_bytes())?;
    for key in sidecar_keys(name) {
        for dir in [Some(dir), apart].into_iter().flatten() {
            if let Some(found) = rows.find_name(dir, format!("{key}.json").as_bytes())? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// The directory whose photos a sidecar speaks of, and its key.
fn place_of_sidecar(rows: &Rows<'_>, ino: Ino) -> StoreResult<Option<(Ino, String)>> {
    let Some(name) = rows.load_names_of(ino)?.into_iter().next() else { return Ok(None) };
    let Ok(text) = String::from_utf8(name.name) else { return Ok(None) };
    let Some(key) = sidecar_key(&text) else { return Ok(None) };
    let apart =
        path_of(rows, name.parent)?.is_some_and(|path| path.last().is_some_and(|dir| dir == METADATA.as_bytes()));
    let above = rows.load_names_of(name.parent)?.into_iter().next();
    let dir = above.filter(|_| apart).map_or(name.parent, |above| above.parent);
    Ok(Some((dir, key.to_owned())))
}

fn find_subjects(rows: &Rows<'_>, dir: Ino, key: &str, own: Ino, title: Option<&str>) -> Result<Subjects, StepError> {
    let mut subjects = Subjects::default();
    for name in media_names(key, title) {
        let photo = photo_called(rows, dir, &name)?;
        // A photo may look for another sidecar first.
        if photo.is_none() || find_sidecar(rows, dir, &name)? != Some(own) {
            continue;
        }
        match photo {
            Some(Photo::InEnte(file)) => subjects.files.push(file),
            Some(Photo::UnderWay) => subjects.under_way = true,
            Some(Photo::Settling) | None => {}
        }
    }
    Ok(subjects)
}

enum Photo {
    InEnte(FileId),
    UnderWay,
    /// Looks for its sidecar when it is prepared.
    Settling,
}

fn photo_called(rows: &Rows<'_>, dir: Ino, name: &str) -> Result<Option<Photo>, StoreError> {
    if let Some(album) = rows.load_album_by_ino(dir)?
        && let Some(file) = rows.find_member(album.no, name.as_bytes())?
    {
        return Ok(Some(Photo::InEnte(file)));
    }
    let Some(ino) = rows.find_name(dir, name.as_bytes())? else { return Ok(None) };
    let uploads = rows.load_uploads_of(ino)?;
    // One that stands still where it will be prepared anew needs no waiting for.
    let waits = |row: &UploadRow| row.stage.is_under_way() && (row.parked.is_none() || row.stage >= Stage::Prepared);
    if uploads.iter().any(waits) {
        return Ok(Some(Photo::UnderWay));
    }
    let file = rows.load_node(ino)?.filter(|node| node.vault.is_none()).and_then(|node| node.file);
    Ok(Some(file.map_or(Photo::Settling, Photo::InEnte)))
}

/// A file of the mount that is not for Ente, read as a sidecar.
fn read_local(spool: &Spool, (id, generation): Spooled) -> Option<Sidecar> {
    match spool.open_file(id, generation) {
        Ok(Found::File(vault)) => read_spooled(&vault),
        _ => None,
    }
}

fn read_spooled(vault: &SpoolFile) -> Option<Sidecar> {
    let len = vault.len();
    if len > LONGEST {
        return None;
    }
    let mut text = vec![0; len as usize];
    let read = vault.read_at(0, &mut text).ok()?;
    read_sidecar(&text[..read.len])
}
