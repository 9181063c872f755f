//! The demo: a server, an account and a mount that leave nothing behind.

use super::config::Config;
use super::engine::EngineParts;
use super::failure::{Exit, Failure};
use super::lock::StateLock;
use super::mounting::{MountView, serve_mount};
use super::options::MountOptions;
use super::paths::Paths;
use crate::account::{
    AccountDir, AccountError, AccountFlows, AccountResult, Derivation, NoKeyring, PasswordPurpose, Prompt,
};
use crate::crypto::Zeroizing;
use crate::embedded::{Server, ServerOptions};
use crate::media::landscape;
use crate::remote::{HttpLogin, HttpOptions, TokenCell};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const EMAIL: &str = "demo@example.org";
const CODE: &str = "123456";
/// Somebody is watching.
const SETTLE: Duration = Duration::from_millis(500);
/// The photos that are there to begin with, below `Drop`.
const PHOTOS: [(&str, &str); 4] =
    [("Holiday", "Hills.jpg"), ("Holiday", "Sunrise.jpg"), ("Holiday", "Sunset.jpg"), ("Home", "From the window.jpg")];
const WHAT: &str = "demo";

/// Who sees the demo come about.
pub trait DemoView: MountView {
    fn deriving(&self, step: Derivation);
}

/// Serves, signs up and mounts, until a signal or an unmount ends it; then removes all it made. Without `dir` the
/// mountpoint is made, too.
///
/// # Errors
/// [`Failure`]; exit code 5 where nothing can be mounted here.
pub async fn demo(dir: Option<PathBuf>, view: Arc<dyn DemoView>) -> Result<(), Failure> {
    File::options().read(true).write(true).open("/dev/fuse").map_err(|error| {
        Failure::new(
            Exit::Mount,
            "/dev/fuse",
            error,
            "load the kernel's fuse module, or give the container that device",
        )
    })?;
    let failed = |error: io::Error| Failure::new(Exit::Other, WHAT, error, "check the directory for temporary files");
    let root = tempfile::Builder::new().prefix("entefs-demo-").tempdir().map_err(failed)?;
    let server = start_server(&root).await?;
    let paths = Paths::under(root.path());
    sign_up(&server, &paths, Arc::clone(&view)).await?;
    let mountpoint = match dir {
        Some(dir) => dir,
        None => root.path().join("photos"),
    };
    let made = make_mountpoint(&mountpoint).map_err(failed)?;
    let served = serve(paths, &mountpoint, view).await;
    server.shutdown().await;
    if made {
        // The temporary directory goes anyway; one that somebody gave may have been filled since.
        let _ = fs::remove_dir(&mountpoint);
    }
    let removed = tokio::task::spawn_blocking(move || root.close()).await;
    served?;
    removed.map_err(io::Error::other).and_then(|removed| removed).map_err(failed)
}

/// Whether it had to be made.
fn make_mountpoint(dir: &Path) -> io::Result<bool> {
    match fs::create_dir(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

async fn start_server(root: &TempDir) -> Result<Server, Failure> {
    let options = ServerOptions { code: Some(CODE.into()), ..ServerOptions::new(root.path().join("server")) };
    let started = Server::start(options).await;
    started.map_err(|error| Failure::new(Exit::Other, WHAT, error, "check the directory for temporary files"))
}

async fn sign_up(server: &Server, paths: &Paths, view: Arc<dyn DemoView>) -> Result<(), Failure> {
    let options = HttpOptions::new(server.base_url(), TokenCell::default());
    let api = HttpLogin::new(&options).map_err(|error| Failure::plain(Exit::Other, "server", error))?;
    // Nothing of a demo may stay in somebody's keyring.
    let dir = AccountDir::with_places(&paths.state, Arc::new(NoKeyring), None);
    let flows = AccountFlows::new(Arc::new(api), Arc::new(Answers { view }), dir, server.base_url());
    flows.signup(EMAIL).await.map_err(|error| Failure::account("sign-up", &error))?;
    Ok(())
}

async fn serve(paths: Paths, dir: &Path, view: Arc<dyn DemoView>) -> Result<(), Failure> {
    let lock = StateLock::take(&paths)?;
    let options = MountOptions { settle: SETTLE, ..MountOptions::default() };
    let drops = Config::default().drop_rules(SETTLE);
    let drops = drops.map_err(|why| Failure::plain(Exit::Usage, "drops", why))?;
    let parts = EngineParts::new(paths, options, drops);
    serve_mount(parts, dir, lock, Arc::new(FillingView(view))).await
}

/// Copies the first photos in as soon as that is possible.
struct FillingView(Arc<dyn DemoView>);

impl MountView for FillingView {
    fn pulling(&self, progress: crate::sync::PullProgress) {
        self.0.pulling(progress);
    }

    fn mounted(&self, dir: &Path) {
        self.0.mounted(dir);
        let dir = dir.join("Drop");
        // Through the kernel, as everybody else's; from a thread, since this one may be needed to serve it.
        std::thread::spawn(move || {
            if let Err(error) = copy_photos(&dir) {
                tracing::warn!(%error, "the first photos could not be copied in");
            }
        });
    }
}

fn copy_photos(drop: &Path) -> io::Result<()> {
    for (seed, (album, name)) in (1..).zip(PHOTOS) {
        fs::create_dir_all(drop.join(album))?;
        fs::write(drop.join(album).join(name), landscape(seed))?;
    }
    Ok(())
}

/// Stands for the person who signs up.
struct Answers {
    view: Arc<dyn DemoView>,
}

impl Prompt for Answers {
    fn ask_password(&self, _: PasswordPurpose) -> AccountResult<Zeroizing<String>> {
        // Nobody needs it again: the account goes when the demo ends.
        Ok(Zeroizing::new(format!("{:032x}", u128::from_ne_bytes(crate::crypto::random()))))
    }

    fn ask_email_code(&self, _: &str) -> AccountResult<String> {
        Ok(CODE.into())
    }

    fn ask_totp(&self, _: bool) -> AccountResult<Option<String>> {
        Err(AccountError::Cancelled)
    }

    fn show_passkey_url(&self, _: &str) -> AccountResult<()> {
        Err(AccountError::Cancelled)
    }

    fn show_recovery_words(&self, _: &str) -> AccountResult<()> {
        Ok(())
    }

    fn note_derivation(&self, step: Derivation) {
        self.view.deriving(step);
    }

    fn ask_again(&self, _: &AccountError) -> bool {
        false
    }
}
