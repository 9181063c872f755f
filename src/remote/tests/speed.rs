//! Figures, not checks: run with `cargo test --release --lib remote::tests::speed -- --ignored --nocapture`.

use super::*;
use crate::base::FileId;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

const CHUNK: u64 = (4 << 20) + 17;

/// A storage that is as fast as loopback: a thread per connection, one buffer for all.
fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let object: Arc<[u8]> = noise(CHUNK as usize).into();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let object = Arc::clone(&object);
            std::thread::spawn(move || serve(stream, &object, address));
        }
    });
    address
}

fn serve(mut stream: TcpStream, object: &[u8], address: SocketAddr) -> Option<()> {
    let mut request = vec![0; 8192];
    loop {
        let mut filled = 0;
        while !request[..filled].ends_with(b"\r\n\r\n") {
            filled += stream.read(&mut request[filled..]).ok().filter(|n| *n > 0)?;
        }
        let text = std::str::from_utf8(&request[..filled]).ok()?;
        if text.starts_with("GET /files/download/") {
            let place = format!("HTTP/1.1 307 x\r\nLocation: http://{address}/object\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(place.as_bytes()).ok()?;
            continue;
        }
        let range = text.split("bytes=").nth(1)?.split('\r').next()?;
        let (length, total) = (object.len(), 100 * CHUNK);
        let head =
            format!("HTTP/1.1 206 x\r\nContent-Length: {length}\r\nContent-Range: bytes {range}/{total}\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(object).ok()?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a figure"]
async fn ranges_of_a_chunk_with_several_in_flight() {
    let remote = Arc::new(HttpRemote::new(options(&format!("http://{}", start()))).expect("a loopback address"));
    for in_flight in [1, 2, 4, 8] {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| {
                let remote = Arc::clone(&remote);
                tokio::spawn(async move {
                    let mut buffer = Vec::with_capacity(CHUNK as usize);
                    for i in 0..400 / in_flight {
                        buffer.clear();
                        let at = i % 100 * CHUNK;
                        remote.fetch_range(FileId(1), at..at + CHUNK, &mut buffer).await.expect("it is there");
                    }
                    assert_eq!(buffer.capacity(), CHUNK as usize, "the caller's buffer, never grown");
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!("{in_flight} in flight: {:.0} MB/s", (400 * CHUNK) as f64 / 1e6 / seconds);
    }
}
