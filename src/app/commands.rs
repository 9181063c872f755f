//! What a mount does when a command asks for it.

use super::duties::take_new_session;
use super::failure::Exit;
use super::import::{ImportDesk, ImportRequest};
use super::report::Reporter;
use super::verify::verify;
use crate::base::{B64, FileId, Ino, Timestamp};
use crate::control::{
    Commands, EntryInfo, ListedFile, Refused, Reply, Request, collect_info, ignored_files, known_hashes,
    local_only_files, reset_ignored, resolve,
};
use crate::namespace::{self, NamespaceError, UndoContext, UndoReach, preview_undo};
use crate::store::{Rows, StoreError, StoreResult};
use crate::sync::{Reach, SyncError};
use async_trait::async_trait;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;

/// The commands of a mounted engine.
pub(super) struct MountCommands {
    pub(super) reporter: Arc<Reporter>,
    pub(super) imports: Arc<ImportDesk>,
    /// Ends the mount.
    pub(super) stop: Arc<Notify>,
}

fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

fn refused(exit: Exit, sentence: impl ToString) -> Reply {
    Reply::Refused(Refused { exit: exit as u8, sentence: sentence.to_string() })
}

fn of_store<T>(outcome: Result<T, StoreError>, done: impl FnOnce(T) -> Reply) -> Reply {
    match outcome {
        Ok(value) => done(value),
        Err(error) => refused(Exit::Data, error),
    }
}

#[async_trait]
impl Commands for MountCommands {
    async fn handle(&self, request: Request) -> Reply {
        match request {
            Request::Status => {
                self.off_thread(|reporter| of_store(reporter.status_as_shown(), |s| Reply::Status(s.into()))).await
            }
            Request::Refresh => self.refresh().await,
            Request::Pause { until } => self.pause(Some(Timestamp(until.unwrap_or(i64::MAX)))),
            Request::Resume => self.pause(None),
            Request::Retry { paths, as_is } => {
                let paths = paths.iter().filter_map(B64::bytes).collect();
                self.off_thread(move |reporter| retry(reporter, paths, as_is)).await
            }
            Request::Info { paths } => {
                let paths = paths.iter().filter_map(B64::bytes).collect();
                self.off_thread(move |reporter| info(reporter, paths)).await
            }
            Request::AllowRemovals { until } => {
                let allowed = self.reporter.engine().store().write(|tx| tx.allow_removals(Timestamp(until)));
                of_store(allowed, |()| Reply::Done)
            }
            Request::Undo { since, dry_run } => self.off_thread(move |reporter| undo(reporter, since, dry_run)).await,
            Request::Have { hashes } => self.off_thread(move |reporter| have(reporter, &hashes)).await,
            Request::Verify { path } => {
                let path = path.bytes().unwrap_or_default();
                Reply::Verified(verify(self.reporter.engine(), &path).await)
            }
            Request::Ignored => self.off_thread(|reporter| files(reporter, ignored_files)).await,
            Request::LocalOnly => self.off_thread(|reporter| files(reporter, local_only_files)).await,
            Request::ResetIgnored { paths } => {
                let paths: Vec<Vec<u8>> = paths.iter().filter_map(B64::bytes).collect();
                self.off_thread(move |reporter| reset(reporter, &paths)).await
            }
            Request::Trash { files } => self.trash(&files).await,
            Request::LoggedIn => match take_new_session(self.reporter.engine()).await {
                Ok(()) => Reply::Done,
                Err(error) => refused(Exit::Session, error),
            },
            Request::Import { sources, choice } => {
                let sources = sources.iter().filter_map(B64::bytes).map(path_of_bytes).collect();
                match self.imports.start(self.reporter.engine(), ImportRequest { sources, choice }) {
                    Ok(()) => Reply::Done,
                    Err(refused) => Reply::Refused(refused),
                }
            }
            Request::ImportState => match self.imports.state() {
                (_, Some(Err(refused))) => Reply::Refused(refused),
                (progress, outcome) => Reply::Import { progress, report: outcome.and_then(Result::ok) },
            },
            Request::Stop => {
                self.stop.notify_one();
                Reply::Done
            }
        }
    }
}

