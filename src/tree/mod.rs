//! Floor 1: what names and operations mean, as pure functions over values.
//!
//! Guarantees: nothing here reads or writes anything; every rule of the semantics that decides something
//! (names 1.6, temporary names 2.4, album mapping 2.8, removing 4, what an event does to an upload) is decided here and nowhere else.

mod brake;
mod drops;
mod junk;
mod links;
mod name;
mod pair;
mod period;
mod place;
mod plan;
mod preview;
mod stage;
mod undo;
mod unique;

pub use brake::{BrakeState, RemovalLimit, album_weight, plan_brake};
pub use drops::{AlbumMapping, Dedup, DropRules, DropSettings, OnDelete, album_name_for, is_camera_directory};
pub use junk::{NameClass, NameRules, classify_directory};
pub use links::{LinkKey, LinkNames};
pub use name::{MAX_NAME, join_name, safe_name, split_name, suffixed};
pub use pair::{are_halves, half_by_name, half_stem, other_half_names};
pub use period::Period;
pub use place::{DirKind, FixedPlace};
pub use plan::{
    EntryKind, LinkPlan, LinkSource, Refusal, RemovalPlan, RenamePlan, RenameSource, RenameTarget, check_new_directory,
    check_new_file, plan_link, plan_removal, plan_rename,
};
pub use preview::{Previews, is_previewer};
pub use stage::{Event, Stage, Verdict, on_event};
pub use undo::{PhotoPlaces, Return, latest_run, plan_return};
pub use unique::{NameRequest, assign_names};
