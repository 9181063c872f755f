//! `status` as a page a person can read; also `STATUS.txt`.

use super::status::{HeldStatus, ParkedStatus, SessionWord, Status, TroubleStatus};
use crate::base::format_bytes;
use std::fmt::Write;

/// More of a kind than this are counted, not listed.
const LISTED: usize = 20;

/// The page. `rate`: bytes sent in a second, where somebody watches.
pub fn render_page(status: &Status, rate: Option<u64>) -> String {
    let mut page = String::new();
    let mut line = |label: &str, text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{label:<10} {text}");
    };
    line("Account", account_line(status));
    line("Mount", mount_line(status));
    line("Pull", pull_line(status));
    for (label, text) in upload_lines(status, rate) {
        line(label, text);
    }
    if let Some(text) = removals_line(status) {
        line("Removals", text);
    }
    line("Cache", format!("{} of {}", format_bytes(status.cache.bytes), format_bytes(status.cache.budget)));
    if status.storage.total > 0 {
        line("Storage", format!("{} of {}", format_bytes(status.storage.used), format_bytes(status.storage.total)));
    }
    for (count, what) in notes(status) {
        line("Note", format!("{count} {what}"));
    }
    parked_lines(&mut page, &status.parked);
    archive_lines(&mut page, status);
    trouble_lines(&mut page, &status.troubles);
    page
}

fn account_line(status: &Status) -> String {
    let account = &status.account;
    match account.session {
        SessionWord::Ok => format!("{} at {}", account.email, account.endpoint),
        SessionWord::Expired => {
            format!("{} at {}: the session has expired; run `entefs login {0}`", account.email, account.endpoint)
        }
        SessionWord::None => "nobody is logged in; run `entefs login`".into(),
    }
}

fn mount_line(status: &Status) -> String {
    match &status.mount {
        Some(mount) => format!("{} (process {}, since {})", mount.dir, mount.pid, mount.since),
        None => "not mounted".into(),
    }
}

fn pull_line(status: &Status) -> String {
    let pull = &status.pull;
    let last = pull.last.as_deref().unwrap_or("never");
    let known = format!("{} photos in {} albums, last asked {last}", pull.photos, pull.albums);
    match &pull.error {
        Some(error) => format!("{known}; the last try failed: {error}"),
        None => known,
    }
}

fn upload_lines(status: &Status, rate: Option<u64>) -> Vec<(&'static str, String)> {
    let uploads = &status.uploads;
    let mut lines = Vec::new();
    for (files, bytes, what) in [
        (uploads.writing.files, uploads.writing.bytes, "being written"),
        (uploads.settling.files, uploads.settling.bytes, "settling"),
        (uploads.waiting.files, uploads.waiting.bytes, "waiting"),
        (uploads.parked.files, uploads.parked.bytes, "parked: see below"),
        (uploads.local_only.files, uploads.local_only.bytes, "stay on this machine (no media, temporary or empty)"),
    ] {
        if files > 0 {
            lines.push(("Uploads", format!("{files} {what}, {}", format_bytes(bytes))));
        }
    }
    let uploading = uploads.uploading;
    if uploading.files > 0 {
        let sent = format!("{} of {} sent", format_bytes(uploading.sent), format_bytes(uploading.bytes));
        lines.push(("Uploads", format!("{} on their way, {sent}{}", uploading.files, pace(status, rate))));
    }
    if let Some(text) = held_line(status) {
        lines.push(("Uploads", text));
    }
    if lines.is_empty() {
        lines.push(("Uploads", "nothing waits".into()));
    }
    if status.pending_changes > 0 {
        lines.push(("Changes", format!("{} not told to Ente yet", status.pending_changes)));
    }
    lines.push(("Sent", format!("{} uploaded, {} known already", uploads.uploaded_total, uploads.linked_total)));
    lines
}

