//! The mount's side of the socket.

use super::protocol::{Refused, Reply, Request};
use async_trait::async_trait;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

/// Longer requests are nobody's.
const MAX_REQUEST: u64 = 4 << 20;

/// Who does what is asked.
#[async_trait]
pub trait Commands: Send + Sync + 'static {
    async fn handle(&self, request: Request) -> Reply;
}

/// The socket, until it is dropped.
pub struct ControlServer {
    path: PathBuf,
    serving: JoinHandle<()>,
}

impl ControlServer {
    /// Listens at `path`. A socket that is there is a dead one's: the caller holds the lock on the state directory.
    ///
    /// # Errors
    /// Where the socket cannot be made.
    pub fn start(path: &Path, commands: Arc<dyn Commands>) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let serving = tokio::spawn(serve(listener, commands));
        Ok(Self { path: path.into(), serving })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.serving.abort();
        // The next mount removes it otherwise.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, commands: Arc<dyn Commands>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let commands = Arc::clone(&commands);
                    clients.spawn(async move {
                        if let Err(error) = answer(stream, commands.as_ref()).await {
                            tracing::debug!(%error, "a command went away");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not be heard");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// One line, one answer, as often as the client likes.
async fn answer(mut stream: UnixStream, commands: &dyn Commands) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read.take(MAX_REQUEST)).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = match serde_json::from_str(&line) {
            Ok(request) => commands.handle(request).await,
            Err(error) => Reply::Refused(Refused { exit: 1, sentence: format!("the request cannot be read: {error}") }),
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        write.write_all(&line).await?;
    }
    Ok(())
}
