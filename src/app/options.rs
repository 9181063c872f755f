//! The mount options: the same words after `-o`, in `[mount]` of the config file and in fstab (command-line
//! contract, 3). One table names them all.

use crate::base::{DailySpan, parse_duration, parse_size};
use crate::tree::{Previews, RemovalLimit};
use std::time::Duration;
use thiserror::Error;

/// Why an option cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum OptionError {
    #[error("unknown mount option '{0}'; `entefs mount --help` lists them")]
    Unknown(String),
    #[error("mount option '{word}': {detail}")]
    Value { word: String, detail: String },
}

/// What a mount is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountOptions {
    pub settle: Duration,
    pub poll: Duration,
    /// Bytes.
    pub cache_size: u64,
    pub read_timeout: Duration,
    pub allow_other: bool,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub umask: Option<u32>,
    pub read_only: bool,
    /// How many removals are too many at once.
    pub removal_limit: RemovalLimit,
    /// What thumbnailers and indexers may read.
    pub previews: Previews,
    /// `Hidden/` is there.
    pub show_hidden: bool,
    /// Removing in `Uncategorized/`, and moving into `Trash/`, reach Ente's trash.
    pub allow_trash: bool,
    /// Uploads at once.
    pub uploads: usize,
    /// Bytes a second that uploads, downloads may take.
    pub upload_limit: Option<u64>,
    pub download_limit: Option<u64>,
    /// When uploads may go.
    pub schedule: Option<DailySpan>,
    /// Uploads wait while the network costs by the byte.
    pub metered_pause: bool,
    /// Bytes left free on the staging disk; without it the smaller of 512 MiB and 5 %.
    pub reserve: Option<u64>,
    /// Words of mount(8) that the kernel knows.
    pub kernel: Vec<String>,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(10),
            poll: Duration::from_secs(60),
            cache_size: 10 << 30,
            read_timeout: Duration::from_secs(30),
            allow_other: false,
            uid: None,
            gid: None,
            umask: None,
            read_only: false,
            removal_limit: RemovalLimit::Auto,
            previews: Previews::Off,
            show_hidden: false,
            allow_trash: false,
            uploads: 4,
            upload_limit: None,
            download_limit: None,
            schedule: None,
            metered_pause: true,
            reserve: None,
            kernel: Vec::new(),
        }
    }
}

type Apply = fn(&mut MountOptions, &str) -> Result<(), String>;

/// One option: its word, its value as help shows it (empty for a switch), what it does, how it is read.
struct OptionRow {
    word: &'static str,
    default: &'static str,
    help: &'static str,
    apply: Apply,
}

const ROWS: &[OptionRow] = &[
    OptionRow {
        word: "settle",
        default: "10s",
        help: "a file is sent when it has stayed as it is for so long",
        apply: |options, text| parse_duration(text).map(|time| options.settle = time),
    },
    OptionRow {
        word: "poll",
        default: "60s",
        help: "how often to ask Ente for changes",
        apply: |options, text| parse_positive_duration(text).map(|time| options.poll = time),
    },
    OptionRow {
        word: "cache_size",
        default: "10G",
        help: "disk that photos read back may take",
        apply: |options, text| parse_size(text).map(|bytes| options.cache_size = bytes),
    },
    OptionRow {
        word: "read_timeout",
        default: "30s",
        help: "a read that makes no progress for so long fails",
        apply: |options, text| parse_positive_duration(text).map(|time| options.read_timeout = time),
    },
    OptionRow {
        word: "allow_other",
        default: "",
        help: "other users may look in; the modes decide what they may do",
        apply: |options, text| switch(text).map(|on| options.allow_other = on),
    },
    OptionRow {
        word: "uid",
        default: "=",
        help: "whose everything is, without it the mounting user's",
        apply: |options, text| parse_number(text, 10).map(|uid| options.uid = Some(uid)),
    },
    OptionRow {
        word: "gid",
        default: "=",
        help: "which group everything has",
        apply: |options, text| parse_number(text, 10).map(|gid| options.gid = Some(gid)),
    },
    OptionRow {
        word: "umask",
        default: "=",
        help: "permission bits to take away, in octal",
        apply: |options, text| parse_number(text, 8).map(|umask| options.umask = Some(umask & 0o777)),
    },
    OptionRow {
        word: "ro",
        default: "",
        help: "nothing can be written",
        apply: |options, text| switch(text).map(|on| options.read_only = on),
    },
    OptionRow {
        word: "removal_limit",
        default: "auto",
        help: "more removals at once are held back: auto, a number in 10m, N/TIME, or off",
        apply: |options, text| parse_removal_limit(text).map(|limit| options.removal_limit = limit),
    },
    OptionRow {
        word: "previews",
        default: "off",
        help: "thumbnailers and indexers read what is cached (off), or all originals (originals)",
        apply: |options, text| parse_previews(text).map(|previews| options.previews = previews),
    },
    OptionRow {
        word: "show_hidden",
        default: "",
        help: "hidden albums are there, in Hidden/",
        apply: |options, text| switch(text).map(|on| options.show_hidden = on),
    },
    OptionRow {
        word: "allow_trash",
        default: "",
        help: "rm in Uncategorized/ and mv into Trash/ move photos to Ente's trash",
        apply: |options, text| switch(text).map(|on| options.allow_trash = on),
    },
    OptionRow {
        word: "uploads",
        default: "4",
        help: "files sent at once",
        apply: |options, text| match parse_number(text, 10)? {
            uploads @ 1..=32 => {
                options.uploads = uploads as usize;
                Ok(())
            }
            other => Err(format!("{other} is not between 1 and 32")),
        },
    },
    OptionRow {
        word: "upload_limit",
        default: "=",
        help: "bytes a second that uploads may take, like 500K or 2M; 0 for no limit",
        apply: |options, text| parse_rate(text).map(|rate| options.upload_limit = rate),
    },
    OptionRow {
        word: "download_limit",
        default: "=",
        help: "bytes a second that downloads may take",
        apply: |options, text| parse_rate(text).map(|rate| options.download_limit = rate),
    },
    OptionRow {
        word: "schedule",
        default: "=",
        help: "uploads go in this span of the day only, like 22:00-06:00",
        apply: |options, text| DailySpan::parse(text).map(|span| options.schedule = Some(span)),
    },
    OptionRow {
        word: "metered",
        default: "pause",
        help: "on a metered network uploads wait (pause), or not (ignore)",
        apply: |options, text| {
            options.metered_pause = match text {
                "pause" => true,
                "ignore" => false,
                other => return Err(format!("'{other}' is neither pause nor ignore")),
            };
            Ok(())
        },
    },
    OptionRow {
        word: "reserve",
        default: "=",
        help: "disk to leave free where files wait; without it the smaller of 512M and 5 %",
        apply: |options, text| parse_size(text).map(|bytes| options.reserve = Some(bytes)),
    },
];

