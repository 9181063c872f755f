//! Everything a mount consists of, put together: local state, the server, and who works between them.

use super::failure::{Exit, Failure};
use super::options::MountOptions;
use super::paths::Paths;
use crate::account::{AccountDir, AccountKeys, Opened};
use crate::base::sync::Bell;
use crate::base::{Clock, Nanos, Printable, SystemClock};
use crate::cache::Cache;
use crate::control::BAD_CHUNK;
use crate::crypto::DeviceKey;
use crate::fetch::{BadChunk, Fetch, FetchOptions, HalvesCorrected};
use crate::namespace::{Defaults, Namespace, Origin, path_of, rename_photo};
use crate::remote::{HttpOptions, HttpRemote, RemoteApi, TokenCell};
use crate::spool::{Spool, SpoolError, SpoolOptions};
use crate::store::{ContentRow, NodeKind, NodeRow, Store, StoreError, StoreResult, Trouble, Tx};
use crate::sync::{PullProgress, Reach, Sync, SyncError, SyncParts};
use crate::tree::DropRules;
use crate::upload::isolate::{Isolated, Isolation};
use crate::upload::{AlbumMaker, MeteredFlag, Uploader, UploaderOptions, UploaderParts, adopt_spool};
use crate::vfs::{Bells, Vfs, VfsOptions, VfsParts};
use std::path::Path;
use std::sync::Arc;

/// How long an import waits for its changes of albums and favorites to be pushed.
const PUSHING: std::time::Duration = std::time::Duration::from_secs(60);

/// What an engine is made of.
pub struct EngineParts {
    pub paths: Paths,
    pub options: MountOptions,
    pub drops: DropRules,
    /// Where it will be mounted, for what it says of itself.
    pub clock: Arc<dyn Clock>,
    /// The program that decodes media: this one, unless a test says otherwise.
    pub isolation: Isolation,
    /// How Ente is reached: over HTTP, unless a test says otherwise.
    pub remote: Option<Arc<dyn RemoteApi>>,
}

impl EngineParts {
    pub fn new(paths: Paths, options: MountOptions, drops: DropRules) -> Self {
        Self { paths, options, drops, clock: Arc::new(SystemClock), isolation: Isolation::default(), remote: None }
    }
}

/// Local state and server of one account, ready to be served.
pub struct Engine {
    pub paths: Paths,
    pub options: MountOptions,
    pub drops: DropRules,
    pub clock: Arc<dyn Clock>,
    pub account: AccountDir,
    pub email: String,
    pub endpoint: String,
    pub token: TokenCell,
    pub session_over: Bell,
    pub metered: MeteredFlag,
    pub namespace: Arc<Namespace>,
    pub spool: Arc<Spool>,
    pub cache: Arc<Cache>,
    pub fetch: Arc<Fetch>,
    pub sync: Arc<Sync>,
    pub uploader: Arc<Uploader>,
    pub bells: Bells,
}

impl Engine {
    /// Opens everything. To be called within the runtime that shall work, with the state directory locked; blocks
    /// for the disk and the keyring.
    ///
    /// # Errors
    /// [`Failure`] with the exit code of the contract.
    pub fn open(parts: EngineParts) -> Result<Arc<Self>, Failure> {
        let account = AccountDir::new(&parts.paths.state);
        let Opened { device, session } = account.read().map_err(|error| Failure::account("log-in", &error))?;
        let local = Local::open(&parts, Arc::new(device), &session.keys)?;
        let EngineParts { paths, options, drops, clock, isolation, remote } = parts;
        let (token, session_over) = (session.token_cell(), Bell::default());
        let remote = match remote {
            Some(remote) => remote,
            None => connect(&session.endpoint, token.clone(), session_over.clone(), &options)?,
        };
        let bells = Bells { ops: local.namespace.pending().clone(), ..Bells::default() };
        let fetch = local.fetch(&remote, &clock, options.read_timeout);
        let (albums, sync) = local.sync(&remote, &session.keys, &clock, &drops);
        let metered = MeteredFlag::default();
        let Local { namespace, spool, cache } = local;
        let uploader = Uploader::new(UploaderParts {
            namespace: Arc::clone(&namespace),
            spool: Arc::clone(&spool),
            cache: Arc::clone(&cache),
            fetch: Arc::clone(&fetch),
            remote,
            albums,
            pull: Arc::new(Arc::clone(&sync)),
            isolated: isolated(isolation)?,
            clock: Arc::clone(&clock),
            bell: bells.uploads.clone(),
            metered: metered.clone(),
            options: UploaderOptions { drops: drops.clone(), uploads: options.uploads, schedule: options.schedule },
        });
        Ok(Arc::new(Self {
            paths,
            options,
            drops,
            clock,
            account,
            email: session.email.clone(),
            endpoint: session.endpoint.clone(),
            token,
            session_over,
            metered,
            namespace,
            spool,
            cache,
            fetch,
            sync,
            uploader,
            bells,
        }))
    }

