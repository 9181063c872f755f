//! Logs on stderr: readable on a terminal, with priorities for journald.

use super::args::{Command, Global};
use super::terminal;
use std::fmt;
use std::io;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. A mount says what happens; other commands say what goes wrong.
pub(super) fn start(global: &Global, command: &Command) {
    let own = match (global.quiet, global.verbose, command) {
        (true, ..) => LevelFilter::ERROR,
        (_, 0, Command::Mount(_) | Command::MountHelper(_) | Command::Serve(_)) => LevelFilter::INFO,
        (_, 0, _) => LevelFilter::WARN,
        (_, 1, _) => LevelFilter::INFO,
        (_, 2, _) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Others' lower levels can show presigned URLs, which are as good as keys.
    // fuser warns of every call that is refused on purpose.
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("fuser", LevelFilter::ERROR);
    let filter = filter.with_target("entefs", own);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // Somebody else's subscriber in this process is as good.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() {
        registry.with(layer.event_format(Journal).with_ansi(false)).try_init()
    } else {
        registry.with(layer.with_ansi(terminal::has_colours(&io::stderr())).with_target(false)).try_init()
    };
}

/// `<6>message`: journald has the time and the unit.
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        Format::default().without_time().with_level(false).with_target(false).format_event(context, writer, event)
    }
}
