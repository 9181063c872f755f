//! Where things lie (command-line contract, 1): given, else as systemd says, else by the XDG rules.

use etcetera::base_strategy::{BaseStrategy, Xdg};
use std::env;
use std::path::{Path, PathBuf};

/// The directories of one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paths {
    /// Database, spool, session, control socket, lock.
    pub state: PathBuf,
    /// Photos read back; may be deleted at any time.
    pub cache: PathBuf,
    pub config: PathBuf,
}

impl Paths {
    /// # Errors
    /// A sentence where there is neither an option nor a home directory.
    pub fn new(state: Option<PathBuf>, cache: Option<PathBuf>, config: Option<PathBuf>) -> Result<Self, String> {
        let xdg = Xdg::new().ok();
        let missing = |flag: &str| format!("there is no home directory; give {flag}");
        let below = |base: Option<PathBuf>| base.map(|base| base.join("entefs"));
        Ok(Self {
            state: state
                .or_else(|| systemd_directory("STATE_DIRECTORY"))
                .or_else(|| below(xdg.as_ref().and_then(BaseStrategy::state_dir)))
                .ok_or_else(|| missing("--state"))?,
            cache: cache
                .or_else(|| systemd_directory("CACHE_DIRECTORY"))
                .or_else(|| below(xdg.as_ref().map(BaseStrategy::cache_dir)))
                .ok_or_else(|| missing("--cache"))?,
            config: config
                .or_else(|| systemd_directory("CONFIGURATION_DIRECTORY").map(|dir| dir.join("config.toml")))
                .or_else(|| below(xdg.as_ref().map(BaseStrategy::config_dir)).map(|dir| dir.join("config.toml")))
                .ok_or_else(|| missing("--config"))?,
        })
    }

    /// Every directory in one place, for the demo and tests.
    pub fn under(root: &Path) -> Self {
        Self { state: root.join("state"), cache: root.join("cache"), config: root.join("config.toml") }
    }

    pub fn control_socket(&self) -> PathBuf {
        self.state.join("control.sock")
    }

    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }
}

/// systemd may name several, separated by colons.
fn systemd_directory(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable)?;
    env::split_paths(&value).next().filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken() {
        let paths = Paths::new(Some("/s".into()), Some("/c".into()), Some("/x.toml".into())).unwrap();
        assert_eq!(paths, Paths { state: "/s".into(), cache: "/c".into(), config: "/x.toml".into() });
        assert_eq!(paths.control_socket(), Path::new("/s/control.sock"));
    }
}
