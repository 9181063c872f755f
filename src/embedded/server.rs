//! The server's life: start, controls for tests, stop.

use super::connection::{CuttableListener, Cutters, Peer};
use super::database::{Database, one, run};
use super::error::EmbeddedError;
use super::faults::{Fault, Faults};
use super::limits::{Limits, RateLimits};
use super::objects::ObjectStore;
use super::presign::Presigner;
use super::shared::{CodeReporter, RequestCounts, Shared};
use super::{accounts, details, router, second_factor, trash, users};
use crate::base::{Clock, FileId, SystemClock, Timestamp, UserId};
use crate::crypto;
use crate::wire::KeyAttributes;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a stop waits for requests that are under way.
const GRACE: Duration = Duration::from_millis(500);
/// How often what has expired is cleaned up.
const CLEAN_UP_INTERVAL: Duration = Duration::from_secs(60);

/// What a server is to be.
pub struct ServerOptions {
    /// Database and objects; made where it is missing.
    pub data: PathBuf,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The e-mail code of every address. Without it each is made up and reported.
    pub code: Option<String>,
    /// Told each address and its code; the server sends no mail.
    pub report_code: CodeReporter,
    /// Bytes a new account may store.
    pub quota: u64,
    pub limits: Limits,
    /// Whether what was answered survives a power cut. It survives the process either way.
    pub durable: bool,
    pub clock: Arc<dyn Clock>,
}

impl ServerOptions {
    /// On a free port of the loopback interface: 10 GiB for each account, no limits, codes reported to nobody.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            code: None,
            report_code: Arc::new(|_, _| {}),
            quota: 10 << 30,
            limits: Limits::Off,
            durable: false,
            clock: Arc::new(SystemClock),
        }
    }
}

/// An account that [`Server::create_account`] plants.
#[derive(Clone)]
pub struct AccountSeed {
    pub key_attributes: KeyAttributes,
    /// A UUID in its canonical form.
    pub srp_user_id: String,
    pub srp_salt: Vec<u8>,
    pub srp_verifier: Vec<u8>,
}

/// A running server. Dropping it stops it without waiting; [`Self::shutdown`] waits.
pub struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    cleaning: JoinHandle<()>,
}

impl Server {
    /// Starts on the caller's runtime.
    ///
    /// # Errors
    /// Where the directory, the database or the address cannot be used.
    pub async fn start(options: ServerOptions) -> Result<Self, EmbeddedError> {
        let address = options.listen;
        let fault = |source| EmbeddedError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fault)?;
        let addr = listener.local_addr().map_err(fault)?;
        let cutters = Cutters::default();
        let shared = Arc::new(open(options, addr, cutters.clone())?);
        let (stop, stopped) = oneshot::channel();
        let serving = spawn_server(CuttableListener { listener, cutters }, Arc::clone(&shared), stopped);
        let cleaning = spawn_cleaner(Arc::clone(&shared));
        Ok(Self { addr, shared, stop: Some(stop), serving, cleaning })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://address:port`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// Takes no more connections, lets what is under way finish for a moment, then cuts it off.
    pub async fn shutdown(mut self) {
        self.cleaning.abort();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if tokio::time::timeout(GRACE, &mut self.serving).await.is_err() {
            self.shared.cutters.cut_all();
            let _ = (&mut self.serving).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.cleaning.abort();
        self.serving.abort();
        self.shared.cutters.cut_all();
    }
}

fn open(options: ServerOptions, addr: SocketAddr, cutters: Cutters) -> Result<Shared, EmbeddedError> {
    let data = &options.data;
    fs::create_dir_all(data).map_err(|source| EmbeddedError::Directory { path: data.clone(), source })?;
    let database = Database::open(&data.join("server.db"), options.durable)?;
    let objects = ObjectStore::open(data, options.durable)?;
    let presigner = Presigner::new(load_secret(&database)?);
    Ok(Shared {
        database,
        objects,
        presigner,
        clock: options.clock,
        limits: RateLimits::new(options.limits),
        faults: Faults::default(),
        counts: RequestCounts::default(),
        cutters,
        code: options.code,
        report_code: options.report_code,
        quota: options.quota,
        base_url: format!("http://{addr}"),
    })
}

/// Made once: URLs outlive a restart.
fn load_secret(database: &Database) -> Result<[u8; 32], EmbeddedError> {
    database.control(|tx| {
        if let Some(secret) = one(tx, "SELECT secret FROM server", [], |row| row.get(0))? {
            return Ok(secret);
        }
        let secret: [u8; 32] = crypto::random();
        run(tx, "INSERT INTO server (secret) VALUES (?)", [secret])?;
        Ok(secret)
    })
}

fn spawn_server(listener: CuttableListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) -> JoinHandle<()> {
    let service = router::router(shared).into_make_service_with_connect_info::<Peer>();
    let stopped = async move {
        let _ = stopped.await;
    };
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "embedded server: stopped");
        }
    })
}

fn spawn_cleaner(shared: Arc<Shared>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(CLEAN_UP_INTERVAL);
        loop {
            ticks.tick().await;
            let shared = Arc::clone(&shared);
            let cleaned = tokio::task::spawn_blocking(move || trash::clean_up(&shared)).await;
            if !matches!(cleaned, Ok(Ok(()))) {
                tracing::error!("embedded server: cleaning up failed");
            }
        }
    })
}