    pub fn store(&self) -> &Arc<Store> {
        self.namespace.store()
    }

    /// Makes the tree usable: the first pull, where there was none, and what an earlier process left in the spool.
    /// `watch` sees the pull's progress.
    ///
    /// # Errors
    /// [`Failure`] where a first pull does not come to its end; the next one goes on.
    pub async fn prepare(self: &Arc<Self>, watch: impl Fn(PullProgress) + Send + 'static) -> Result<(), Failure> {
        if !self.sync.is_complete().map_err(|error| Failure::store("database", &error))? {
            self.pull_first(watch).await?;
        }
        if let Ok(Some((used, total))) = self.store().read(|rows| rows.load_quota()) {
            self.namespace.space().set_account(used, total);
        }
        let engine = Arc::clone(self);
        let adopted = tokio::task::spawn_blocking(move || {
            adopt_spool(&engine.namespace, &engine.spool, &engine.drops, engine.clock.as_ref(), engine.options.settle)
        });
        let failed = |why: String| Failure::new(Exit::Data, "spool", why, "nothing was changed; see the log");
        let adoption = adopted.await.map_err(|error| failed(error.to_string()))?;
        let adoption = adoption.map_err(|error| failed(error.to_string()))?;
        if adoption != crate::upload::Adoption::default() {
            tracing::info!(?adoption, "files of an earlier run were found");
        }
        Ok(())
    }

    async fn pull_first(self: &Arc<Self>, watch: impl Fn(PullProgress) + Send + 'static) -> Result<(), Failure> {
        let mut progress = self.sync.progress();
        let watching = tokio::spawn(async move {
            while progress.changed().await.is_ok() {
                watch(*progress.borrow_and_update());
            }
        });
        let pulled = async {
            self.sync.pull(Reach::Full).await?;
            self.sync.refresh_quota().await.map(|_| ())
        };
        let outcome = pulled.await;
        watching.abort();
        outcome.map_err(|error| first_pull_failure(&error))
    }

