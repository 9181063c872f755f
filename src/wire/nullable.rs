//! `null` for zero: the server writes Go's nil lists and pointers as `null` (protocol notes, data 0.1).

use serde::{Deserialize, Deserializer};

/// Reads `null` as the type's default.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
