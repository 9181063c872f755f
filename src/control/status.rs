//! `status --json` (command-line contract, 6).

use crate::base::calendar::rfc3339;
use crate::base::{ParkReason, Printable, Timestamp};
use crate::namespace::path_of;
use crate::store::{Counter, Rows, StageTotals, StoreResult, UploadBlob, UploadRow};
use crate::tree::Stage;
use serde::{Deserialize, Serialize};

/// The version of the schema.
const VERSION: u32 = 1;

/// Everything `status` tells. Sizes are bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: u32,
    pub account: AccountStatus,
    pub mount: Option<MountStatus>,
    pub pull: PullStatus,
    pub uploads: UploadsStatus,
    /// Why nothing is sent, where something waits that could be.
    pub held: Option<HeldStatus>,
    pub parked: Vec<ParkedStatus>,
    /// Changes of the account that are not confirmed yet.
    pub pending_changes: u64,
    pub removals: RemovalsStatus,
    pub cache: CacheStatus,
    pub storage: StorageStatus,
    pub previous_versions: u64,
    pub stand_in_thumbnails: u64,
    /// Contents whose bytes did not verify, by path or ID.
    pub bad_chunks: Vec<String>,
    /// Live photos, which are not listed yet.
    pub not_shown: u64,
    /// Archives in the mount, which `import` takes.
    pub archives: Vec<String>,
    pub local_only_photos: u64,
    pub unreadable_records: u64,
    /// Refused changes and other troubles, the latest first.
    pub troubles: Vec<TroubleStatus>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountStatus {
    pub email: String,
    pub endpoint: String,
    pub session: SessionWord,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionWord {
    Ok,
    Expired,
    None,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MountStatus {
    pub dir: String,
    pub pid: u32,
    pub since: String,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PullStatus {
    pub last: Option<String>,
    pub error: Option<String>,
    pub albums: u64,
    pub photos: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Amount {
    pub files: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Uploading {
    pub files: u64,
    pub bytes: u64,
    pub sent: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct UploadsStatus {
    pub writing: Amount,
    pub settling: Amount,
    pub waiting: Amount,
    pub uploading: Uploading,
    pub parked: Amount,
    pub local_only: Amount,
    pub uploaded_total: u64,
    pub linked_total: u64,
    pub paused: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HeldStatus {
    pub reason: String,
    pub until: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ParkedStatus {
    pub path: String,
    pub bytes: u64,
    pub reason: String,
    pub detail: String,
    pub remedy: String,
    pub since: String,
}

/// How the brake stands (semantics 4.5).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct RemovalsStatus {
    /// Since when further removals are refused.
    pub held_since: Option<String>,
    /// Until when they are not counted.
    pub allowed_until: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct CacheStatus {
    pub bytes: u64,
    pub budget: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct StorageStatus {
    pub used: u64,
    pub total: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TroubleStatus {
    pub at: String,
    pub kind: String,
    pub text: String,
}

/// What only a running process knows.
#[derive(Clone, Debug)]
pub struct Live {
    pub account: AccountStatus,
    pub mount: Option<MountStatus>,
    pub pull_error: Option<String>,
    /// Bytes sent of what is on its way.
    pub sent: u64,
    pub held: Option<HeldStatus>,
    pub cache: CacheStatus,
    pub now: Timestamp,
}

impl Live {
    /// As seen without a mount.
    pub fn unmounted(account: AccountStatus, now: Timestamp) -> Self {
        Self { account, mount: None, pull_error: None, sent: 0, held: None, cache: CacheStatus::default(), now }
    }
}

impl Status {
    /// Before the first mount.
    pub fn of_nothing(live: Live) -> Self {
        Self {
            version: VERSION,
            account: live.account,
            mount: live.mount,
            pull: PullStatus::default(),
            uploads: UploadsStatus::default(),
            held: live.held,
            parked: Vec::new(),
            pending_changes: 0,
            removals: RemovalsStatus::default(),
            cache: live.cache,
            storage: StorageStatus::default(),
            previous_versions: 0,
            stand_in_thumbnails: 0,
            bad_chunks: Vec::new(),
            not_shown: 0,
            archives: Vec::new(),
            local_only_photos: 0,
            unreadable_records: 0,
            troubles: Vec::new(),
        }
    }

    /// Files that are accepted and not in Ente yet, but could come there by themselves.
    pub fn under_way(&self) -> u64 {
        let uploads = &self.uploads;
        uploads.writing.files + uploads.settling.files + uploads.waiting.files + uploads.uploading.files
    }

    /// Whether all accepted bytes are in Ente and all changes pushed. Interrupted files, whose close or fsync never
    /// returned, and local-only ones do not count.
    pub fn is_idle(&self) -> bool {
        self.under_way() == 0 && self.pending_changes == 0 && !self.has_parked()
    }

    /// Whether something waits for somebody.
    pub fn has_parked(&self) -> bool {
        self.parked.iter().any(|item| item.reason != ParkReason::Interrupted.word())
    }
}

/// Reads what `status` tells.
///
/// # Errors
/// Where the store cannot be read.
pub fn collect_status(rows: &Rows<'_>, live: Live) -> StoreResult<Status> {
    let (counts, quota) = (rows.count_files()?, rows.load_quota()?.unwrap_or_default());
    let albums = rows.load_albums()?.iter().filter(|album| album.is_listed()).count() as u64;
    let troubles = rows.load_troubles()?;
    let now = live.now;
    let paused = rows.load_paused_until()?.is_some_and(|until| until > now);
    Ok(Status {
        version: VERSION,
        account: live.account,
        mount: live.mount,
        pull: PullStatus {
            last: rows.load_last_pull()?.map(rfc3339),
            error: live.pull_error,
            albums,
            photos: rows.count_photos()?,
        },
        uploads: UploadsStatus {
            uploaded_total: rows.load_counter(Counter::Uploaded)?,
            linked_total: rows.load_counter(Counter::Linked)?,
            paused,
            ..collect_uploads(&rows.load_stage_totals()?, live.sent)
        },
        held: live.held,
        parked: collect_parked(rows)?,
        pending_changes: rows.count_ops()?,
        removals: collect_removals(rows, now)?,
        cache: live.cache,
        storage: StorageStatus { used: quota.0, total: quota.1 },
        previous_versions: counts.previous,
        stand_in_thumbnails: counts.stand_ins,
        bad_chunks: troubles.iter().filter(|t| t.kind == BAD_CHUNK).map(|t| t.text.clone()).collect(),
        not_shown: counts.live_photos,
        archives: rows.load_explained_local()?.iter().map(|row| shown_path(rows, row)).collect::<StoreResult<_>>()?,
        local_only_photos: 0,
        unreadable_records: rows.load_counter(Counter::Unreadable)? + counts.unreadable,
        troubles: troubles
            .into_iter()
            .map(|trouble| TroubleStatus { at: rfc3339(trouble.at), kind: trouble.kind, text: trouble.text })
            .collect(),
    })
}

fn collect_removals(rows: &Rows<'_>, now: Timestamp) -> StoreResult<RemovalsStatus> {
    Ok(RemovalsStatus {
        held_since: rows.load_removals_held()?.map(rfc3339),
        allowed_until: rows.load_removals_allowed_until()?.filter(|until| *until > now).map(rfc3339),
    })
}

/// The kind of a trouble about bytes of Ente's that do not verify.
pub const BAD_CHUNK: &str = "bad-chunk";

fn collect_uploads(totals: &[StageTotals], sent: u64) -> UploadsStatus {
    let mut uploads = UploadsStatus::default();
    for total in totals {
        let place = match (total.parked, total.stage) {
            (_, Stage::Registered | Stage::Removed) => continue,
            (Some(_), _) | (None, Stage::Incomplete) => &mut uploads.parked,
            (None, Stage::Writing) => &mut uploads.writing,
            (None, Stage::Settling) => &mut uploads.settling,
            (None, Stage::LocalOnly) => &mut uploads.local_only,
            (None, Stage::Sealed | Stage::Hashed | Stage::Linking | Stage::Twin) => &mut uploads.waiting,
            (None, Stage::Prepared | Stage::Uploaded) => {
                uploads.uploading.files += total.files;
                uploads.uploading.bytes += total.bytes;
                continue;
            }
        };
        place.files += total.files;
        place.bytes += total.bytes;
    }
    uploads.uploading.sent = sent.min(uploads.uploading.bytes);
    uploads
}

fn collect_parked(rows: &Rows<'_>) -> StoreResult<Vec<ParkedStatus>> {
    rows.load_parked_uploads()?.iter().map(|row| parked_status(rows, row)).collect()
}

fn parked_status(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<ParkedStatus> {
    let reason = row.parked.unwrap_or(ParkReason::Incomplete);
    let detail = rows.load_upload_blob(row.no, UploadBlob::Detail)?.unwrap_or_default();
    Ok(ParkedStatus {
        path: shown_path(rows, row)?,
        bytes: row.size,
        reason: reason.word().into(),
        detail: String::from_utf8_lossy(&detail).into_owned(),
        remedy: reason.remedy().into(),
        since: rfc3339(row.since),
    })
}

fn shown_path(rows: &Rows<'_>, row: &UploadRow) -> StoreResult<String> {
    let path = path_of(rows, row.ino)?;
    Ok(path.map_or_else(|| "(removed)".into(), |path| Printable(&path.join(&b'/')).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(stage: Stage, parked: Option<ParkReason>) -> StageTotals {
        StageTotals { stage, parked, files: 1, bytes: 10 }
    }

    #[test]
    fn every_stage_is_counted_in_one_place() {
        let all: Vec<StageTotals> = Stage::ALL.into_iter().map(|stage| totals(stage, None)).collect();
        let uploads = collect_uploads(&all, 7);
        assert_eq!((uploads.writing.files, uploads.settling.files, uploads.local_only.files), (1, 1, 1));
        assert_eq!((uploads.waiting.files, uploads.parked.files), (4, 1));
        assert_eq!(uploads.uploading, Uploading { files: 2, bytes: 20, sent: 7 });
        let parked = collect_uploads(&[totals(Stage::Prepared, Some(ParkReason::Quota))], 0);
        assert_eq!((parked.parked.files, parked.uploading.files), (1, 0));
    }
}
