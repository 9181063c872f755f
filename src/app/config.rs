//! The config file (command-line contract, 3): `[mount]` and `[[drop]]`. What it does not know it refuses.

use super::options::{MountOptions, OptionError};
use crate::base::{Timestamp, parse_duration};
use crate::tree::{AlbumMapping, Dedup, DropRules, DropSettings, FixedPlace, NameRules, OnDelete};
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why the config file cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: {detail}")]
    Malformed { path: PathBuf, detail: String },
}

/// The config file as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mount: toml::Table,
    #[serde(default, rename = "drop")]
    drops: Vec<DropSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropSection {
    path: String,
    albums: Option<String>,
    album: Option<String>,
    settle: Option<String>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
    since: Option<String>,
    dedup: Option<String>,
    on_delete: Option<String>,
}

/// What the config file says.
#[derive(Default)]
pub struct Config {
    mount: Vec<String>,
    drops: Vec<DropSection>,
}

impl Config {
    /// Reads the file; one that is absent says nothing.
    ///
    /// # Errors
    /// [`ConfigError`], which names file and key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|detail| ConfigError::Malformed { path: path.into(), detail }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.into(), source }),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mount = file.mount.iter().map(|(word, value)| option_text(word, value)).collect::<Result<_, _>>()?;
        let config = Self { mount, drops: file.drops };
        // Everything that can be wrong is said at once, not at the next mount.
        let mut options = MountOptions::default();
        config.apply(&mut options).map_err(|error| error.to_string())?;
        config.drop_rules(options.settle)?;
        Ok(config)
    }

    /// Applies `[mount]`.
    ///
    /// # Errors
    /// [`OptionError`].
    pub fn apply(&self, options: &mut MountOptions) -> Result<(), OptionError> {
        self.mount.iter().try_for_each(|text| options.apply(text))
    }

    /// The drops, each with its own settings.
    ///
    /// # Errors
    /// A sentence that names the section and the key.
    pub fn drop_rules(&self, settle: Duration) -> Result<DropRules, String> {
        let drops = self.drops.iter().map(|section| section.settings(settle)).collect::<Result<_, _>>()?;
        Ok(DropRules::new(drops, settle))
    }
}

fn option_text(word: &str, value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::Boolean(value) => Ok(format!("{word}={value}")),
        toml::Value::Integer(value) => Ok(format!("{word}={value}")),
        toml::Value::String(value) => Ok(format!("{word}={value}")),
        _ => Err(format!("[mount] {word}: write a text, a number, true or false")),
    }
}

impl DropSection {
    fn settings(&self, settle: Duration) -> Result<DropSettings, String> {
        let wrong = |key: &str, detail: &str| format!("[[drop]] {} {key}: {detail}", self.path);
        let path = self.components().map_err(|detail| wrong("path", detail))?;
        let last = path.last().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        let own_settle =
            self.settle.as_deref().map(parse_duration).transpose().map_err(|detail| wrong("settle", &detail))?;
        Ok(DropSettings {
            albums: self.albums().map_err(|detail| wrong("albums", detail))?,
            album: self.album.clone().filter(|album| !album.is_empty()).unwrap_or(last),
            settle: own_settle.unwrap_or(settle),
            names: NameRules::new(&self.ignore, &self.include).map_err(|detail| wrong("ignore", &detail))?,
            on_delete: self.on_delete().map_err(|detail| wrong("on_delete", detail))?,
            since: self.since().map_err(|detail| wrong("since", detail))?,
            dedup: self.dedup().map_err(|detail| wrong("dedup", detail))?,
            path,
        })
    }

