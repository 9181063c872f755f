//! `serve`: the embedded server alone.

use super::args::{LimitsWord, ServeArgs};
use super::{Outcome, runtime};
use crate::app::{Exit, Failure, ServePlan};
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};

pub(super) fn serve(args: &ServeArgs) -> Outcome {
    let plan = ServePlan {
        data: args.data.clone(),
        listen: address(args)?,
        code: args.code.clone(),
        quota: args.quota,
        durable: args.durable,
        throttled: args.limits == LimitsWord::Museum,
    };
    runtime()?.block_on(crate::app::serve(plan, |address| {
        let mut out = std::io::stdout();
        // Whoever reads it may be gone; the server serves others all the same.
        let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
    }))?;
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
