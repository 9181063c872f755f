//! The upload stage machine and what happens to it from outside (architecture 5.1, first table).
//!
//! ```text
//!            last close        delay over         new            prepared
//! Writing ─────────────▶ Settling ─────────▶ Sealed ─────▶ Hashed ─────▶ Prepared ◀──────────┐
//!    ▲                    │   │  ╲ not media                │   │           │ objects stored   │
//!    └────────────────────┘   │   ▶ LocalOnly     duplicate  │   │ twin      ▼                  │
//!          reopened           ▼ looks cut off                ▼   ▼        Uploaded              │
//!                         Incomplete                   Linking   Twin        │ registered       │
//!                                                       │   │     │          ▼                  │
//!                                     server says live  │   │     └─ first ─▶ Registered        │
//!                                                       ▼   │       registered → Linking        │
//!                                                Registered └── refused; or first cancelled ────┘
//! ```
//! `Removed` is reached from everywhere before `Registered`. Beside the stage, not in it: when something is
//! due, how often it failed, and why it is parked.

/// How far the bytes of one spool file have come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Somebody writes.
    Writing,
    /// Closed; waits to see whether it stays as it is.
    Settling,
    /// Not for Ente: a temporary or junk name, or no media.
    LocalOnly,
    /// Looks cut off (semantics 2.3).
    Incomplete,
    /// Frozen: immutable from here on (I2).
    Sealed,
    Hashed,
    /// A duplicate: joins the album, and the server must say so.
    Linking,
    /// Equal bytes are on their way already.
    Twin,
    /// Keys, headers and metadata are stored; bytes may be on their way.
    Prepared,
    /// The objects are stored, the exact register request is.
    Uploaded,
    /// In Ente; the row stays until its spool file is gone.
    Registered,
    /// Removed before it was in Ente; the bytes stay a while (semantics 4.3).
    Removed,
}

impl Stage {
    pub const ALL: [Self; 12] = [
        Self::Writing,
        Self::Settling,
        Self::LocalOnly,
        Self::Incomplete,
        Self::Sealed,
        Self::Hashed,
        Self::Linking,
        Self::Twin,
        Self::Prepared,
        Self::Uploaded,
        Self::Registered,
        Self::Removed,
    ];

    /// As it stands in the database.
    pub fn from_row(value: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| *stage as i64 == value)
    }

    /// Whether the bytes may still change in their spool file.
    pub fn is_writable(self) -> bool {
        matches!(self, Self::Writing | Self::Settling | Self::LocalOnly | Self::Incomplete)
    }

    /// Whether the bytes are frozen and on their way.
    pub fn is_under_way(self) -> bool {
        (Self::Sealed..=Self::Uploaded).contains(&self)
    }

    /// Whether nothing more will happen to them.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Registered | Self::Removed)
    }
}

/// What happens to a file while its upload is somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Opened for writing; nothing is written yet.
    Opened,
    /// The first write, or a truncation.
    NewBytes,
    /// The last writer closed it.
    Closed,
    /// Another name or directory, or its directory has another one.
    Renamed,
    /// Another mtime, mode or owner.
    Changed,
    Removed,
    /// The album it was meant for is gone.
    TargetGone,
}

/// What an event does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Stay,
    /// To `Writing`, in the same spool file.
    Write,
    /// To `Settling`; what was prepared is forgotten, the next attempt gets fresh keys (I3).
    Settle,
    /// The bytes go to a new spool file that supersedes this one; this upload ends, nothing of it was sent.
    Supersede,
    /// The same, but this one's outcome must be learned first: its request may have reached the server.
    SupersedeAfter,
    /// The row stays; once it is registered, what differs from what was sent is made good by changes.
    FollowUp,
    /// The upload ends and its bytes with it.
    Drop,
    /// The upload ends; the bytes stay for 7 days.
    Retire,
}