/// Words of mount(8) that mean something to the kernel.
const KERNEL_WORDS: [&str; 7] = ["nodev", "noexec", "nosuid", "noatime", "sync", "async", "dirsync"];
/// Words of mount(8) and fstab that are somebody else's business.
const IGNORED_WORDS: [&str; 16] = [
    "rw",
    "dev",
    "exec",
    "suid",
    "atime",
    "relatime",
    "norelatime",
    "defaults",
    "auto",
    "noauto",
    "user",
    "users",
    "nouser",
    "owner",
    "nofail",
    "_netdev",
];

impl MountOptions {
    /// Takes one word as `-o` has it: `word` or `word=value`.
    ///
    /// # Errors
    /// [`OptionError`], which names the word.
    pub fn apply(&mut self, text: &str) -> Result<(), OptionError> {
        let (word, value) = text.split_once('=').unwrap_or((text, ""));
        if let Some(row) = ROWS.iter().find(|row| row.word == word) {
            return (row.apply)(self, value).map_err(|detail| OptionError::Value { word: word.into(), detail });
        }
        if KERNEL_WORDS.contains(&text) {
            self.kernel.push(text.into());
            return Ok(());
        }
        let ignored = IGNORED_WORDS.contains(&text) || word.starts_with("x-") || word == "comment";
        if ignored { Ok(()) } else { Err(OptionError::Unknown(word.into())) }
    }

    /// Takes a comma-separated list, as `-o` does.
    ///
    /// # Errors
    /// The first [`OptionError`].
    pub fn apply_list(&mut self, list: &str) -> Result<(), OptionError> {
        list.split(',').filter(|text| !text.is_empty()).try_for_each(|text| self.apply(text))
    }

    /// The options with their defaults, for `mount --help`.
    pub fn help() -> String {
        let line = |row: &OptionRow| {
            let form = match row.default {
                "" => row.word.to_owned(),
                "=" => format!("{}=", row.word),
                default => format!("{}={default}", row.word),
            };
            format!("  {form:<18} {}", row.help)
        };
        let lines: Vec<String> = ROWS.iter().map(line).collect();
        format!("Options of -o, also keys of [mount] in the config file, with their defaults:\n{}", lines.join("\n"))
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("'{other}' is neither true nor false")),
    }
}

fn parse_previews(text: &str) -> Result<Previews, String> {
    match text {
        "off" => Ok(Previews::Off),
        "originals" => Ok(Previews::Originals),
        other => Err(format!("'{other}' is neither off nor originals")),
    }
}

