//! Floor 0: the words every other module speaks. No I/O and no async.
//!
//! Guarantees: an identifier or unit never crosses a module boundary as a bare integer, and a lock
//! poisoned by a panic (which the mount survives) stays usable.

mod b64;
pub mod calendar;
mod daily;
mod id;
mod ino;
mod model;
mod pages;
mod parse;
mod printable;
mod read_at;
mod retry;
pub mod sync;
mod time;

pub use b64::{B64, decode_url_safe, encode_url_safe};
pub use daily::DailySpan;
pub use id::{AlbumId, AlbumNo, ContentNo, FileId, Generation, JournalNo, OpNo, UploadNo, UserId, VaultId};
pub use ino::{Ino, InoKind};
pub use model::{AlbumKind, FileKind, Part, Role, Visibility};
pub use pages::{PageBuf, PagePool, Pooled};
pub use parse::{format_bytes, format_duration, parse_duration, parse_size};
pub use printable::Printable;
pub use read_at::ReadAt;
pub use retry::{ParkReason, Retry};
pub use time::{Clock, FixedClock, Nanos, SystemClock, Timestamp};

/// Names are bytes: a title may hold anything but what the kernel refuses, and NFC and NFD twins differ.
pub type Name = std::sync::Arc<[u8]>;
