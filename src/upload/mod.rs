//! Floor 5: the write path after the drop.

pub mod isolate;