impl MountCommands {
    async fn off_thread(&self, work: impl FnOnce(&Reporter) -> Reply + Send + 'static) -> Reply {
        let reporter = Arc::clone(&self.reporter);
        let outcome = tokio::task::spawn_blocking(move || work(&reporter)).await;
        outcome.unwrap_or_else(|error| refused(Exit::Other, error))
    }

    async fn refresh(&self) -> Reply {
        let engine = self.reporter.engine();
        let pulled = async {
            engine.sync.pull(Reach::Overlap).await?;
            engine.sync.refresh_quota().await.map(|_| ())
        };
        match pulled.await {
            Ok(()) => Reply::Done,
            Err(error) => unsynced(&error),
        }
    }

    async fn trash(&self, files: &[i64]) -> Reply {
        let files: Vec<FileId> = files.iter().copied().map(FileId).collect();
        match self.reporter.engine().sync.trash(&files).await {
            Ok(true) => Reply::Done,
            Ok(false) => {
                let why = "one of them is not yours, or in no album any more; nothing was moved, run `entefs refresh`";
                refused(Exit::Other, why)
            }
            Err(error) => unsynced(&error),
        }
    }

    fn pause(&self, until: Option<Timestamp>) -> Reply {
        let engine = self.reporter.engine();
        let saved = engine.store().write(|tx| tx.save_paused_until(until));
        engine.bells.uploads.ring();
        of_store(saved, |()| Reply::Done)
    }
}

fn unsynced(error: &SyncError) -> Reply {
    match error {
        SyncError::Remote(error) if error.is_session_over() => {
            refused(Exit::Session, "the session has expired; run `entefs login`")
        }
        error => refused(Exit::Other, format!("{error}; check the network, then try again")),
    }
}

fn retry(reporter: &Reporter, paths: Vec<Vec<u8>>, as_is: bool) -> Reply {
    let engine = reporter.engine();
    let inos: Result<Vec<Option<Ino>>, NamespaceError> =
        paths.iter().map(|path| resolve(&engine.namespace, path)).collect();
    let inos: Vec<Ino> = match inos {
        Ok(inos) if inos.iter().all(Option::is_some) => inos.into_iter().flatten().collect(),
        Ok(_) => return refused(Exit::Other, "there is no such entry; give paths as they are seen in the mount"),
        Err(error) => return refused(Exit::Other, format!("{error}; try again after the next pull")),
    };
    let chosen = |ino: Ino| paths.is_empty() || inos.contains(&ino);
    match engine.uploader.retry(chosen, as_is) {
        Ok(items) => Reply::Retried { items },
        Err(error) => refused(Exit::Data, error),
    }
}

fn have(reporter: &Reporter, hashes: &[String]) -> Reply {
    let known = reporter.engine().store().read(|rows| known_hashes(rows, hashes));
    of_store(known, |known| Reply::Known { known })
}

fn reset(reporter: &Reporter, paths: &[Vec<u8>]) -> Reply {
    of_store(reset_ignored(&reporter.engine().namespace, paths), |entries| Reply::Forgotten { entries })
}

fn files(reporter: &Reporter, list: fn(&Rows<'_>) -> StoreResult<Vec<ListedFile>>) -> Reply {
    of_store(reporter.engine().store().read(list), |files| Reply::Files { files })
}

fn undo(reporter: &Reporter, since: Option<i64>, dry_run: bool) -> Reply {
    let engine = reporter.engine();
    let reach = since.map_or(UndoReach::LatestRun, |since| UndoReach::Since(Timestamp(since)));
    let now = engine.clock.now_nanos();
    let context = UndoContext { rules: &engine.drops, now, settle: engine.options.settle };
    let outcome = if dry_run {
        preview_undo(&engine.namespace, reach, &context)
    } else {
        namespace::undo(&engine.namespace, reach, &context)
    };
    engine.bells.uploads.ring();
    of_store(outcome, Reply::Undone)
}

fn info(reporter: &Reporter, paths: Vec<Vec<u8>>) -> Reply {
    let engine = reporter.engine();
    let collected: Result<Vec<EntryInfo>, NamespaceError> =
        paths.iter().map(|path| collect_info(&engine.namespace, Some(&engine.cache), path)).collect();
    match collected {
        Ok(entries) => Reply::Info { entries },
        Err(error) => refused(Exit::Other, format!("{error}; try again after the next pull")),
    }
}
