//! The embedded server alone.

use super::failure::{Exit, Failure};
use crate::embedded::{Limits, Server, ServerOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// What is served, and where.
pub struct ServePlan {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// The e-mail code of every address; without it each is made up and printed on stderr.
    pub code: Option<String>,
    /// Bytes a new account may store.
    pub quota: u64,
    /// Whether calls are throttled as Ente's own server does.
    pub throttled: bool,
    /// Whether what was answered survives a power cut, not only this process.
    pub durable: bool,
}

/// Serves until a signal asks it to stop. `listening` is told the address.
///
/// # Errors
/// [`Failure`] where the directory or the address cannot be used.
pub async fn serve(plan: ServePlan, listening: impl FnOnce(&str)) -> Result<(), Failure> {
    let options = ServerOptions {
        listen: plan.listen,
        code: plan.code,
        report_code: Arc::new(|email, code| {
            // Where stderr is gone, nobody can log in.
            let _ = writeln!(std::io::stderr(), "code for {email}: {code}");
        }),
        quota: plan.quota,
        limits: if plan.throttled { Limits::Museum } else { Limits::Off },
        durable: plan.durable,
        ..ServerOptions::new(plan.data)
    };
    let failed =
        |why: &dyn std::fmt::Display| Failure::new(Exit::Other, "serve", why, "check the directory and the address");
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return Err(failed(&"signals cannot be caught"));
    };
    let server = Server::start(options).await.map_err(|error| failed(&error))?;
    listening(server.base_url());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}
