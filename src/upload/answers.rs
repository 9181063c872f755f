//! What an answer of the server means (architecture 5.1, second table): one cell an endpoint and status.

use crate::base::{ParkReason, Retry};
use crate::remote::RemoteError;
use crate::wire::code;
use std::time::Duration;

/// The calls whose refusals mean something of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// `upload-url`, `multipart-upload-url`, `upload-urls`.
    Target,
    /// A PUT to the storage.
    Put,
    /// Joining the parts of a multipart upload.
    Complete,
    /// `POST /files`.
    Register,
    /// `add-files`, `move-files`.
    Link,
    CreateAlbum,
    RenameAlbum,
    DeleteAlbum,
    /// `PUT /files/public-magic-metadata`.
    PublicMagic,
    /// `POST /files/trash`.
    Trash,
    /// `restore-files`.
    Restore,
}

/// What to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The same again, later.
    BackOff,
    /// The same again, when the server said.
    After(Duration),
    /// It was done before; go on.
    Done,
    /// The presigned URL is spent: ask for another, then the same again.
    FreshTarget,
    /// The objects are gone: back to `Sealed`, with fresh keys.
    Reseal,
    /// The album is gone: the photo goes to Uncategorized.
    Retarget,
    /// Look at what the server has now before anything else.
    PullAndCompare,
    /// The photo it should be linked to cannot be: its bytes are uploaded after all.
    UploadAfterAll,
    Park(ParkReason),
}

/// What `error` means for `call`. `attempts` failed before this one.
pub fn on_answer(call: Call, error: &RemoteError, attempts: u32) -> Answer {
    match error.status() {
        Some(status) => on_status(call, status, error.code(), attempts).unwrap_or_else(|| general(error)),
        // Nothing answered: what is not idempotent must be looked for first.
        None if call == Call::CreateAlbum => Answer::PullAndCompare,
        None => general(error),
    }
}

/// After so many tries at the same thing it will not heal by itself.
const PATIENCE: u32 = 5;

fn on_status(call: Call, status: u16, code: &str, attempts: u32) -> Option<Answer> {
    use Answer as A;
    use Call as C;
    Some(match (call, status) {
        // An expired or wrong signature, or bytes changed on the way.
        (C::Put, 400 | 403 | 404) if attempts < PATIENCE => A::FreshTarget,
        (C::Put, 400 | 403 | 404 | 411) => A::Park(ParkReason::Refused),
        // The answer of an earlier, successful call was lost; `POST /files` finds out.
        (C::Complete, 404) => A::Done,
        (C::Complete, 400 | 403) if attempts < PATIENCE => A::FreshTarget,
        (C::Target, 400 | 403) => A::Park(ParkReason::Refused),

        // Another client may have replaced it (protocol notes, data 3.5, replay table).
        (C::Register, 400 | 500 | 409) if attempts < PATIENCE => A::PullAndCompare,
        (C::Register, 503) if code == code::OBJECT_SIZE_FETCH_FAILED && attempts >= PATIENCE => A::Reseal,
        (C::Register, 400 | 409) => A::Reseal,
        (C::Register, 403 | 404) => A::Retarget,

        (C::Link, 409) => A::UploadAfterAll,
        (C::Link, 400 | 403 | 404) => A::PullAndCompare,

        // Not idempotent: what failed may have happened.
        (C::CreateAlbum, 500..=599) => A::PullAndCompare,
        (C::DeleteAlbum, 404) => A::Done,
        (C::RenameAlbum | C::DeleteAlbum | C::PublicMagic, 400 | 403 | 404 | 409) => A::PullAndCompare,
        // A repeat of what succeeded is a 400, and so is what somebody restored or deleted meanwhile.
        (C::Restore | C::Trash, 400 | 403 | 404 | 409) => A::PullAndCompare,
        // The database refuses an album that never had the photo.
        (C::Trash, 500) if attempts >= PATIENCE => A::Park(ParkReason::Refused),
        _ => return None,
    })
}

fn general(error: &RemoteError) -> Answer {
    match error.retry() {
        Retry::Backoff => Answer::BackOff,
        Retry::After(time) => Answer::After(time),
        Retry::Park(reason) => Answer::Park(reason),
        Retry::Never => Answer::Park(ParkReason::Refused),
    }
}

