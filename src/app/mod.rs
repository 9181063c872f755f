//! Floor 8: putting the floors together for a mount, a command or the demo.

mod config;
mod options;
mod paths;
pub mod time;

pub use config::{Config, ConfigError};
pub use options::{MountOptions, OptionError};
pub use paths::Paths;
