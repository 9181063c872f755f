//! Temporary and junk names: accepted, kept local, never uploaded (semantics 2.4).

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// What a name says about its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameClass {
    /// A candidate for upload.
    Plain,
    /// A program is still working on it and will rename or remove it.
    Temporary,
    /// Nobody means it for Ente.
    Junk,
}

const TEMPORARY_SUFFIXES: [&str; 8] =
    [".part", ".partial", ".crdownload", ".tmp", "~", "_exiftool_tmp", ".bak", ".orig"];
const JUNK_NAMES: [&str; 3] = [".ds_store", "thumbs.db", "desktop.ini"];
const JUNK_EXTENSIONS: [&str; 2] = [".thm", ".lrv"];
const JUNK_DIRECTORIES: [&str; 5] = ["@eadir", "#recycle", "$recycle.bin", "thmbnl", "lost+found"];

/// The built-in rules and a drop's own.
#[derive(Clone, Debug)]
pub struct NameRules {
    ignore: GlobSet,
    include: GlobSet,
}

impl Default for NameRules {
    fn default() -> Self {
        Self { ignore: GlobSet::empty(), include: GlobSet::empty() }
    }
}

impl NameRules {
    /// `ignore` and `include` as the config file has them: shell patterns over the file name, case ignored.
    ///
    /// # Errors
    /// A sentence that names the pattern.
    pub fn new(ignore: &[String], include: &[String]) -> Result<Self, String> {
        Ok(Self { ignore: globs(ignore)?, include: globs(include)? })
    }

    /// What a file's name says; `include` outweighs every other rule.
    pub fn classify(&self, name: &[u8]) -> NameClass {
        let text = String::from_utf8_lossy(name);
        if self.include.is_match(text.as_ref()) {
            return NameClass::Plain;
        }
        if self.ignore.is_match(text.as_ref()) {
            return NameClass::Junk;
        }
        classify(&text.to_lowercase())
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
        set.add(glob.map_err(|error| format!("the pattern '{pattern}' cannot be read: {error}"))?);
    }
    set.build().map_err(|error| format!("the patterns cannot be used together: {error}"))
}

fn classify(lower: &str) -> NameClass {
    if is_rsync_temporary(lower)
        || lower.starts_with(".goutputstream-")
        || TEMPORARY_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix))
    {
        return NameClass::Temporary;
    }
    let junk = lower.starts_with('.')
        || JUNK_NAMES.contains(&lower)
        || lower.ends_with("_original")
        || JUNK_EXTENSIONS.iter().any(|extension| lower.ends_with(extension));
    if junk { NameClass::Junk } else { NameClass::Plain }
}

/// `.name.XXXXXX`, six letters or digits.
fn is_rsync_temporary(lower: &str) -> bool {
    let Some((rest, random)) = lower.strip_prefix('.').and_then(|rest| rest.rsplit_once('.')) else { return false };
    !rest.is_empty() && random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether everything below a directory of this name is kept local.
pub fn classify_directory(name: &[u8]) -> NameClass {
    let lower = String::from_utf8_lossy(name).to_lowercase();
    if lower.starts_with('.') || JUNK_DIRECTORIES.contains(&lower.as_str()) {
        NameClass::Junk
    } else {
        NameClass::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_and_junk_names_of_the_contract() {
        let rules = NameRules::default();
        for name in [
            ".IMG_1.JPG.a1B2c3",
            "x.part",
            "x.partial",
            "movie.mp4.crdownload",
            "x.tmp",
            "x.jpg~",
            ".goutputstream-ABC123",
            "x.jpg_exiftool_tmp",
            "x.bak",
            "x.orig",
        ] {
            assert_eq!(rules.classify(name.as_bytes()), NameClass::Temporary, "{name}");
        }
        for name in [
            "x.jpg_original",
            ".DS_Store",
            "._IMG_1.JPG",
            "Thumbs.db",
            "desktop.ini",
            "GOPR0001.THM",
            "GOPR0001.LRV",
            ".anything.jpg",
        ] {
            assert_eq!(rules.classify(name.as_bytes()), NameClass::Junk, "{name}");
        }
        for name in ["IMG_1.JPG", "a part.jpg", "original.jpg", "x.partial.jpg", "täst.heic"] {
            assert_eq!(rules.classify(name.as_bytes()), NameClass::Plain, "{name}");
        }
        assert_eq!(rules.classify(b"\xff\xfe.jpg"), NameClass::Plain);
    }

    #[test]
    fn a_drops_own_patterns_add_and_take_away() {
        let rules =
            NameRules::new(&["*.mov".into(), "Screenshot*".into()], &["*.bak".into(), ".keep*".into()]).unwrap();
        assert_eq!(rules.classify(b"IMG_1.MOV"), NameClass::Junk);
        assert_eq!(rules.classify(b"screenshot 1.png"), NameClass::Junk);
        assert_eq!(rules.classify(b"x.bak"), NameClass::Plain);
        assert_eq!(rules.classify(b".keep.jpg"), NameClass::Plain);
        assert!(NameRules::new(&["[".into()], &[]).unwrap_err().contains("'['"));
    }

    #[test]
    fn junk_directories_of_the_contract() {
        for name in ["@eaDir", "#recycle", "$RECYCLE.BIN", "THMBNL", "lost+found", ".Trashes"] {
            assert_eq!(classify_directory(name.as_bytes()), NameClass::Junk, "{name}");
        }
        assert_eq!(classify_directory(b"DCIM"), NameClass::Plain);
    }
}
