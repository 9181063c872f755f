//! Transport faults against a server that answers wrongly on purpose.

mod api;
mod get;
mod limits;
mod login;
mod put;
mod server;
mod tls;

use super::*;
use server::Server;
use std::time::Duration;

/// A remote with short waits against `server`.
fn remote(server: &Server) -> HttpRemote {
    HttpRemote::new(options(&server.origin)).expect("a loopback address is usable")
}

fn options(endpoint: &str) -> HttpOptions {
    let millis = Duration::from_millis;
    let timeouts = Timeouts {
        connect: millis(1000),
        headers: millis(400),
        stall: millis(250),
        stored: millis(600),
        repeat: millis(20),
    };
    HttpOptions { timeouts, ..HttpOptions::new(endpoint, TokenCell::new("token-of-the-session=")) }
}

/// Bytes that no repetition hides.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}