/// `auto`, `off`, `N` in ten minutes, or `N/10m`.
fn parse_removal_limit(text: &str) -> Result<RemovalLimit, String> {
    match text {
        "auto" => return Ok(RemovalLimit::Auto),
        "off" => return Ok(RemovalLimit::Off),
        _ => {}
    }
    let (removals, within) = text.split_once('/').map_or((text, None), |(removals, within)| (removals, Some(within)));
    let removals = removals.parse().map_err(|_| format!("'{text}' is none of auto, off, N and N/10m"))?;
    let within = within.map_or(Ok(RemovalLimit::Auto.within()), parse_positive_duration)?;
    Ok(RemovalLimit::Fixed { removals, within })
}

fn parse_number(text: &str, radix: u32) -> Result<u32, String> {
    u32::from_str_radix(text, radix).map_err(|_| format!("'{text}' is not a number"))
}

/// Slower, a single frame would take longer than any server waits.
const LEAST_RATE: u64 = 16 << 10;

/// Bytes a second; 0 is no limit.
fn parse_rate(text: &str) -> Result<Option<u64>, String> {
    match parse_size(text)? {
        0 => Ok(None),
        rate if rate < LEAST_RATE => Err(format!("'{text}' is too slow for any transfer; give at least 16K")),
        rate => Ok(Some(rate)),
    }
}

fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> Result<MountOptions, OptionError> {
        let mut options = MountOptions::default();
        options.apply_list(list).map(|()| options)
    }

    #[test]
    fn the_defaults_of_the_table_are_the_defaults() {
        let list: Vec<String> = ROWS
            .iter()
            .filter(|row| !matches!(row.default, "" | "="))
            .map(|row| format!("{}={}", row.word, row.default))
            .collect();
        assert_eq!(parsed(&list.join(",")), Ok(MountOptions::default()));
    }

    #[test]
    fn words_and_values_are_read() {
        let options = parsed("settle=1s,cache_size=2G,allow_other,uid=1000,umask=077,ro,uploads=8,nodev").unwrap();
        assert_eq!(options.settle, Duration::from_secs(1));
        assert_eq!((options.cache_size, options.uid, options.umask), (2 << 30, Some(1000), Some(0o077)));
        assert!(options.allow_other && options.read_only && options.uploads == 8);
        assert_eq!(options.kernel, ["nodev"]);
    }

    #[test]
    fn rates_spans_and_the_networks_price_are_read() {
        let options = parsed("upload_limit=2M,download_limit=500K,schedule=22:00-06:00,metered=ignore").unwrap();
        assert_eq!((options.upload_limit, options.download_limit), (Some(2 << 20), Some(500 << 10)));
        assert_eq!(options.schedule.map(|span| span.to_string()).as_deref(), Some("22:00-06:00"));
        assert!(!options.metered_pause && parsed("metered=pause").unwrap().metered_pause);
        assert_eq!(parsed("upload_limit=1M,upload_limit=0").unwrap().upload_limit, None, "the later word wins");
    }

    #[test]
    fn words_of_fstab_are_let_pass_and_unknown_ones_are_named() {
        assert!(parsed("rw,_netdev,nofail,x-systemd.automount,comment=hello,defaults").is_ok());
        assert_eq!(parsed("settle=1s,frobnicate=3"), Err(OptionError::Unknown("frobnicate".into())));
        assert!(parsed("allow_trash").unwrap().allow_trash && !parsed("").unwrap().allow_trash);
        for wrong in [
            "settle=soon",
            "uploads=0",
            "umask=9",
            "ro=maybe",
            "poll=0s",
            "upload_limit=fast",
            "download_limit=1K",
            "schedule=night",
            "metered=maybe",
        ] {
            assert!(matches!(parsed(wrong), Err(OptionError::Value { .. })), "{wrong}");
        }
    }

    #[test]
    fn previews_are_off_or_of_originals() {
        assert_eq!(parsed("previews=originals").map(|options| options.previews), Ok(Previews::Originals));
        assert_eq!(parsed("previews=off").map(|options| options.previews), Ok(Previews::Off));
        assert!(matches!(parsed("previews=all"), Err(OptionError::Value { .. })));
    }

    #[test]
    fn a_removal_limit_is_automatic_a_number_or_off() {
        let fixed = |removals, secs| RemovalLimit::Fixed { removals, within: Duration::from_secs(secs) };
        for (text, limit) in
            [("auto", RemovalLimit::Auto), ("off", RemovalLimit::Off), ("5", fixed(5, 600)), ("20/1h", fixed(20, 3600))]
        {
            assert_eq!(parsed(&format!("removal_limit={text}")).map(|options| options.removal_limit), Ok(limit));
        }
        for wrong in ["", "many", "5/", "5/0s", "-1", "5/10"] {
            assert!(parsed(&format!("removal_limit={wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn help_names_every_option_with_its_default() {
        let help = MountOptions::help();
        assert!(ROWS.iter().all(|row| help.contains(row.word)));
        assert!(help.contains("settle=10s") && help.contains("cache_size=10G"));
    }
}
