//! `doctor`.

use super::account::chosen_endpoint;
use super::args::Global;
use super::status::print;
use super::{End, Outcome, runtime};
use crate::app::{Check, Exit, Finding, Paths};

/// Exit 0 where nothing stands in the way of a mount.
pub(super) fn doctor(paths: &Paths, global: &Global) -> Outcome {
    let checks = runtime()?.block_on(crate::app::examine(paths, &chosen_endpoint(paths, global)));
    print(&checks.iter().map(line).collect::<String>());
    let bad = checks.iter().any(|check| matches!(check.finding, Finding::Bad { .. }));
    if bad { Err(End::Code(Exit::Other)) } else { Ok(()) }
}

fn line(Check { name, finding }: &Check) -> String {
    match finding {
        Finding::Good(what) => format!("ok    {name}: {what}\n"),
        Finding::Fair { what, remedy } => format!("note  {name}: {what}; {remedy}\n"),
        Finding::Bad { what, remedy } => format!("BAD   {name}: {what}; {remedy}\n"),
    }
}
