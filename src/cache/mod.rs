//! Floor 3: bytes on their way out. What was read once is read again from here.
//!
//! Guarantees: no byte is given out that did not verify (I4), and none of another content, whatever happens to the
//! files; the budget is never exceeded by more than one block; nothing readable is at rest (I16), in names neither.
//! Nothing here is durable and nothing is missed: the directory may be deleted at any time.
//!
//! Assumes: whoever puts bytes in has verified them; contents are immutable (a new version has another key).

#[allow(clippy::module_inception)] // The folder is the floor's name, the type is the field's word.
mod cache;
mod file;
mod index;
mod key;
mod scan;
mod shared;
#[cfg(test)]
mod tests;

pub use cache::{Adopted, Cache, CacheError, CacheUsage};
pub use file::{CacheRead, CachedFile, Pin};
pub use key::CacheKey;
