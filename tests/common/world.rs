//! The server, one account on it, and where everything lies.

use super::account::{code, sign_in, sign_up};
use super::cable::Cable;
use super::client::Client;
use super::device::Device;
use super::system::can_mount;
use entefs::embedded::{Fault, Method, Outcome, Server, ServerOptions, When};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub const EMAIL: &str = "ada@example.org";

/// Dropped last to first: devices of a test go before their world.
pub struct World {
    /// `None` where another server is under test.
    server: Option<Server>,
    endpoint: String,
    email: String,
    runtime: Runtime,
    account: Client,
    devices: AtomicUsize,
    root: TempDir,
}

impl World {
    /// A server with one account. `None`, said aloud, where nothing can be mounted.
    #[track_caller]
    pub fn start() -> Option<Self> {
        can_mount().then(Self::unmounted)
    }

    /// The same on the server that `ENTEFS_TEST_ENDPOINT` names, if it does: for tests that need nothing of a server
    /// but the API. `ENTEFS_TEST_OTT` is the code of addresses that end in `ENTEFS_TEST_OTT_SUFFIX`.
    #[track_caller]
    pub fn start_anywhere() -> Option<Self> {
        let Ok(endpoint) = std::env::var("ENTEFS_TEST_ENDPOINT") else { return Self::start() };
        let suffix = std::env::var("ENTEFS_TEST_OTT_SUFFIX").unwrap_or_else(|_| "@example.org".into());
        let unique = u32::from_le_bytes(entefs::crypto::random());
        let email = format!("mount-{unique}{suffix}");
        can_mount().then(|| Self::new(runtime(), root(), None, endpoint.trim_end_matches('/'), &email))
    }

    /// The same, for tests that mount nothing.
    pub fn unmounted() -> Self {
        let (runtime, root) = (runtime(), root());
        let options = ServerOptions { code: Some(code()), ..ServerOptions::new(root.path().join("server")) };
        let server = runtime.block_on(Server::start(options)).expect("a server");
        let endpoint = server.base_url().to_owned();
        Self::new(runtime, root, Some(server), &endpoint, EMAIL)
    }

    fn new(runtime: Runtime, root: TempDir, server: Option<Server>, endpoint: &str, email: &str) -> Self {
        let opened = runtime.block_on(sign_up(endpoint, &root.path().join("account"), email));
        let account = Client::new(runtime.handle().clone(), endpoint, opened);
        let (endpoint, email) = (endpoint.to_owned(), email.to_owned());
        Self { server, endpoint, email, runtime, account, devices: AtomicUsize::new(0), root }
    }

    pub fn server(&self) -> &Server {
        self.embedded().expect("it is not another one's, and runs until the world ends")
    }

    /// The embedded server, if that is the one under test.
    pub fn embedded(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A directory of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The account as seen by a client that is not ours: by the API alone.
    pub fn client(&self) -> &Client {
        &self.account
    }

    /// Somebody else with an account on the same server.
    pub fn friend(&self, email: &str) -> Client {
        let opened = self.runtime.block_on(sign_up(self.endpoint(), &self.path(email), email));
        Client::new(self.runtime.handle().clone(), self.endpoint(), opened)
    }

    /// A device of somebody's, and its mount.
    pub fn mounted_for(&self, email: &str) -> Device {
        let mut device = self.empty_device();
        self.runtime.block_on(sign_in(self.endpoint(), &device.state, email));
        device.mount();
        device
    }

    /// One more device that is logged in, with nothing in its state directory but that. Not mounted yet.
    pub fn device(&self) -> Device {
        let number = self.devices.load(Ordering::Relaxed) + 1;
        self.device_at(&self.path(&format!("device{number}")))
    }

    /// A device on which nobody has logged in.
    pub fn empty_device(&self) -> Device {
        let number = self.devices.fetch_add(1, Ordering::Relaxed) + 1;
        Device::new(&self.path(&format!("device{number}")), &self.path(&format!("mnt{number}")))
    }

    /// A device with state and cache below `root`; the mountpoint lies elsewhere.
    pub fn device_at(&self, root: &Path) -> Device {
        let number = self.devices.fetch_add(1, Ordering::Relaxed) + 1;
        let device = Device::new(root, &self.path(&format!("mnt{number}")));
        self.runtime.block_on(sign_in(self.endpoint(), &device.state, &self.email));
        device
    }

    /// A device that reaches the server by a cable of its own. Not mounted yet. Where objects lie with a storage apart, that
    /// is reached all the time.
    pub fn device_on_cable(&self) -> (Device, Cable) {
        let (device, cable) = (self.empty_device(), Cable::lay(&self.runtime, self.endpoint()));
        self.runtime.block_on(sign_in(cable.endpoint(), &device.state, &self.email));
        (device, cable)
    }

    /// A device and its mount.
    pub fn mounted(&self) -> Device {
        let mut device = self.device();
        device.mount();
        device
    }

    /// Makes the `nth` such request from now on go wrong.
    pub fn fail_nth(&self, method: Method, path: &str, nth: u32, when: When, outcome: Outcome) {
        self.server().fail_next(Fault { path: path.into(), method, nth, when, outcome });
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime")
}

fn root() -> TempDir {
    tempfile::Builder::new().prefix("entefs-test-").tempdir().expect("a temporary directory")
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }
}
