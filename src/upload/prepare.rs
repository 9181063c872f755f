//! Preparing: facts, thumbnail, fresh keys, sealed records, MD5s; all of it stored before a byte leaves (I3).

use super::parts::{Hashed, Prepared, SealedMagic, encode, plain_facts};
use super::record::{PhotoFacts, base_metadata, public_magic};
use super::seal::{Draft, Sealed};
use super::step::{StepError, StepResult, forget_prepared};
use super::worker::Uploader;
use crate::base::{B64, FileId, FileKind, ReadAt, Timestamp};
use crate::crypto::seal_blob;
use crate::media::job::Request;
use crate::media::takeout::Sidecar;
use crate::media::{DateSource, Facts, Sniffed, Zone, stand_in};
use crate::namespace::{RecordFacts, path_of};
use crate::store::{UploadBlob, UploadRow};
use crate::tree::Stage;
use std::sync::Arc;

/// What the media work found.
struct Findings {
    facts: PhotoFacts,
    dated: bool,
    thumbnail: Vec<u8>,
}

impl Findings {
    /// A sidecar outweighs what the photo says of itself (semantics 2.13).
    fn take_over(&mut self, sidecar: Sidecar) {
        let facts = &mut self.facts;
        if let Some(taken) = sidecar.taken {
            (facts.created, facts.wall, facts.offset) = (taken, None, None);
            self.dated = false;
        }
        facts.modified = sidecar.modified.unwrap_or(facts.modified);
        let place = sidecar.place.map(|place| (place.latitude, place.longitude));
        facts.place = place.or(facts.place);
        facts.caption = sidecar.caption.or_else(|| facts.caption.take());
    }
}

impl Uploader {
    pub(super) async fn prepare(&self, row: &UploadRow, hashed: Hashed) -> StepResult {
        let vault = self.open_spooled(row)?;
        let isolated = Arc::clone(&self.isolated);
        let (reader, request_now) = (self.reader_of(row, &vault), self.clock.now());
        let carried = self.carried_from(row.supersedes)?;
        let takes_clip_in = hashed.pair.is_some() && self.kind_of(row.supersedes)? == Some(FileKind::Video);
        let told = self.look_for_sidecar(row).await?;
        let (mut findings, hashed) = self
            .on_blocking_thread(move || {
                Ok::<_, StepError>((find(&isolated, reader.as_ref(), &hashed, request_now)?, hashed))
            })
            .await??;
        if let Some(sidecar) = told.sidecar {
            findings.take_over(sidecar);
        }
        findings.facts.caption = findings.facts.caption.take().or(carried.caption);
        // A clip's name is none for the live photo that it becomes half of.
        findings.facts.edited_name = carried.edited_name.filter(|_| !takes_clip_in);
        if self.is_too_old(row, findings.facts.created)? {
            return self.advance(row, Stage::LocalOnly, |_, row| {
                row.due = Timestamp(i64::MAX);
                Ok(())
            });
        }
        // A draft is of the file alone.
        let draft = self.take_draft(row.no).filter(|_| hashed.pair.is_none());
        let plaintext = self.open_plaintext(row, &hashed)?;
        let sealing = move || seal_all(plaintext.as_ref(), draft, &hashed, findings);
        let (prepared, sealed) = self.on_blocking_thread(sealing).await??;
        if prepared.cipher_len > crate::wire::MAX_OBJECT {
            return Err(StepError::park(crate::base::ParkReason::TooLarge, "Ente takes files up to 10 GiB"));
        }
        let next = self.advance(row, Stage::Prepared, |tx, row| {
            forget_prepared(tx, row.no)?;
            Ok(tx.save_upload_blob(row.no, UploadBlob::Prepared, Some(&encode(&prepared)))?)
        })?;
        if let Some(object) = sealed.object {
            self.keep_object(row.no, object);
        }
        Ok(next)
    }

    fn kind_of(&self, file: Option<FileId>) -> Result<Option<FileKind>, StepError> {
        let row = file.map(|file| self.store().read(|rows| rows.load_file(file))).transpose()?.flatten();
        Ok(row.and_then(|row| row.kind))
    }

    /// `since` of a drop: photos taken before stay here.
    fn is_too_old(&self, row: &UploadRow, created: Timestamp) -> Result<bool, StepError> {
        let path = self.store().read(|rows| path_of(rows, row.ino))?.unwrap_or_default();
        Ok(self.drop_of(&path).and_then(|drop| drop.since).is_some_and(|since| created < since))
    }