    /// Components below the mount; the first may not be a place that is something else.
    fn components(&self) -> Result<Vec<Vec<u8>>, &'static str> {
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..") || part.len() > 255) {
            return Err("write a path below the mount, like Drop/Phone");
        }
        let taken = FixedPlace::ALL.iter().any(|place| place.name() == parts[0]);
        if taken || parts[0].starts_with('.') {
            return Err("that place of the mount is something else");
        }
        Ok(parts.into_iter().map(|part| part.as_bytes().to_vec()).collect())
    }

    fn albums(&self) -> Result<AlbumMapping, &'static str> {
        match self.albums.as_deref() {
            None | Some("separate") => Ok(AlbumMapping::Separate),
            Some("single") => Ok(AlbumMapping::Single),
            Some("path") => Ok(AlbumMapping::Path),
            Some(_) => Err("write separate, single or path"),
        }
    }

    fn dedup(&self) -> Result<Dedup, &'static str> {
        match self.dedup.as_deref() {
            None | Some("name") => Ok(Dedup::Name),
            Some("content") => Ok(Dedup::Content),
            Some(_) => Err("write name or content"),
        }
    }

    fn on_delete(&self) -> Result<OnDelete, &'static str> {
        match self.on_delete.as_deref() {
            None | Some("entry") => Ok(OnDelete::Entry),
            Some("uncategorize") => Ok(OnDelete::Uncategorize),
            Some(_) => Err("write entry or uncategorize"),
        }
    }

    fn since(&self) -> Result<Option<Timestamp>, &'static str> {
        let Some(text) = &self.since else { return Ok(None) };
        crate::base::calendar::parse_date(text).map(Some).ok_or("write a date like 2024-12-31")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_file_is_read_whole() {
        let config = Config::parse(
            r#"
            [mount]
            settle = "2s"
            allow_other = true
            uploads = 2

            [[drop]]
            path = "Drop/Phone"
            albums = "single"
            album = "From the phone"
            ignore = ["*.mov"]
            since = "2024-01-01"

            [[drop]]
            path = "Scans"
            dedup = "content"
            settle = "1m"
            "#,
        )
        .unwrap();
        let mut options = MountOptions::default();
        config.apply(&mut options).unwrap();
        assert!(options.allow_other && options.uploads == 2 && options.settle == Duration::from_secs(2));
        let rules = config.drop_rules(options.settle).unwrap();
        let deep = [b"Drop".to_vec(), b"Phone".to_vec(), b"DCIM".to_vec()];
        let (phone, below) = rules.find(&deep).unwrap();
        assert_eq!((phone.album.as_str(), phone.settle, below.len()), ("From the phone", Duration::from_secs(2), 1));
        assert!(phone.since.is_some());
        let (scans, _) = rules
            .find(&deep[..1].iter().map(|_| b"Scans".to_vec()).collect::<Vec<_>>())
            .map(|(s, b)| (s.clone(), b.len()))
            .unwrap();
        assert_eq!(
            (scans.album.as_str(), scans.dedup, scans.settle),
            ("Scans", Dedup::Content, Duration::from_secs(60))
        );
        assert!(rules.find(&[b"Drop".to_vec()]).is_some(), "the standard drop is there beside them");
    }

    #[test]
    fn what_it_does_not_know_it_names() {
        for (text, named) in [
            ("[mount]\nfrobnicate = 1", "frobnicate"),
            ("[mount]\nallow_trash = 3", "allow_trash"),
            ("[drops]", "drops"),
            ("[[drop]]\npath = \"Drop\"\non_delete = \"trash\"", "on_delete"),
            ("[[drop]]\npath = \"Albums/X\"", "Albums/X"),
            ("[[drop]]\npath = \"../x\"", "../x"),
            ("[[drop]]\npath = \"Drop\"\nalbums = \"some\"", "albums"),
            ("[[drop]]\npath = \"Drop\"\nsince = \"tomorrow\"", "since"),
            ("[[drop]]\npath = \"Drop\"\nignore = [\"[\"]", "["),
            ("[[watch]]\npath = \"/x\"", "watch"),
            ("mount = 3", "mount"),
        ] {
            let refused = Config::parse(text).map(|_| ()).unwrap_err();
            assert!(refused.contains(named), "{text}: {refused}");
        }
    }
}
