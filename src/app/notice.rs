//! Notices on the desktop, where a session bus is there; nobody waits for one, and nothing depends on it.

use std::collections::HashMap;
use zbus::blocking::Connection;
use zbus::zvariant::Value;

/// Stays until somebody has seen it.
const CRITICAL: u8 = 2;

/// The brake holds removals back (semantics 4.5).
///
/// # Errors
/// Where no desktop listens.
pub(super) fn removals_held() -> zbus::Result<()> {
    let text = "Many photos were being removed at once. Further removals are refused.\n\
                If that was meant, run: entefs allow-removals\nIf not: entefs undo";
    notify("Removals held back", text)
}

fn notify(title: &str, text: &str) -> zbus::Result<()> {
    let bus = Connection::session()?;
    let (replaces, icon, timeout) = (0_u32, "dialog-warning", -1_i32);
    let actions: [&str; 0] = [];
    let hints = HashMap::from([("urgency", Value::U8(CRITICAL))]);
    let call = ("entefs", replaces, icon, title, text, &actions[..], hints, timeout);
    let (name, path) = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications");
    bus.call_method(Some(name), path, Some(name), "Notify", &call).map(|_| ())
}