/// The table: one cell a stage and event. `sent`: a request that makes the photo, or links it, may have
/// reached the server.
pub fn on_event(stage: Stage, sent: bool, event: Event) -> Verdict {
    use Event as E;
    use Stage as S;
    use Verdict as V;
    match (stage, event) {
        (S::Writing, E::Closed) => V::Settle,
        (S::Writing, E::Removed) => V::Drop,
        (S::Writing, _) => V::Stay,

        (S::Settling | S::LocalOnly | S::Incomplete, E::Opened | E::NewBytes) => V::Write,
        (S::Settling | S::LocalOnly | S::Incomplete, E::Closed | E::Renamed) => V::Settle,
        (S::Settling | S::Incomplete, E::Changed) => V::Settle,
        (S::LocalOnly, E::Changed) => V::Stay,
        (S::Settling | S::LocalOnly, E::Removed) => V::Drop,
        (S::Incomplete, E::Removed) => V::Retire,
        (S::Settling | S::LocalOnly | S::Incomplete, E::TargetGone) => V::Stay,

        (S::Sealed | S::Hashed | S::Linking | S::Twin | S::Prepared | S::Uploaded, event) if sent => match event {
            E::Opened | E::Closed => V::Stay,
            E::NewBytes => V::SupersedeAfter,
            E::Renamed | E::Changed | E::Removed | E::TargetGone => V::FollowUp,
        },
        (S::Sealed | S::Hashed | S::Linking | S::Twin | S::Prepared | S::Uploaded, event) => match event {
            E::Opened | E::Closed | E::Renamed | E::Changed | E::TargetGone => V::Settle,
            E::NewBytes => V::Supersede,
            E::Removed => V::Retire,
        },

        (S::Registered, E::NewBytes) => V::SupersedeAfter,
        (S::Registered, E::Renamed | E::Removed) => V::FollowUp,
        (S::Registered, E::Opened | E::Closed | E::Changed | E::TargetGone) => V::Stay,

        (S::Removed, _) => V::Stay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 7] = [
        Event::Opened,
        Event::NewBytes,
        Event::Closed,
        Event::Renamed,
        Event::Changed,
        Event::Removed,
        Event::TargetGone,
    ];

    /// The table as it is drawn in docs/ARCHITECTURE.md, a row a stage, in the order of `EVENTS`.
    fn row(stage: Stage, sent: bool) -> [Verdict; 7] {
        use Verdict::*;
        match (stage, sent) {
            (Stage::Writing, _) => [Stay, Stay, Settle, Stay, Stay, Drop, Stay],
            (Stage::Settling, _) => [Write, Write, Settle, Settle, Settle, Drop, Stay],
            (Stage::LocalOnly, _) => [Write, Write, Settle, Settle, Stay, Drop, Stay],
            (Stage::Incomplete, _) => [Write, Write, Settle, Settle, Settle, Retire, Stay],
            (Stage::Registered, _) => [Stay, SupersedeAfter, Stay, FollowUp, Stay, FollowUp, Stay],
            (Stage::Removed, _) => [Stay; 7],
            (_, true) => [Stay, SupersedeAfter, Stay, FollowUp, FollowUp, FollowUp, FollowUp],
            (_, false) => [Settle, Supersede, Settle, Settle, Settle, Retire, Settle],
        }
    }

    #[test]
    fn every_cell_of_the_table_of_stages_and_events() {
        for stage in Stage::ALL {
            for sent in [false, true] {
                let found = EVENTS.map(|event| on_event(stage, sent, event));
                assert_eq!(found, row(stage, sent), "{stage:?} sent={sent}");
            }
        }
    }

    #[test]
    fn frozen_bytes_are_never_written_again() {
        for stage in Stage::ALL.into_iter().filter(|stage| !stage.is_writable() && *stage != Stage::Removed) {
            for sent in [false, true] {
                let verdict = on_event(stage, sent, Event::NewBytes);
                assert!(matches!(verdict, Verdict::Supersede | Verdict::SupersedeAfter), "{stage:?}");
            }
        }
    }

    #[test]
    fn what_may_have_reached_the_server_is_never_forgotten() {
        for stage in Stage::ALL.into_iter().filter(|stage| stage.is_under_way() || *stage == Stage::Registered) {
            for event in EVENTS {
                let verdict = on_event(stage, true, event);
                assert!(
                    !matches!(verdict, Verdict::Settle | Verdict::Supersede | Verdict::Drop | Verdict::Retire),
                    "{stage:?} {event:?}"
                );
            }
        }
    }

    #[test]
    fn stages_read_back_from_their_numbers() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_row(stage as i64), Some(stage));
        }
        assert_eq!(Stage::from_row(12), None);
    }
}
