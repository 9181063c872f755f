//! What a mount needs, looked at without mounting anything.

use super::engine::cores;
use super::paths::Paths;
use crate::account::{AccountDir, AccountError, KeyPlace};
use crate::base::{Clock, SystemClock, format_bytes};
use crate::media::job::Request;
use crate::media::{Format, Zone, landscape};
use crate::remote::{HttpOptions, TokenCell, fetch_server_time};
use crate::upload::isolate::{Isolated, Isolation, find_ffmpeg};
use std::env;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// More room than this is not worth a word.
const LITTLE_SPACE: u64 = 2 << 30;
/// A clock further off breaks TLS, authenticator codes and dates.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// What one look found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    Good(String),
    /// Works, with less.
    Fair {
        what: String,
        remedy: String,
    },
    Bad {
        what: String,
        remedy: String,
    },
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self::Good(what.into())
    }

    fn fair(what: impl Into<String>, remedy: &str) -> Self {
        Self::Fair { what: what.into(), remedy: remedy.into() }
    }

    fn bad(what: impl ToString, remedy: &str) -> Self {
        Self::Bad { what: what.to_string(), remedy: remedy.into() }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    pub name: &'static str,
    pub finding: Finding,
}

/// Looks at everything.
pub async fn examine(paths: &Paths, endpoint: &str) -> Vec<Check> {
    let (server, clock) = look_at_server(endpoint).await;
    vec![
        Check { name: "/dev/fuse", finding: look_at_device() },
        Check { name: "fusermount3", finding: look_at_helper() },
        Check { name: "session", finding: look_at_session(paths) },
        Check { name: "server", finding: server },
        Check { name: "clock", finding: clock },
        Check { name: "state disk", finding: look_at_disk(&paths.state) },
        Check { name: "cache disk", finding: look_at_disk(&paths.cache) },
        Check { name: "decoders", finding: look_at_decoders() },
        Check { name: "video frames", finding: look_at_ffmpeg() },
    ]
}

fn look_at_device() -> Finding {
    match File::options().read(true).write(true).open("/dev/fuse") {
        Ok(_) => Finding::good("can be opened"),
        Err(error) => {
            Finding::bad(error, "load the kernel's fuse module (`modprobe fuse`), or give the container /dev/fuse")
        }
    }
}

fn look_at_helper() -> Finding {
    let found = env::var_os("PATH")
        .and_then(|path| env::split_paths(&path).map(|dir| dir.join("fusermount3")).find(|program| program.is_file()));
    match found {
        Some(program) => Finding::good(program.display().to_string()),
        None if rustix::process::geteuid().is_root() => Finding::good("not there, and root does not need it"),
        None => Finding::bad("not found", "install the package fuse3"),
    }
}

fn look_at_session(paths: &Paths) -> Finding {
    let dir = AccountDir::new(&paths.state);
    let opened = match dir.read() {
        Ok(opened) => opened,
        Err(error @ AccountError::NotLoggedIn) => return Finding::bad(error, "run `entefs login EMAIL`"),
        Err(error) => return Finding::bad(error, "see docs/CLI.md on where keys lie"),
    };
    let email = &opened.session.email;
    if dir.is_expired() {
        return Finding::bad(format!("that of {email} has expired"), "run `entefs login`; nothing is lost");
    }
    let place = match dir.key_place() {
        Ok(Some(KeyPlace::Keyring)) => "its key is in the keyring",
        Ok(Some(KeyPlace::Credential)) => "its key is a systemd credential",
        _ => "its key is in a file that only you can read",
    };
    Finding::good(format!("{email}; {place}"))
}

async fn look_at_server(endpoint: &str) -> (Finding, Finding) {
    let unknown = || Finding::fair("cannot be compared without the server", "see above");
    match fetch_server_time(&HttpOptions::new(endpoint, TokenCell::default())).await {
        Ok(time) => (Finding::good(format!("{endpoint} answers")), time.map_or_else(unknown, compare_clocks)),
        Err(error) => (Finding::bad(error, "check the network and the endpoint"), unknown()),
    }
}

fn compare_clocks(server: crate::base::Timestamp) -> Finding {
    let here = SystemClock.now();
    let apart = here.since(server).max(server.since(here));
    if apart <= CLOCK_TOLERANCE {
        return Finding::good("agrees with the server's");
    }
    let what = format!("is {} s away from the server's", apart.as_secs());
    Finding::bad(what, "set it, best by a time service (`timedatectl set-ntp true`)")
}

/// The disk on which a directory lies, or will.
fn look_at_disk(dir: &Path) -> Finding {
    let Some(existing) = dir.ancestors().find(|dir| dir.is_dir()) else {
        return Finding::bad(format!("{} cannot be reached", dir.display()), "choose another directory");
    };
    match rustix::fs::statvfs(existing) {
        Ok(space) => {
            let free = space.f_bavail * space.f_frsize;
            let what = format!("{} free at {}", format_bytes(free), dir.display());
            if free >= LITTLE_SPACE {
                return Finding::good(what);
            }
            Finding::fair(what, "free some space, or choose another directory: photos wait there for their upload")
        }
        Err(error) => Finding::bad(error, "check the disk"),
    }
}

fn look_at_decoders() -> Finding {
    let sample = landscape(1);
    let now = SystemClock.now();
    let (name, zone) = (b"sample.jpg".to_vec(), Zone::Local);
    let request = Request { format: Format::Jpeg, name, modified: now, now, zone, facts: true, thumbnail: true };
    let examined = Isolated::new(Isolation { parallel: cores(), ..Isolation::default() })
        .map_err(|error| error.to_string())
        .and_then(|isolated| isolated.examine(&request, &sample).map_err(|error| error.to_string()))
        .and_then(|examined| examined.thumbnail.map_err(|error| error.to_string()));
    match examined {
        Ok(_) => Finding::good("JPEG, HEIC, AVIF, PNG, WebP, GIF, TIFF, BMP, and the previews in RAW files"),
        Err(why) => Finding::fair(why, "photos are uploaded all the same, with a stand-in thumbnail"),
    }
}

fn look_at_ffmpeg() -> Finding {
    match find_ffmpeg() {
        Some(program) => Finding::good(program.display().to_string()),
        None => Finding::fair(
            "ffmpeg not found: videos get a black stand-in as thumbnail, which Ente cannot replace later",
            "install the package ffmpeg before you upload videos",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_named() {
        let now = SystemClock.now();
        assert!(matches!(compare_clocks(now), Finding::Good(_)));
        let off = compare_clocks(now.saturating_add(Duration::from_secs(4000)));
        assert!(matches!(&off, Finding::Bad { what, .. } if what.contains("s away")), "{off:?}");
    }

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_disk_of_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let finding = look_at_disk(&dir.path().join("a/b"));
        assert!(!matches!(finding, Finding::Bad { .. }), "{finding:?}");
    }

    #[tokio::test]
    async fn nobody_logged_in_and_a_dead_server_are_bad() {
        let dir = tempfile::tempdir().unwrap();
        let checks = examine(&Paths::under(dir.path()), "http://127.0.0.1:9").await;
        let bad: Vec<_> = checks.iter().filter(|check| matches!(check.finding, Finding::Bad { .. })).collect();
        let names: Vec<_> = bad.iter().map(|check| check.name).collect();
        assert!(names.contains(&"session") && names.contains(&"server"), "{names:?}");
    }
}
