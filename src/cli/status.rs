//! `status`.

use super::args::StatusArgs;
use super::local::Local;
use super::{End, Outcome, terminal};
use crate::account::AccountDir;
use crate::app::{Exit, Failure, Paths};
use crate::base::{Clock, SystemClock};
use crate::control::{AccountStatus, Client, ClientError, Live, SessionWord, Status, render_page};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// How often the live page is drawn.
const TICK: Duration = Duration::from_secs(1);

pub(super) fn status(paths: &Paths, args: &StatusArgs) -> Outcome {
    if args.watch {
        return watch(paths);
    }
    let status = read(paths)?;
    if args.idle {
        return if status.is_idle() { Ok(()) } else { Err(End::Code(Exit::Waiting)) };
    }
    let text = if args.json {
        let json = serde_json::to_string_pretty(&status);
        json.map_err(|error| Failure::new(Exit::Other, "status", error, "report this"))? + "\n"
    } else {
        render_page(&status, None)
    };
    print(&text);
    Ok(())
}

/// From the mount, else from what it left.
pub(super) fn read(paths: &Paths) -> Result<Status, Failure> {
    match Client::connect(&paths.control_socket()) {
        Ok(mut client) => client.status().map_err(|error| Failure::client("status", &error)),
        Err(ClientError::Nobody) => read_unmounted(paths),
        Err(error) => Err(Failure::client("status", &error)),
    }
}

fn read_unmounted(paths: &Paths) -> Result<Status, Failure> {
    let account = AccountDir::new(&paths.state);
    if !account.exists() {
        return Err(Failure::account("status", &crate::account::AccountError::NotLoggedIn));
    }
    match Local::open(paths)? {
        Some(local) => local.status(),
        None => {
            let opened = account.read().map_err(|error| Failure::account("status", &error))?;
            let account = account_of(&account, &opened.session.email, &opened.session.endpoint);
            Ok(Status::of_nothing(Live::unmounted(account, SystemClock.now())))
        }
    }
}

/// What is known of the account without asking the server.
pub(super) fn account_of(dir: &AccountDir, email: &str, endpoint: &str) -> AccountStatus {
    let session = if dir.is_expired() { SessionWord::Expired } else { SessionWord::Ok };
    AccountStatus { email: email.into(), endpoint: endpoint.into(), session }
}

pub(super) fn print(text: &str) {
    // Nobody may read it any more.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn watch(paths: &Paths) -> Outcome {
    let _keys = terminal::can_ask().then(RawKeys::start).flatten();
    let (mut sent, mut since): (Option<u64>, Instant) = (None, Instant::now());
    loop {
        let status = read(paths)?;
        let total = status.uploads.uploading.sent;
        let rate = sent.map(|before| per_second(total.saturating_sub(before), since.elapsed()));
        (sent, since) = (Some(total), Instant::now());
        // Home, and what is below cleared.
        print(&format!("\x1b[H\x1b[J{}\nq leaves\n", render_page(&status, rate)));
        if left_within(TICK) {
            return Ok(());
        }
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    (bytes as f64 / time.as_secs_f64().max(0.001)) as u64
}

/// Whether `q` was typed, or the input ended.
fn left_within(time: Duration) -> bool {
    if !terminal::can_ask() {
        std::thread::sleep(time);
        return false;
    }
    let began = Instant::now();
    let mut key = [0];
    while began.elapsed() < time {
        match io::stdin().read(&mut key) {
            Ok(1) if key[0] == b'q' => return true,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
    false
}

/// Keys come one by one, unseen, and a read waits a tenth of a second; undone when it is dropped.
struct RawKeys(Termios);

impl RawKeys {
    fn start() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 1;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for RawKeys {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
