//! What is put, as a stream: made one piece ahead, sent with back-pressure, and watched for stalls.

use super::throttle::Throttle;
use crate::base::sync::Mutex;
use crate::remote::api::{ObjectBody, ObjectSource};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The source makes at most this much at a time.
const PIECE: u64 = 1 << 20;

/// How far a put has come; shared by the stream and whoever waits for the answer.
pub(super) struct Progress(Mutex<Phase>);

#[derive(Clone, Debug)]
enum Phase {
    /// The connection is to take bytes, since then.
    Sending(Instant),
    /// The source makes bytes, or the rate's limit holds them back: nobody's stall.
    Making,
    /// All is handed over, since then.
    Sent(Instant),
    /// The source failed, for this reason.
    Failed(String),
}

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Phase::Sending(Instant::now()))))
    }

    fn set(&self, phase: Phase) {
        *self.0.lock() = phase;
    }

    /// When to give the put up unless something happens until then; `None` while nothing is waited for.
    pub(super) fn deadline(&self, stall: Duration, stored: Duration) -> Option<Instant> {
        match &*self.0.lock() {
            Phase::Sending(since) => Some(*since + stall),
            Phase::Making => None,
            Phase::Sent(since) => Some(*since + stored),
            Phase::Failed(_) => Some(Instant::now()),
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(&*self.0.lock(), Phase::Sent(_))
    }

    /// Why the source failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        match &*self.0.lock() {
            Phase::Failed(reason) => Some(reason.clone()),
            _ => None,
        }
    }
}

/// The body's bytes, exactly as many as it says it has.
pub(super) fn stream_of(
    body: &ObjectBody,
    progress: &Arc<Progress>,
    throttle: &Arc<Throttle>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let feed = Feed {
        piece: Bytes::new(),
        maker: Maker::of(body),
        missing: body.length(),
        progress: Arc::clone(progress),
        throttle: Arc::clone(throttle),
    };
    unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        match feed.next_frame().await {
            Ok(Some(frame)) => Some((Ok(frame), Some(feed))),
            Ok(None) => None,
            Err(error) => {
                feed.progress.set(Phase::Failed(error.to_string()));
                Some((Err(error), None))
            }
        }
    })
}

struct Feed {
    piece: Bytes,
    maker: Maker,
    /// What has not been handed over yet; once nothing is, nobody asks for more.
    missing: u64,
    progress: Arc<Progress>,
    throttle: Arc<Throttle>,
}

impl Feed {
    async fn next_frame(&mut self) -> io::Result<Option<Bytes>> {
        if self.missing == 0 {
            return Ok(None);
        }
        if self.piece.is_empty() {
            self.progress.set(Phase::Making);
            let Some(piece) = self.maker.next_piece().await? else { return Ok(None) };
            self.piece = piece;
        }
        let frame = self.piece.split_to(self.throttle.frame().min(self.piece.len()));
        self.progress.set(Phase::Making);
        self.throttle.pass(frame.len()).await;
        self.missing = self.missing.saturating_sub(frame.len() as u64);
        let now = Instant::now();
        self.progress.set(if self.missing == 0 { Phase::Sent(now) } else { Phase::Sending(now) });
        Ok(Some(frame))
    }
}

/// Where pieces come from.
enum Maker {
    Whole(Option<Bytes>),
    Source { source: Arc<dyn ObjectSource>, rest: Range<u64>, ahead: Option<JoinHandle<io::Result<Bytes>>> },
}

impl Maker {
    fn of(body: &ObjectBody) -> Self {
        match body {
            ObjectBody::Bytes(bytes) => Self::Whole(Some(bytes.clone())),
            ObjectBody::Source(source, range) => {
                let source = Arc::clone(source);
                let ahead = make(&source, range);
                Self::Source { source, rest: range.clone(), ahead }
            }
        }
    }

    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::Whole(bytes) => Ok(bytes.take().filter(|bytes| !bytes.is_empty())),
            Self::Source { source, rest, ahead } => {
                let Some(made) = ahead.take() else { return Ok(None) };
                let piece = made.await.map_err(io::Error::other)??;
                let length = piece.len() as u64;
                if length == 0 || length > (rest.end - rest.start).min(PIECE) {
                    return Err(io::Error::other(format!("the source made {length} bytes at {}", rest.start)));
                }
                rest.start += length;
                *ahead = make(source, rest);
                Ok(Some(piece))
            }
        }
    }
}

/// Starts making the next piece on a blocking thread; `None` where there is none left.
fn make(source: &Arc<dyn ObjectSource>, rest: &Range<u64>) -> Option<JoinHandle<io::Result<Bytes>>> {
    let (source, start, end) = (Arc::clone(source), rest.start, rest.end.min(rest.start.saturating_add(PIECE)));
    (start < end).then(|| tokio::task::spawn_blocking(move || source.read(start, end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    /// Byte i of the object is i, and every read gives at most `most` bytes.
    struct Counting {
        most: u64,
    }

    impl ObjectSource for Counting {
        fn read(&self, offset: u64, end: u64) -> io::Result<Bytes> {
            Ok((offset..end.min(offset + self.most)).map(|i| i as u8).collect())
        }
    }

    async fn collect(body: &ObjectBody) -> (io::Result<Vec<u8>>, Arc<Progress>) {
        let progress = Progress::new();
        let mut stream = Box::pin(stream_of(body, &progress, &Arc::new(Throttle::new(None))));
        let mut bytes = Vec::new();
        while let Some(frame) = stream.next().await {
            match frame {
                Ok(frame) => {
                    assert!(!frame.is_empty() && frame.len() <= 64 << 10);
                    bytes.extend_from_slice(&frame);
                }
                Err(error) => return (Err(error), progress),
            }
        }
        (Ok(bytes), progress)
    }

    #[tokio::test]
    async fn a_range_of_a_source_is_sent_exactly() {
        for (most, range) in [(PIECE, 5..3 * PIECE + 7), (1000, 0..5000), (1 << 30, 10..11), (1, 0..3)] {
            let expected: Vec<u8> = range.clone().map(|i| i as u8).collect();
            let (bytes, progress) = collect(&ObjectBody::Source(Arc::new(Counting { most }), range)).await;
            assert!(bytes.unwrap() == expected && progress.is_sent());
        }
        let (bytes, _) = collect(&ObjectBody::Bytes(vec![7; 200_000].into())).await;
        assert_eq!(bytes.unwrap(), vec![7; 200_000]);
    }

    #[tokio::test]
    async fn a_source_that_makes_nothing_or_too_much_is_refused() {
        struct Wrong(usize);
        impl ObjectSource for Wrong {
            fn read(&self, _: u64, _: u64) -> io::Result<Bytes> {
                Ok(vec![0; self.0].into())
            }
        }
        for length in [0, 11] {
            let (bytes, progress) = collect(&ObjectBody::Source(Arc::new(Wrong(length)), 0..10)).await;
            assert!(bytes.is_err());
            assert!(progress.failure().unwrap().contains(&format!("made {length} bytes")));
        }
    }

    #[tokio::test]
    async fn a_source_that_panics_fails_the_put_alone() {
        struct Panics;
        impl ObjectSource for Panics {
            fn read(&self, _: u64, _: u64) -> io::Result<Bytes> {
                panic!("on purpose");
            }
        }
        assert!(collect(&ObjectBody::Source(Arc::new(Panics), 0..10)).await.0.is_err());
    }
}
