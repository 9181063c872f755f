//! A server that does what a script says, down to the bytes: it answers wrongly on purpose.

use crate::base::sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// From 0, over all connections.
    pub number: usize,
    pub method: String,
    /// With the query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Where the server listens: `http://127.0.0.1:port`.
    pub origin: String,
}

impl Request {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// `Range: bytes=a-b` as a half-open range.
    pub fn range(&self) -> Option<std::ops::Range<usize>> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some(first.parse().ok()?..last.parse::<usize>().ok()? + 1)
    }
}

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    /// A TCP reset, with whatever is unread thrown away.
    Reset,
    /// An orderly end of the connection.
    Close,
}

/// What to do about a request.
#[derive(Clone, Debug)]
pub struct Reply {
    acts: Vec<Act>,
}

impl Reply {
    pub fn acts(acts: impl IntoIterator<Item = Act>) -> Self {
        Self { acts: acts.into_iter().collect() }
    }

    pub fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        Self::acts([Act::Send(head(status, headers, body.len())), Act::Send(body.to_vec())])
    }

    pub fn json(status: u16, body: &str) -> Self {
        Self::new(status, &[("Content-Type", "application/json")], body)
    }

    pub fn redirect(to: &str) -> Self {
        Self::new(307, &[("Location", to)], "<a href>Temporary Redirect</a>")
    }

    /// The range of an object as a storage gives it.
    pub fn ranged(request: &Request, object: &[u8]) -> Self {
        let Some(range) = request.range() else { return Self::new(200, &[], object) };
        if range.start >= object.len() {
            return Self::new(416, &[], "<Error><Code>InvalidRange</Code></Error>");
        }
        let end = range.end.min(object.len());
        let place = format!("bytes {}-{}/{}", range.start, end - 1, object.len());
        Self::new(206, &[("Content-Range", &place)], &object[range.start..end])
    }

    pub fn then(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }
}

/// A response head that announces `length` bytes.
pub fn head(status: u16, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;
type EarlyScript = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

/// Listens on a port of its own until it is dropped.
pub struct Server {
    pub origin: String,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl Server {
    pub async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_early(|_| None, script).await
    }

    /// `early` may answer before the body is read, which then never is.
    pub async fn start_early(
        early: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let origin = format!("http://{}", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (early, script): (Arc<EarlyScript>, Arc<Script>) = (Arc::new(early), Arc::new(script));
        let (seen, base) = (Arc::clone(&requests), origin.clone());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                accepted.fetch_add(1, Ordering::Relaxed);
                let (early, script) = (Arc::clone(&early), Arc::clone(&script));
                let (seen, base) = (Arc::clone(&seen), base.clone());
                tokio::spawn(async move {
                    let mut connection = Connection { stream, buffer: Vec::new(), early, script, seen, base };
                    while connection.serve().await.is_some() {}
                });
            }
        });
        Self { origin, requests, connections, listening }
    }

    /// All requests so far, in the order in which their heads (or bodies, where these were read) came.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many requests went to a path.
    pub fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.path() == path).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    early: Arc<EarlyScript>,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Request>>>,
    base: String,
}

impl Connection {
    /// One request and its answer; `None` once the connection is over.
    async fn serve(&mut self) -> Option<()> {
        let mut request = self.read_head().await?;
        let number = {
            let mut seen = self.seen.lock();
            seen.push(request.clone());
            seen.len() - 1
        };
        request.number = number;
        if let Some(reply) = (self.early)(&request) {
            return self.play(reply).await;
        }
        request.body = self.read_body(&request).await?;
        self.seen.lock()[number] = request.clone();
        let reply = (self.script)(&request);
        self.play(reply).await
    }

    async fn read_head(&mut self) -> Option<Request> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let text = String::from_utf8(self.buffer.drain(..end + 4).collect()).ok()?;
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Request { method, target, headers, origin: self.base.clone(), ..Request::default() })
    }

    async fn read_body(&mut self, request: &Request) -> Option<Vec<u8>> {
        let length: usize = request.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn fill(&mut self) -> Option<()> {
        let n = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (n > 0).then_some(())
    }

    async fn play(&mut self, reply: Reply) -> Option<()> {
        for act in reply.acts {
            match act {
                Act::Send(bytes) => self.stream.write_all(&bytes).await.ok()?,
                Act::Wait(time) => tokio::time::sleep(time).await,
                Act::Close => return None,
                Act::Reset => {
                    let _ = self.stream.set_zero_linger();
                    return None;
                }
            }
        }
        Some(())
    }
}