/// The wait before attempt `attempts + 1`: a second, doubling, five minutes at most, up to a half more at random.
pub fn back_off(attempts: u32, random: u8) -> Duration {
    let base = Duration::from_secs(1 << attempts.min(9)).min(Duration::from_secs(300));
    base + base * u32::from(random) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> RemoteError {
        RemoteError::Status { endpoint: "/x", status, code: code.into(), retry_after: None }
    }

    fn silent() -> RemoteError {
        RemoteError::Network { endpoint: "/x", detail: "reset".into() }
    }

    const CALLS: [Call; 11] = [
        Call::Target,
        Call::Put,
        Call::Complete,
        Call::Register,
        Call::Link,
        Call::CreateAlbum,
        Call::RenameAlbum,
        Call::DeleteAlbum,
        Call::PublicMagic,
        Call::Trash,
        Call::Restore,
    ];

    /// The table as it is drawn in docs/ARCHITECTURE.md: first and late attempts.
    fn cell(call: Call, status: u16) -> [Answer; 2] {
        use Answer::*;
        let same = |answer| [answer, answer];
        match (call, status) {
            (_, 401) => same(Park(ParkReason::Session)),
            (_, 402 | 426) => same(Park(ParkReason::Quota)),
            (_, 413) => same(Park(ParkReason::TooLarge)),
            (_, 429) => same(BackOff),
            (Call::Put, 400 | 403 | 404) => [FreshTarget, Park(ParkReason::Refused)],
            (Call::Complete, 404) => same(Done),
            (Call::Complete, 400 | 403) => [FreshTarget, Park(ParkReason::Refused)],
            (Call::Register, 400 | 409) => [PullAndCompare, Reseal],
            (Call::Register, 403 | 404) => same(Retarget),
            (Call::Register, 500) => [PullAndCompare, BackOff],
            (Call::Link, 409) => same(UploadAfterAll),
            (Call::Link, 400 | 403 | 404) => same(PullAndCompare),
            (Call::CreateAlbum, 500 | 503) => same(PullAndCompare),
            (Call::DeleteAlbum, 404) => same(Done),
            (Call::RenameAlbum | Call::DeleteAlbum | Call::PublicMagic, 400 | 403 | 404 | 409) => same(PullAndCompare),
            (Call::Trash | Call::Restore, 400 | 403 | 404 | 409) => same(PullAndCompare),
            (Call::Trash, 500) => [BackOff, Park(ParkReason::Refused)],
            (_, 500 | 503) => same(BackOff),
            _ => same(Park(ParkReason::Refused)),
        }
    }

    #[test]
    fn every_cell_of_the_table_of_endpoints_and_statuses() {
        for call in CALLS {
            for status in [400, 401, 402, 403, 404, 409, 411, 413, 426, 429, 500, 503] {
                let found = [0, PATIENCE].map(|attempts| on_answer(call, &refused(status, ""), attempts));
                assert_eq!(found, cell(call, status), "{call:?} {status}");
            }
        }
    }

    #[test]
    fn objects_that_expired_are_made_again() {
        let gone = refused(503, code::OBJECT_SIZE_FETCH_FAILED);
        assert_eq!(on_answer(Call::Register, &gone, 0), Answer::BackOff);
        assert_eq!(on_answer(Call::Register, &gone, PATIENCE), Answer::Reseal);
    }

    #[test]
    fn silence_is_waited_out_but_a_new_album_is_looked_for() {
        for call in CALLS {
            let expected = if call == Call::CreateAlbum { Answer::PullAndCompare } else { Answer::BackOff };
            assert_eq!(on_answer(call, &silent(), 0), expected, "{call:?}");
        }
    }

    #[test]
    fn the_waits_double_up_to_five_minutes() {
        assert_eq!(back_off(0, 0), Duration::from_secs(1));
        assert_eq!(back_off(3, 0), Duration::from_secs(8));
        assert_eq!(back_off(u32::MAX, 0), Duration::from_secs(300));
        assert!(back_off(3, 255) < Duration::from_secs(12));
    }
}
