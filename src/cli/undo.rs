//! When too much was removed: `allow-removals`, `undo` (semantics 4.5).

use super::args::{AllowRemovalsArgs, UndoArgs};
use super::local::Local;
use super::queue::ask_or_write;
use super::status::print;
use super::{Outcome, mount};
use crate::app::{Exit, Failure, Paths};
use crate::base::calendar::parse_moment;
use crate::base::{Clock, SystemClock, Timestamp};
use crate::control::{ClientError, Reply, Request};
use crate::namespace::{self, UndoContext, UndoReach, Undone, preview_undo};
use std::fmt::Write;

pub(super) fn allow_removals(paths: &Paths, args: &AllowRemovalsArgs) -> Outcome {
    let until = SystemClock.now().saturating_add(args.time);
    let offline = |local: &Local| {
        let allowed = local.store().write(|tx| tx.allow_removals(until));
        allowed.map_err(|error| Failure::store("allow-removals", &error))
    };
    Ok(ask_or_write(paths, "allow-removals", &Request::AllowRemovals { until: until.0 }, offline).map(|_| ())?)
}

pub(super) fn undo(paths: &Paths, args: &UndoArgs) -> Outcome {
    let since = args.since.as_deref().map(|text| parse_moment(text, SystemClock.now())).transpose();
    let since = since.map_err(|why| Failure::new(Exit::Usage, "undo", why, "see `entefs undo --help`"))?;
    let request = Request::Undo { since: since.map(|since| since.0), dry_run: args.dry_run };
    let mut undone = Undone::default();
    let reply = ask_or_write(paths, "undo", &request, |local| {
        undone = undo_unmounted(paths, local, since, args.dry_run)?;
        Ok(())
    })?;
    match reply {
        Some(Reply::Undone(told)) => undone = told,
        Some(_) => return Err(Failure::client("undo", &ClientError::Malformed).into()),
        None => {}
    }
    print(&describe(&undone, args.dry_run));
    Ok(())
}

/// In what the mount left: Ente is told at the next one.
fn undo_unmounted(paths: &Paths, local: &Local, since: Option<Timestamp>, dry_run: bool) -> Result<Undone, Failure> {
    let configured = mount::configured(paths)?;
    let reach = since.map_or(UndoReach::LatestRun, UndoReach::Since);
    let context =
        UndoContext { rules: &configured.drops, now: SystemClock.now_nanos(), settle: configured.options.settle };
    let namespace = local.namespace();
    let outcome =
        if dry_run { preview_undo(&namespace, reach, &context) } else { namespace::undo(&namespace, reach, &context) };
    outcome.map_err(|error| Failure::store("undo", &error))
}

fn describe(undone: &Undone, dry_run: bool) -> String {
    if undone.is_empty() {
        return "Nothing to take back.\n".into();
    }
    let mut text = String::new();
    for (what, count) in &undone.done {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{count:>6}  {what}", if dry_run { "would be: " } else { "" });
    }
    for (what, count) in &undone.left_out {
        let _ = writeln!(text, "not taken back: {count:>6}  {what}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_is_said_line_by_line() {
        assert_eq!(describe(&Undone::default(), false), "Nothing to take back.\n");
        let undone = Undone {
            done: [("photos back in 'Crete'".to_owned(), 12)].into(),
            left_out: [("files whose bytes were not kept".to_owned(), 1)].into(),
        };
        let told = "    12  photos back in 'Crete'\nnot taken back:      1  files whose bytes were not kept\n";
        assert_eq!(describe(&undone, false), told);
        assert!(describe(&undone, true).starts_with("would be:     12  photos"));
    }
}
