//! `serve`: the embedded server alone.

use super::args::{LimitsWord, ServeArgs};
use super::{Outcome, runtime};
use crate::app::{Exit, Failure};
use crate::embedded::{Limits, Server, ServerOptions};
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn serve(args: &ServeArgs) -> Outcome {
    let listen = address(args)?;
    runtime()?.block_on(run(args, listen))?;
    Ok(())
}

fn address(args: &ServeArgs) -> Result<SocketAddr, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::new(Exit::Usage, "--listen", why, "give it like 127.0.0.1:0");
    let mut addresses = args.listen.to_socket_addrs().map_err(|error| wrong(&error))?;
    let address = addresses.next().ok_or_else(|| wrong(&"it names no address"))?;
    if address.ip().is_loopback() || args.expose {
        return Ok(address);
    }
    let why = "others could reach that address, and its traffic is not encrypted";
    Err(Failure::new(Exit::Usage, "--listen", why, "give a loopback address, or --expose if that is meant"))
}

async fn run(args: &ServeArgs, listen: SocketAddr) -> Result<(), Failure> {
    let options = ServerOptions {
        listen,
        code: args.code.clone(),
        report_code: Arc::new(|email, code| {
            // Where stderr is gone, nobody can log in.
            let _ = writeln!(std::io::stderr(), "code for {email}: {code}");
        }),
        quota: args.quota,
        limits: match args.limits {
            LimitsWord::Off => Limits::Off,
            LimitsWord::Museum => Limits::Museum,
        },
        durable: true,
        ..ServerOptions::new(&args.data)
    };
    let failed = |why: &dyn std::fmt::Display| Failure::new(Exit::Other, "serve", why, "check the directory and the address");
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return Err(failed(&"signals cannot be caught"));
    };
    let server = Server::start(options).await.map_err(|error| failed(&error))?;
    let mut out = std::io::stdout();
    let said = writeln!(out, "listening on {}", server.base_url()).and_then(|()| out.flush());
    said.map_err(|error| failed(&error))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}
