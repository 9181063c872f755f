//! The server, one account on it, and where everything lies.

use super::account::{CODE, sign_in, sign_up};
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
    server: Option<Server>,
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

    /// The same, for tests that mount nothing.
    pub fn unmounted() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let root = tempfile::Builder::new().prefix("entefs-test-").tempdir().expect("a temporary directory");
        let options = ServerOptions { code: Some(CODE.into()), ..ServerOptions::new(root.path().join("server")) };
        let server = runtime.block_on(Server::start(options)).expect("a server");
        let opened = runtime.block_on(sign_up(server.base_url(), &root.path().join("account"), EMAIL));
        let account = Client::new(runtime.handle().clone(), server.base_url(), opened);
        Self { server: Some(server), runtime, account, devices: AtomicUsize::new(0), root }
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs until the world ends")
    }

    pub fn endpoint(&self) -> &str {
        self.server().base_url()
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
        self.runtime.block_on(sign_in(self.endpoint(), &device.state, EMAIL));
        device
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

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }
}
