//! The accept loop's end: connections that can be cut off from outside.
//!
//! Guarantees: small answers leave at once (TCP_NODELAY), and a connection can be reset in the middle of
//! anything, for faults and for a shutdown that does not wait for stuck readers.

use crate::base::sync::Mutex;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::task::AtomicWaker;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How long to wait after the system refuses to accept, usually for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Cuts one connection.
#[derive(Default)]
pub(super) struct Cutter {
    is_cut: AtomicBool,
    waker: AtomicWaker,
    ended: Notify,
}

impl Cutter {
    /// The client sees a reset, whatever was on its way.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.waker.wake();
        self.ended.notify_waiters();
    }

    /// A request whose body is not read does not notice that its connection was cut: it must ask here.
    pub(super) async fn when_cut(&self) {
        let ended = self.ended.notified();
        if !self.is_cut.load(Ordering::Acquire) {
            ended.await;
        }
    }
}

/// All open connections.
#[derive(Clone, Default)]
pub(super) struct Cutters(Arc<Mutex<Vec<Weak<Cutter>>>>);

impl Cutters {
    fn add(&self) -> Arc<Cutter> {
        let cutter = Arc::new(Cutter::default());
        let mut open = self.0.lock();
        open.retain(|cutter| cutter.strong_count() > 0);
        open.push(Arc::downgrade(&cutter));
        cutter
    }

    pub(super) fn cut_all(&self) {
        let open: Vec<_> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        for cutter in open {
            cutter.cut();
        }
    }
}

pub(super) struct CuttableListener {
    pub(super) listener: TcpListener,
    pub(super) cutters: Cutters,
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "embedded server: TCP_NODELAY");
                    }
                    return (CuttableStream { stream, cutter: self.cutters.add() }, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "embedded server: cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

pub(super) struct CuttableStream {
    stream: TcpStream,
    cutter: Arc<Cutter>,
}

impl CuttableStream {
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.cutter.waker.register(context.waker());
        if !self.cutter.is_cut.load(Ordering::Acquire) {
            return Ok(());
        }
        // Closing then sends a reset at once and drops what is still queued.
        self.stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What a handler knows of the connection its request came on.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) cutter: Arc<Cutter>,
}

impl Connected<IncomingStream<'_, CuttableListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        Self { address: *stream.remote_addr(), cutter: Arc::clone(&stream.io().cutter) }
    }
}