fn removals_line(status: &Status) -> Option<String> {
    let removals = &status.removals;
    if let Some(until) = &removals.allowed_until {
        return Some(format!("not counted until {until}"));
    }
    let since = removals.held_since.as_ref()?;
    Some(format!(
        "refused since {since}: too many at once. `entefs allow-removals` if that was meant, `entefs undo` if not"
    ))
}

/// Why nothing is sent.
fn held_line(status: &Status) -> Option<String> {
    let until = |held: &HeldStatus| held.until.as_ref().map_or(String::new(), |until| format!(" until {until}"));
    match &status.held {
        Some(held) if held.reason == "schedule" => Some(format!("wait for the schedule{}", until(held))),
        Some(held) if held.reason == "metered" => {
            Some("wait while the network is metered; mount with metered=ignore to send all the same".into())
        }
        Some(held) if held.reason == "offline" => Some(format!(
            "Ente does not answer{}",
            held.until.as_ref().map_or(String::new(), |at| format!("; tried again at {at}"))
        )),
        Some(held) if held.reason == "paused" => Some(format!("paused{}; `entefs resume` goes on", until(held))),
        _ if status.uploads.paused => Some("paused; `entefs resume` goes on".into()),
        _ => None,
    }
}

fn pace(status: &Status, rate: Option<u64>) -> String {
    let Some(rate) = rate.filter(|rate| *rate > 0) else { return String::new() };
    let uploads = &status.uploads;
    let bytes = uploads.settling.bytes + uploads.waiting.bytes + uploads.uploading.bytes - uploads.uploading.sent;
    let left = bytes.div_ceil(rate);
    format!(", {}/s, {}:{:02} left", format_bytes(rate), left / 60, left % 60)
}

fn notes(status: &Status) -> Vec<(u64, &'static str)> {
    let all = [
        (status.not_shown, "live photos are not shown: their halves cannot be told apart"),
        (status.stand_in_thumbnails, "photos and videos have a black stand-in as thumbnail; `entefs doctor` says why"),
        (status.previous_versions, "earlier versions are kept in Uncategorized"),
        (status.unreadable_records, "records of the account cannot be opened"),
        (status.bad_chunks.len() as u64, "times bytes from Ente did not verify"),
    ];
    all.into_iter().filter(|(count, _)| *count > 0).collect()
}

fn parked_lines(page: &mut String, parked: &[ParkedStatus]) {
    if parked.is_empty() {
        return;
    }
    let _ = writeln!(page, "\nParked: these bytes are kept here and are not in Ente");
    for item in parked.iter().take(LISTED) {
        let _ = writeln!(page, "  {} ({}, {})", item.path, item.reason, format_bytes(item.bytes));
        if !item.detail.is_empty() {
            let _ = writeln!(page, "    {}", item.detail);
        }
        let _ = writeln!(page, "    {}", item.remedy);
    }
    if parked.len() > LISTED {
        let _ = writeln!(page, "  and {} more; `entefs status --json` has all", parked.len() - LISTED);
    }
}

fn archive_lines(page: &mut String, status: &Status) {
    if status.archives.is_empty() {
        return;
    }
    let _ = writeln!(page, "\nArchives: they stay on this machine; `entefs import PATH` hands over what is in them");
    for path in status.archives.iter().take(LISTED) {
        let _ = writeln!(page, "  {path}");
    }
    if status.archives.len() > LISTED {
        let _ = writeln!(page, "  and {} more; `entefs status --json` has all", status.archives.len() - LISTED);
    }
}

fn trouble_lines(page: &mut String, troubles: &[TroubleStatus]) {
    if troubles.is_empty() {
        return;
    }
    let _ = writeln!(page, "\nTroubles, the latest first");
    for trouble in troubles.iter().take(LISTED) {
        let _ = writeln!(page, "  {}  {}", trouble.at, trouble.text);
    }
    if troubles.len() > LISTED {
        let _ = writeln!(page, "  and {} more; .entefs/errors.txt has all", troubles.len() - LISTED);
    }
}
