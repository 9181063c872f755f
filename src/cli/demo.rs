//! `demo`.

use super::args::{DemoArgs, Global};
use super::progress::{DerivationSpinner, MountProgress, print_mounted};
use super::{Outcome, runtime};
use crate::account::Derivation;
use crate::app::{DemoView, MountView};
use crate::sync::PullProgress;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn demo(global: &Global, args: &DemoArgs) -> Outcome {
    let view =
        DemoProgress { derivation: DerivationSpinner::new(global), mount: MountProgress::new(global, say_ready) };
    let runtime = runtime()?;
    let ended = runtime.block_on(crate::app::demo(args.dir.clone(), Arc::new(view)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ended?)
}

struct DemoProgress {
    derivation: DerivationSpinner,
    mount: MountProgress,
}

impl MountView for DemoProgress {
    fn pulling(&self, progress: PullProgress) {
        self.mount.pulling(progress);
    }

    fn mounted(&self, dir: &Path) {
        self.mount.mounted(dir);
    }
}

impl DemoView for DemoProgress {
    fn deriving(&self, step: Derivation) {
        self.derivation.note(step);
    }
}

fn say_ready(dir: &Path) {
    print_mounted(dir);
    let shown = dir.display();
    // Nobody may read it.
    let _ = write!(
        std::io::stdout(),
        "copy photos into {shown}/Drop\n\
         \n\
         This is an account of its own on a server of its own; nothing leaves this machine.\n\
         Some photos are on their way into it already. In another terminal, try:\n\
         \n\
         \x20 cat {shown}/STATUS.txt                  what is in Ente, what is still on its way\n\
         \x20 ls -l {shown}/Albums/Holiday            photos, read back from the server\n\
         \x20 cp -r ~/Pictures/. {shown}/Drop/        each folder becomes an album\n\
         \x20 rm {shown}/Albums/Home/*                nothing is destroyed: it is in Uncategorized\n\
         \n\
         Ctrl-C ends it and removes everything it made.\n"
    );
}
