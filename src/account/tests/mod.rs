//! The flows against a server, a person and a keyring in memory.

mod device_key;
mod keyring;
mod login;
mod logout;
mod person;
mod recovery_key;
mod server;
mod signup;

use super::flow::PasskeyPace;
use super::*;
use crate::crypto::{ContentHash, CryptoError, KdfLimits, Kek};
use keyring::FakeKeyring;
use person::Person;
use server::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const EMAIL: &str = "somebody@example.org";
const PASSWORD: &str = "correct horse";

/// Argon2id in name only; fails like a machine with less memory than `memory` bytes.
struct CheapKdf {
    memory: AtomicU64,
}

impl Kdf for CheapKdf {
    fn derive(&self, password: &[u8], salt: &[u8; 16], limits: KdfLimits) -> Result<Kek, CryptoError> {
        let KdfLimits { mem_limit, ops_limit } = limits;
        if mem_limit > self.memory.load(Ordering::Relaxed) {
            return Err(CryptoError::KdfMemory { mem_limit });
        }
        let input = [password, salt, &mem_limit.to_le_bytes(), &ops_limit.to_le_bytes()].concat();
        Kek::from_slice(&ContentHash::of(&input).0[..32])
    }
}

/// A machine with one state directory, and the server.
struct World {
    server: Arc<Server>,
    keyring: Arc<FakeKeyring>,
    kdf: Arc<CheapKdf>,
    state: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::on(Arc::new(Server::default()))
    }

    /// Another machine.
    fn on(server: Arc<Server>) -> Self {
        let kdf = Arc::new(CheapKdf { memory: AtomicU64::new(u64::MAX) });
        Self { server, keyring: Arc::default(), kdf, state: tempfile::tempdir().expect("there is room") }
    }

    /// With an account made on it by somebody else.
    async fn with_account() -> Self {
        let maker = Self::new();
        maker.flows(&Person::new()).signup(EMAIL).await.map(|_| ()).expect("a sign-up works");
        Self::on(maker.server)
    }

    fn dir(&self) -> AccountDir {
        AccountDir::with_places(self.state.path(), self.keyring.clone(), None)
    }

    fn flows(&self, person: &Arc<Person>) -> AccountFlows {
        let passkey = PasskeyPace { poll: Duration::from_millis(5), patience: Duration::from_millis(200) };
        AccountFlows {
            kdf: self.kdf.clone(),
            passkey,
            ..AccountFlows::new(self.server.clone(), person.clone(), self.dir(), "http://127.0.0.1:8080")
        }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.state.path().join(name)
    }

    /// The names in the state directory, sorted.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state.path()).expect("it is there");
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The error, where what worked cannot be printed.
fn failure<T>(outcome: AccountResult<T>) -> AccountError {
    outcome.map(|_| ()).expect_err("it cannot work")
}