/// What tests and the demo do behind the protocol's back. These calls block for the time of a transaction.
impl Server {
    /// Plants a complete account without e-mail code, key derivation or SRP; answers a token of the photos app.
    ///
    /// # Errors
    /// [`EmbeddedError::AccountExists`]
    pub fn create_account(&self, email: &str, seed: &AccountSeed) -> Result<String, EmbeddedError> {
        let (email, now) = (users::normalize(email), self.shared.clock.now());
        self.shared.database.control(|tx| {
            if find(tx, &email)?.is_some() {
                return Err(EmbeddedError::AccountExists(email.clone()));
            }
            accounts::plant(tx, seed, &email, self.shared.quota, now).map_err(|_| EmbeddedError::Refused)
        })
    }

    /// Makes every token of the account as old as one that has not been used for more than a year.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`]
    pub fn expire_tokens(&self, email: &str) -> Result<(), EmbeddedError> {
        let long_ago = self.shared.clock.now().saturating_sub(Duration::from_secs(366 * 86_400));
        self.change(email, "UPDATE tokens SET last_used = ?2 WHERE user = ?1", long_ago.0)
    }

    /// Ends every session of the account.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`]
    pub fn revoke_tokens(&self, email: &str) -> Result<(), EmbeddedError> {
        self.change(email, "DELETE FROM tokens WHERE user = ?1 AND ?2 = 0", 0)
    }

    /// The plan's size.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`]
    pub fn set_quota(&self, email: &str, bytes: u64) -> Result<(), EmbeddedError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.change(email, "UPDATE users SET storage = ?2 WHERE id = ?1", bytes)
    }

    /// Whether the plan has run out: uploads answer 402 then.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`]
    pub fn set_plan_expired(&self, email: &str, is_expired: bool) -> Result<(), EmbeddedError> {
        let expiry = if is_expired { Timestamp(1) } else { users::fresh_expiry(self.shared.clock.now()) };
        self.change(email, "UPDATE users SET plan_expiry = ?2 WHERE id = ?1", expiry.0)
    }

    /// Switches TOTP on with this secret: SHA-1, six digits, 30 s.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`]
    pub fn enable_totp(&self, email: &str, secret: &[u8; 20]) -> Result<(), EmbeddedError> {
        self.with_account(email, |tx, user| second_factor::set_totp_secret(tx, user, Some(secret)))
    }

    /// Gives the account a passkey, or takes it away.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`]
    pub fn set_passkey(&self, email: &str, has_passkey: bool) -> Result<(), EmbeddedError> {
        self.change(email, "UPDATE users SET has_passkey = ?2 WHERE id = ?1", i64::from(has_passkey))
    }

    /// Touches the passkey: the session's result can be fetched from now on. Whether there is such a session.
    ///
    /// # Errors
    /// Where the database fails.
    pub fn verify_passkey_session(&self, session: &str) -> Result<bool, EmbeddedError> {
        let sql = "UPDATE passkey_sessions SET verified_at = ? WHERE id = ?";
        let now = self.shared.clock.now().0;
        self.shared.database.control(|tx| Ok(run(tx, sql, params![now, session])? > 0))
    }

    /// Where the object of a file's content lies; `None` for files that are not there.
    ///
    /// # Errors
    /// Where the database fails.
    pub fn object_path(&self, file: FileId) -> Result<Option<PathBuf>, EmbeddedError> {
        let sql = "SELECT file_key FROM files WHERE id = ? AND NOT is_deleted";
        let key = self.shared.database.control(|tx| Ok(one(tx, sql, [file.0], |row| row.get::<_, String>(0))?))?;
        Ok(key.and_then(|key| self.shared.objects.path(&key)))
    }

    /// Files of the account that are neither in the trash nor gone.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`]
    pub fn file_count(&self, email: &str) -> Result<u64, EmbeddedError> {
        let count = self.with_account(email, details::load_file_count)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How often each route was asked since the start or [`Self::reset_counts`]: `GET /files/download/{id}`.
    pub fn request_counts(&self) -> BTreeMap<String, u64> {
        self.shared.counts.get()
    }

    pub fn reset_counts(&self) {
        self.shared.counts.reset();
    }

    /// Makes one request to come go wrong.
    pub fn fail_next(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Forgets the faults that have hit nothing yet.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// A black hole: while it is one, every request arrives and none is answered or has an effect.
    pub fn set_silent(&self, silent: bool) {
        self.shared.faults.set_silent(silent);
    }

    /// Cuts every open connection off.
    pub fn reset_connections(&self) {
        self.shared.cutters.cut_all();
    }

    fn change(&self, email: &str, sql: &str, value: i64) -> Result<(), EmbeddedError> {
        self.with_account(email, |tx, user| {
            run(tx, sql, [user.0, value])?;
            Ok(())
        })
    }

    fn with_account<T>(
        &self,
        email: &str,
        work: impl FnOnce(&Connection, UserId) -> super::refusal::Answer<T>,
    ) -> Result<T, EmbeddedError> {
        let email = users::normalize(email);
        self.shared.database.control(|tx| {
            let user = find(tx, &email)?.ok_or_else(|| EmbeddedError::NoAccount(email.clone()))?;
            work(tx, user).map_err(|_| EmbeddedError::Refused)
        })
    }
}

fn find(tx: &Connection, email: &str) -> Result<Option<UserId>, EmbeddedError> {
    Ok(one(tx, "SELECT id FROM users WHERE email = ?", [email], |row| Ok(UserId(row.get(0)?)))?)
}