    /// Waits until every change that is recorded now is pushed, or is put off for long.
    ///
    /// # Errors
    /// [`Failure`] where some are left: they go out with the next mount.
    pub async fn push_all(&self) -> Result<(), Failure> {
        self.bells.ops.ring();
        let began = std::time::Instant::now();
        loop {
            let left =
                self.store().read(|rows| rows.count_ops()).map_err(|error| Failure::store("database", &error))?;
            if left == 0 {
                return Ok(());
            }
            if began.elapsed() > PUSHING {
                let why = format!("{left} changes are not in Ente yet");
                return Err(Failure::new(Exit::Waiting, "import", why, "they are sent by the next mount or import"));
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// The filesystem on this engine.
    pub fn vfs(self: &Arc<Self>, texts: Box<dyn crate::vfs::Texts>) -> Arc<Vfs> {
        Arc::new(Vfs::new(VfsParts {
            namespace: Arc::clone(&self.namespace),
            spool: Arc::clone(&self.spool),
            fetch: Arc::clone(&self.fetch),
            clock: Arc::clone(&self.clock),
            options: VfsOptions {
                drops: self.drops.clone(),
                settle: self.options.settle,
                read_only: self.options.read_only,
                removal_limit: self.options.removal_limit,
                previews: self.options.previews,
                allow_trash: self.options.allow_trash,
            },
            bells: self.bells.clone(),
            texts,
        }))
    }
}

/// What lies in the state and cache directories.
struct Local {
    namespace: Arc<Namespace>,
    spool: Arc<Spool>,
    cache: Arc<Cache>,
}

impl Local {
    fn open(parts: &EngineParts, device: Arc<DeviceKey>, keys: &AccountKeys) -> Result<Self, Failure> {
        let EngineParts { paths, options, drops, clock, .. } = parts;
        let store = Arc::new(open_store(&paths.state, &device, keys)?);
        let spool = open_spool(paths, &device, options)?;
        let cache = Cache::open(&paths.cache, device, options.cache_size).map_err(|error| {
            let what = format!("cache {}", paths.cache.display());
            Failure::new(Exit::Other, &what, error, "check its rights, or choose another with --cache")
        })?;
        let namespace = Arc::new(Namespace::new(store, defaults(options, clock.now_nanos())));
        make_drops(&namespace, drops, clock.now_nanos()).map_err(|error| Failure::store("drop directories", &error))?;
        Ok(Self { namespace, spool, cache: Arc::new(cache) })
    }

    fn fetch(&self, remote: &Arc<dyn RemoteApi>, clock: &Arc<dyn Clock>, timeout: std::time::Duration) -> Arc<Fetch> {
        Arc::new(Fetch::new(
            Arc::clone(remote),
            Arc::clone(&self.cache),
            Arc::clone(self.namespace.store()),
            FetchOptions { timeout, cores: cores() },
            bad_chunk_noter(&self.namespace, clock),
            halves_corrector(&self.namespace),
        ))
    }

    fn sync(
        &self,
        remote: &Arc<dyn RemoteApi>,
        keys: &Arc<AccountKeys>,
        clock: &Arc<dyn Clock>,
        drops: &DropRules,
    ) -> (Arc<AlbumMaker>, Arc<Sync>) {
        let albums = Arc::new(AlbumMaker::new(
            Arc::clone(remote),
            Arc::clone(&self.namespace),
            Arc::clone(keys),
            Arc::clone(clock),
        ));
        let sync = Sync::new(SyncParts {
            remote: Arc::clone(remote),
            namespace: Arc::clone(&self.namespace),
            keys: Arc::clone(keys),
            albums: Arc::clone(&albums),
            clock: Arc::clone(clock),
            rules: drops.clone(),
        });
        (albums, sync)
    }
}

fn first_pull_failure(error: &SyncError) -> Failure {
    let what = "first pull of the account";
    match error {
        SyncError::Remote(error) if error.is_session_over() => {
            Failure::new(Exit::Session, what, "the session has expired", "run `entefs login`")
        }
        SyncError::Store(error) => Failure::store(what, error),
        error => {
            Failure::new(Exit::Other, what, error, "mount again when Ente can be reached; it goes on where it was")
        }
    }
}

/// Opens the database and makes sure that it is this account's.
fn open_store(state: &Path, device: &DeviceKey, keys: &AccountKeys) -> Result<Store, Failure> {
    let failed = |error: StoreError| Failure::store(&format!("database in {}", state.display()), &error);
    let store = Store::open(state, device).map_err(failed)?;
    match store.read(|rows| rows.load_user()).map_err(failed)? {
        Some(user) if user != keys.user => {
            let why = "it belongs to another account";
            Err(Failure::new(Exit::Data, "database", why, "choose another directory with --state"))
        }
        Some(_) => Ok(store),
        None => {
            store.write(|tx| tx.save_user(keys.user)).map_err(failed)?;
            Ok(store)
        }
    }
}

fn open_spool(paths: &Paths, device: &Arc<DeviceKey>, options: &MountOptions) -> Result<Arc<Spool>, Failure> {
    let dir = paths.state.join("spool");
    let spool_options = SpoolOptions { reserve_bytes: options.reserve, ..SpoolOptions::default() };
    let spool = Spool::open(&dir, Arc::clone(device), &spool_options).map_err(|error| {
        let exit = if matches!(error, SpoolError::Vault(_)) { Exit::Data } else { Exit::Other };
        Failure::new(exit, &format!("spool {}", dir.display()), error, "check its rights and its disk")
    })?;
    Ok(Arc::new(spool))
}

fn connect(
    endpoint: &str,
    token: TokenCell,
    session_over: Bell,
    options: &MountOptions,
) -> Result<Arc<dyn RemoteApi>, Failure> {
    let http = HttpOptions {
        session_over,
        upload_limit: options.upload_limit,
        download_limit: options.download_limit,
        ..HttpOptions::new(endpoint, token)
    };
    let remote = HttpRemote::new(http).map_err(|error| Failure::plain(Exit::Other, "server", error))?;
    Ok(Arc::new(remote))
}

fn isolated(isolation: Isolation) -> Result<Arc<Isolated>, Failure> {
    let isolated = Isolated::new(isolation);
    let failed = |error| Failure::new(Exit::Other, "media decoder", error, "free some memory, then try again");
    Ok(Arc::new(isolated.map_err(failed)?))
}

fn defaults(options: &MountOptions, now: Nanos) -> Defaults {
    let uid = options.uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let gid = options.gid.unwrap_or_else(|| rustix::process::getegid().as_raw());
    Defaults { show_hidden: options.show_hidden, ..Defaults::new(uid, gid, options.umask.unwrap_or(0), now) }
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The directories of the drops, made where they are missing.
fn make_drops(namespace: &Namespace, drops: &DropRules, now: Nanos) -> StoreResult<()> {
    namespace.commit(Origin::Elsewhere, |tx, _| {
        for drop in drops.iter() {
            let mut parent = crate::base::Ino::ROOT;
            for name in &drop.path {
                parent = drop_directory(tx, parent, name, now)?;
            }
        }
        Ok(())
    })
}

fn drop_directory(tx: &Tx<'_>, parent: crate::base::Ino, name: &[u8], now: Nanos) -> StoreResult<crate::base::Ino> {
    if let Some(ino) = tx.find_name(parent, name)? {
        if let Some(node) = tx.load_node(ino)?.filter(|node| node.kind == NodeKind::Directory) {
            tx.save_node(&NodeRow { kind: NodeKind::DropRoot, ..node })?;
        }
        return Ok(ino);
    }
    let ino = tx.next_ino()?;
    tx.save_node(&NodeRow::new(ino, NodeKind::DropRoot, 0o755, now))?;
    tx.save_name(parent, name, ino)?;
    Ok(ino)
}

/// What was believed of a live photo's halves was wrong: its names and sizes follow.
fn halves_corrector(namespace: &Arc<Namespace>) -> HalvesCorrected {
    let namespace = Arc::clone(namespace);
    Box::new(move |file| {
        let shown = namespace.commit(Origin::Elsewhere, |tx, dirty| rename_photo(tx, file, dirty));
        if let Err(error) = shown {
            tracing::error!(%error, "a live photo's halves could not be shown as they are");
        }
    })
}

fn bad_chunk_noter(namespace: &Arc<Namespace>, clock: &Arc<dyn Clock>) -> BadChunk {
    let (namespace, clock) = (Arc::clone(namespace), Arc::clone(clock));
    Box::new(move |content: &ContentRow, chunk: u64| {
        tracing::error!(file = content.file.0, chunk, "bytes from Ente did not verify, twice");
        let noted = namespace.store().write(|tx| {
            let path = path_of(tx, content.ino)?.unwrap_or_default();
            let path = Printable(&path.join(&b'/')).to_string();
            let text = format!(
                "{path} (photo {}): bytes from Ente did not verify; they were not served. Check it in an Ente app",
                content.file.0
            );
            tx.insert_trouble(&Trouble { at: clock.now(), kind: BAD_CHUNK.into(), text })
        });
        if let Err(error) = noted {
            tracing::error!(%error, "a trouble could not be noted");
        }
    })
}
