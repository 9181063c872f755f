//! What to do about a failure. The layer that fails decides, because only it knows (house rule 13).

use std::fmt;
use std::time::Duration;

/// Whether doing the same again can help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// The same request will fail the same way.
    Never,
    /// Waiting can help; the caller chooses how long.
    Backoff,
    /// The other side said how long.
    After(Duration),
    /// Nothing helps until somebody acts; the bytes stay.
    Park(ParkReason),
}

/// Why an upload stands still until somebody acts: the reasons of `status --json`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ParkReason {
    /// The account has no room left, or no plan.
    Quota,
    /// The session has expired.
    Session,
    /// Over Ente's 10 GiB.
    TooLarge,
    /// The bytes kept here do not verify.
    Corrupt,
    /// The file looks cut off (semantics 2.3).
    Incomplete,
    /// Its close or fsync never returned.
    Interrupted,
    /// The server refuses it for a reason waiting does not change.
    Refused,
}

impl ParkReason {
    const ALL: [Self; 7] =
        [Self::Quota, Self::Session, Self::TooLarge, Self::Corrupt, Self::Incomplete, Self::Interrupted, Self::Refused];

    /// The word in `status --json`, in the database and in `user.ente.reason`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Session => "session",
            Self::TooLarge => "too_large",
            Self::Corrupt => "corrupt",
            Self::Incomplete => "incomplete",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// What the user can do about it, in one sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Quota => "free space in Ente or choose a larger plan; the upload goes on by itself",
            Self::Session => "run `entefs login`; the upload goes on by itself",
            Self::TooLarge => "Ente takes files up to 10 GiB; keep this one elsewhere, or split it",
            Self::Corrupt => "copy the file again from where it came from, then remove this one",
            Self::Incomplete => "copy the file again, or send it as it is with `entefs retry --as-is`",
            Self::Interrupted => "copy the file again, or remove it",
            Self::Refused => "see the detail, then `entefs retry`",
        }
    }
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_from_its_word() {
        for reason in ParkReason::ALL {
            assert_eq!(ParkReason::from_word(reason.word()), Some(reason));
        }
        assert_eq!(ParkReason::from_word("tired"), None);
    }
}
