//! The network between one device and its server, which can be cut while others have theirs.

use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// In which of the ways of networks it is there, or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    Open,
    /// Nobody is reached.
    Refused,
    /// What is sent arrives nowhere, and nothing says so.
    Silent,
}

pub struct Cable {
    endpoint: String,
    line: watch::Sender<Line>,
}

impl Cable {
    /// A way to the server of `endpoint`, `http://host:port`, for as long as the runtime lives.
    pub(super) fn lay(runtime: &Runtime, endpoint: &str) -> Self {
        let server: SocketAddr = endpoint.trim_start_matches("http://").parse().expect("a server without TLS");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let here = listener.local_addr().expect("it is bound");
        let (line, state) = watch::channel(Line::Open);
        runtime.spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                tokio::spawn(carry(device, server, state.clone()));
            }
        });
        Self { endpoint: format!("http://{here}"), line }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What is under way is lost with every change.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// One connection, until an end closes it or the line changes.
async fn carry(mut device: TcpStream, server: SocketAddr, mut line: watch::Receiver<Line>) -> io::Result<()> {
    let now = *line.borrow_and_update();
    if now == Line::Refused {
        return Ok(());
    }
    let mut there = if now == Line::Open { Some(TcpStream::connect(server).await?) } else { None };
    if let Some(there) = &mut there {
        tokio::select! {
            done = tokio::io::copy_bidirectional(&mut device, there) => return done.map(|_| ()),
            _ = line.changed() => {}
        }
    }
    // Held, so that its end waits for an answer, until there is a network that says it is gone.
    let _ = line.wait_for(|line| *line != Line::Silent).await;
    Ok(())
}
