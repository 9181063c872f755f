//! Floor 8: putting the floors together for a mount, a command or the demo.

mod commands;
mod config;
mod demo;
mod doctor;
mod duties;
mod engine;
mod failure;
mod have;
mod import;
mod lock;
mod metered;
mod mounting;
mod notice;
mod options;
mod paths;
mod report;
mod serve;
mod texts;
mod verify;

pub use config::{Config, ConfigError};
pub use demo::{DemoView, demo};
pub use doctor::{Check, Finding, examine};
pub use engine::{Engine, EngineParts};
pub use failure::{Exit, Failure};
pub use have::{LocalFile, LocalFiles, hash_files};
pub use import::{ImportRequest, import_unmounted};
pub use lock::{AccountLock, Holder, StateLock};
pub use mounting::{MountView, mount_failure, serve_mount};
pub use options::{MountOptions, OptionError};
pub use paths::Paths;
pub use serve::{ServePlan, serve};