    /// A new version keeps the old one's caption and edited name (semantics 2.12), one that Ente does not know yet, too.
    fn carried_from(&self, old: Option<FileId>) -> Result<PhotoFacts, StepError> {
        let Some(old) = old else { return Ok(PhotoFacts::default()) };
        let (wanted, facts) = self.store().read(|rows| {
            let wanted = rows.load_file(old)?.and_then(|row| row.want_name);
            Ok((wanted, RecordFacts::load(rows, old)?))
        })?;
        let (caption, edited) = facts.map_or((None, None), |facts| (facts.caption(), facts.edited_name()));
        Ok(PhotoFacts { caption, edited_name: wanted.or(edited), ..PhotoFacts::default() })
    }
}

/// Facts and thumbnail, found by a child process; a file it fails on goes up with what its name says.
fn find(
    isolated: &super::isolate::Isolated,
    file: &dyn ReadAt,
    hashed: &Hashed,
    now: Timestamp,
) -> Result<Findings, StepError> {
    let Sniffed::Media { format, .. } = super::settle::examine(file, hashed.title.as_bytes())? else {
        let facts = PhotoFacts { stand_in: true, ..plain_facts(hashed) };
        return Ok(Findings { facts, dated: false, thumbnail: stand_in().to_vec() });
    };
    let request = Request {
        format,
        name: hashed.title.clone().into_bytes(),
        modified: hashed.modified,
        now,
        zone: Zone::Local,
        facts: true,
        thumbnail: true,
    };
    let examined = isolated.examine(&request, file)?;
    let dated = examined.facts.created_from == DateSource::Embedded;
    let facts = facts_of(examined.facts, hashed);
    Ok(match examined.thumbnail {
        Ok(thumbnail) => Findings { facts, dated, thumbnail: thumbnail.jpeg },
        Err(reason) => {
            tracing::debug!(%reason, "a photo goes up with the stand-in for a thumbnail");
            Findings { facts: PhotoFacts { stand_in: true, ..facts }, dated, thumbnail: stand_in().to_vec() }
        }
    })
}

fn facts_of(facts: Facts, hashed: &Hashed) -> PhotoFacts {
    PhotoFacts {
        created: facts.created,
        place: facts.place.map(|place| (place.latitude, place.longitude)),
        duration: facts.duration.map(u64::from),
        wall: facts.wall,
        offset: facts.offset,
        size: facts.size.map(|size| (size.width, size.height)),
        camera_make: facts.camera_make,
        camera_model: facts.camera_model,
        caption: facts.caption,
        motion: facts.motion,
        panorama: facts.panorama,
        ..plain_facts(hashed)
    }
}

/// Seals everything under one key: that of the draft, where the file was sealed while it was hashed.
fn seal_all(
    plaintext: &dyn ReadAt,
    draft: Option<Draft>,
    hashed: &Hashed,
    findings: Findings,
) -> Result<(Prepared, Sealed), StepError> {
    let Draft { key, header, sealed } = draft.map_or_else(|| Draft::make(plaintext, |_| {}), Ok)?;
    let facts = findings.facts;
    let thumb = seal_blob(&key, &findings.thumbnail);
    let meta = seal_blob(&key, &base_metadata(&facts, hashed.kind()));
    let public = public_magic(&facts).map(|(plain, count)| {
        let blob = seal_blob(&key, &plain);
        SealedMagic { count, header: B64::of(blob.header.0), data: B64::of(blob.ciphertext) }
    });
    let prepared = Prepared {
        title: facts.title,
        edited_name: facts.edited_name,
        hash: facts.hash,
        kind: hashed.kind,
        created: facts.created,
        dated: findings.dated,
        stand_in: facts.stand_in,
        plain_len: plaintext.size(),
        cipher_len: sealed.cipher_len,
        key: B64::of(key.bytes()),
        header: B64::of(header.0),
        macs: B64::of(sealed.macs.to_bytes()),
        md5s: sealed.md5s.iter().map(B64::of).collect(),
        thumb_header: B64::of(thumb.header.0),
        thumb: B64::of(thumb.ciphertext),
        meta_header: B64::of(meta.header.0),
        meta: B64::of(meta.ciphertext),
        public,
        pair: hashed.pair.clone(),
    };
    Ok((prepared, sealed))
}
