//! The server under test, and what only its owner can do.

use crate::client::Client;
use crate::people::Account;
use entefs::embedded::{Server, ServerOptions};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

pub struct World {
    pub base: String,
    /// What follows the `@`-less part of made-up addresses.
    pub suffix: String,
    /// The e-mail code of those addresses.
    pub code: String,
    /// The embedded server, if that is the one under test.
    pub server: Option<Server>,
    admin_token: Option<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let suffix = variable("ENTEFS_TEST_OTT_SUFFIX", "@example.org");
    let code = variable("ENTEFS_TEST_OTT", "123456");
    let admin_token = std::env::var("ENTEFS_TEST_ADMIN_TOKEN").ok();
    match std::env::var("ENTEFS_TEST_ENDPOINT") {
        Ok(base) => World { base: base.trim_end_matches('/').to_owned(), suffix, code, server: None, admin_token },
        Err(_) => {
            let server = start_embedded(code.clone());
            World { base: server.base_url().to_owned(), suffix, code, server: Some(server), admin_token }
        }
    }
});

pub fn world() -> &'static World {
    &WORLD
}

/// The embedded server; `None`, said aloud, where another one is under test.
pub fn embedded(why: &str) -> Option<&'static Server> {
    let server = world().server.as_ref();
    if server.is_none() {
        eprintln!("left out: {why} needs the embedded server");
    }
    server
}

/// Whether what takes minutes on a real server may run.
pub fn may_take_long(what: &str) -> bool {
    let may = world().server.is_some() || std::env::var_os("ENTEFS_TEST_LONG").is_some();
    if !may {
        eprintln!("left out: {what} takes minutes on this server; set ENTEFS_TEST_LONG to run it");
    }
    may
}

/// Sets an account's plan, where that can be done here. Answers whether it was.
pub async fn set_plan(account: &Account, bytes: u64, is_expired: bool) -> bool {
    if let Some(server) = &world().server {
        server.set_quota(&account.email, bytes).expect("the account exists");
        server.set_plan_expired(&account.email, is_expired).expect("the account exists");
        return true;
    }
    let Some(token) = &world().admin_token else {
        eprintln!("left out: plans need ENTEFS_TEST_ADMIN_TOKEN");
        return false;
    };
    let expiry: i64 = if is_expired { 1 } else { 4_000_000_000_000_000 };
    let request = json!({
        "userID": account.id, "storage": bytes, "expiryTime": expiry, "productID": "free",
        "transactionID": format!("contract-{}", account.id), "paymentProvider": "", "attributes": {},
    });
    Client::new().with_token(token).put("/admin/user/subscription", &request).await.ok();
    true
}

/// Runs on a thread and a runtime of its own for as long as the tests do.
fn start_embedded(code: String) -> Server {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("threads can be started").block_on(async move {
            let options = ServerOptions { code: Some(code), ..ServerOptions::new(fresh_directory()) };
            let server = Server::start(options).await.expect("the embedded server starts");
            send.send(server).expect("the test waits");
            std::future::pending::<()>().await;
        });
    });
    receive.recv_timeout(Duration::from_secs(30)).expect("the embedded server starts")
}

/// A new directory below the build's; what runs that are over have left goes.
pub fn fresh_directory() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let is_over = |name: &str| {
        let pid = name.strip_prefix("contract-").and_then(|rest| rest.split('-').next());
        pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    };
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if is_over(&entry.file_name().to_string_lossy()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let unique: [u8; 4] = entefs::crypto::random();
    root.join(format!("contract-{}-{}", std::process::id(), u32::from_le_bytes(unique)))
}
