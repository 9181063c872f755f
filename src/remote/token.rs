//! The session's token, where everybody who calls finds it.

use crate::base::sync::RwLock;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The value of `X-Auth-Token`. Shared: a new log-in swaps it under calls that go on.
#[derive(Clone, Default)]
pub struct TokenCell(Arc<RwLock<Option<Token>>>);

/// One token; the same as another only if it is the very one.
#[derive(Clone)]
pub(super) struct Token(Arc<Zeroizing<String>>);

impl TokenCell {
    pub fn new(token: &str) -> Self {
        let cell = Self::default();
        cell.set(token);
        cell
    }

    pub fn set(&self, token: &str) {
        *self.0.write() = Some(Token(Arc::new(Zeroizing::new(token.into()))));
    }

    /// Later calls go without a token and are refused with 401.
    pub fn clear(&self) {
        *self.0.write() = None;
    }

    /// Whether this is the token that the next call carries.
    pub fn holds(&self, token: &str) -> bool {
        self.get().is_some_and(|current| current.expose() == token)
    }

    pub(super) fn get(&self) -> Option<Token> {
        self.0.read().clone()
    }

    /// Whether a call that was refused with `used` has another token to try.
    pub(super) fn has_newer(&self, used: Option<&Token>) -> bool {
        match (self.get(), used) {
            (Some(current), Some(used)) => !Arc::ptr_eq(&current.0, &used.0),
            (current, used) => current.is_some() && used.is_none(),
        }
    }
}

impl Token {
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_token_is_seen_by_whoever_holds_the_cell() {
        let cell = TokenCell::new("old");
        let (holder, used) = (cell.clone(), cell.get());
        assert!(!holder.has_newer(used.as_ref()));
        cell.set("new");
        assert!(holder.has_newer(used.as_ref()));
        assert!(holder.holds("new") && !holder.holds("old"));
        cell.clear();
        assert!(!holder.has_newer(used.as_ref()));
    }
}
