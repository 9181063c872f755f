//! Base64 as Ente writes it (protocol notes, auth 1.1): the standard alphabet with padding in every
//! binary JSON field, the URL-safe one with padding in the auth token only. Decoding is strict.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A binary JSON field: kept as the text that came, decoded where it is used, so that one malformed
/// field spoils its record and not the page that carries it.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct B64(pub String);

impl B64 {
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(STANDARD.encode(bytes))
    }

    /// The bytes; `None` where the text is not standard base64 with padding.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.0).ok()
    }

    /// The bytes, if there are exactly `N`.
    pub fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes()?.try_into().ok()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for B64 {
    /// Never the content: some fields carry tokens and proofs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B64({} characters)", self.0.len())
    }
}

/// URL-safe with padding: the form of the auth token.
pub fn encode_url_safe(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE.encode(bytes)
}

/// The inverse of [`encode_url_safe`].
pub fn decode_url_safe(text: &str) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_as_strict_as_the_server() {
        assert_eq!(B64("AAEC".into()).bytes(), Some(vec![0, 1, 2]));
        assert_eq!(B64("AAE=".into()).array(), Some([0, 1]));
        for bad in ["AAE", "AA-_", "AAE =", "AAE=\n", "AAF="] {
            assert_eq!(B64(bad.into()).bytes(), None, "{bad}");
        }
    }

    #[test]
    fn the_token_keeps_its_padding() {
        let bytes: Vec<u8> = (0..32).collect();
        assert_eq!(encode_url_safe(&bytes), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert_eq!(decode_url_safe("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), Some(bytes));
    }
}
