//! Bars, on a terminal only.

use super::args::Global;
use crate::account::Derivation;
use crate::app::MountView;
use crate::base::sync::Mutex;
use crate::sync::PullProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// A bar on stderr, or none where nobody would see it.
pub(super) fn bar(global: &Global, length: u64, template: &str) -> ProgressBar {
    let shown = !global.quiet && std::io::stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    // The templates are literals of this program.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// A spinner with a message.
pub(super) fn spinner(global: &Global, message: &str) -> ProgressBar {
    let bar = bar(global, 0, "{spinner} {msg}");
    bar.set_message(message.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Shows that a password costs seconds.
pub(super) struct DerivationSpinner {
    global: Global,
    spinner: Mutex<Option<ProgressBar>>,
}

impl DerivationSpinner {
    pub(super) fn new(global: &Global) -> Self {
        Self { global: global.clone(), spinner: Mutex::default() }
    }

    pub(super) fn note(&self, step: Derivation) {
        let mut spinner = self.spinner.lock();
        match step {
            Derivation::Begun(limits) => {
                let message = format!("Deriving the key ({} MiB, some seconds)", limits.mem_limit >> 20);
                *spinner = Some(self::spinner(&self.global, &message));
            }
            Derivation::Lower | Derivation::Done => {
                if let Some(spinner) = spinner.take() {
                    spinner.finish_and_clear();
                }
            }
        }
    }
}

/// Told where the tree is usable.
type Ready = Box<dyn FnOnce(&Path) + Send>;

/// How a mount comes about, on a terminal.
pub(super) struct MountProgress {
    bar: ProgressBar,
    ready: Mutex<Option<Ready>>,
}

impl MountProgress {
    /// `ready` is told once when the tree is usable.
    pub(super) fn new(global: &Global, ready: impl FnOnce(&Path) + Send + 'static) -> Self {
        let template = "{spinner} Reading the account [{bar:30}] {pos} of {len} albums, {msg}";
        Self { bar: bar(global, 0, template), ready: Mutex::new(Some(Box::new(ready))) }
    }
}

impl MountView for MountProgress {
    fn pulling(&self, progress: PullProgress) {
        self.bar.set_length(progress.albums);
        self.bar.set_position(progress.albums_done);
        self.bar.set_message(format!("{} photos", progress.photos));
    }

    fn mounted(&self, dir: &Path) {
        self.bar.finish_and_clear();
        let ready = self.ready.lock().take();
        if let Some(ready) = ready {
            ready(dir);
        }
    }
}

/// Prints the line that scripts wait for.
pub(super) fn print_mounted(dir: &Path) {
    let mut out = std::io::stdout();
    // Nobody may read it.
    let _ = writeln!(out, "mounted on {}", dir.display()).and_then(|()| out.flush());
}
