//! Who only wants to show or index what is there: thumbnailers and indexers (semantics 5.6).

/// What thumbnailers and indexers may read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Previews {
    /// What is on this machine: looking into a directory must not download it.
    #[default]
    Off,
    /// Originals like everybody else.
    Originals,
}

/// Programs by the name they were started under, without a version at its end.
const PROGRAMS: [&str; 22] = [
    "tumblerd",
    "gdk-pixbuf-thumbnailer",
    "glycin-thumbnailer",
    "totem-video-thumbnailer",
    "totem-gst-thumbnailer",
    "gst-thumbnailer",
    "ffmpegthumbnailer",
    "evince-thumbnailer",
    "heif-thumbnailer",
    "avif-thumbnailer",
    "webp-pixbuf-loader",
    "raw-thumbnailer",
    "ufraw-batch",
    "gnome-raw-thumbnailer",
    "gsf-office-thumbnailer",
    "tracker-extract",
    "tracker-miner-fs",
    "localsearch",
    "localsearch-extractor",
    "baloo_file",
    "baloo_file_extractor",
    "recollindex",
];

/// KDE's workers are all of one name; what they do is in their arguments.
const KDE_WORKERS: [&str; 3] = ["kioworker", "kioslave5", "kioslave"];

/// Whether a process with this command line (arguments with a zero byte after each) is one of them.
pub fn is_previewer(command_line: &[u8]) -> bool {
    let mut arguments = command_line.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let Ok(name) = std::str::from_utf8(name) else { return false };
    if KDE_WORKERS.contains(&name) {
        return arguments.any(|argument| argument.ends_with(b"/thumbnail.so") || argument == b"thumbnail");
    }
    let unversioned = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end_matches('-');
    PROGRAMS.contains(&name) || PROGRAMS.contains(&unversioned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn desktops_thumbnailers_and_indexers_are_known_by_their_command_line() {
        for line in [
            "/usr/lib/x86_64-linux-gnu/tumbler-1/tumblerd\0",
            "tumblerd",
            "/usr/bin/gdk-pixbuf-thumbnailer\0-s\x00256\0file:///x.jpg\0/tmp/y.png\0",
            "/usr/libexec/tracker-extract-3\0",
            "/usr/libexec/localsearch-3\0",
            "/usr/libexec/localsearch-extractor-3\0",
            "/usr/lib/x86_64-linux-gnu/libexec/kf6/baloo_file_extractor\0",
            "/usr/lib/libexec/kf6/kioworker\0/usr/lib/qt6/plugins/kf6/kio/thumbnail.so\0thumbnail\0\0local:/run/x\0",
        ] {
            assert!(is_previewer(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn people_and_their_programs_are_not() {
        for line in [
            "",
            "cat\0tumblerd\0",
            "/usr/bin/rsync\0-a\0Albums/\0thumbnail\0",
            "/usr/bin/eog\0x.jpg\0",
            "/usr/lib/libexec/kf6/kioworker\0/usr/lib/qt6/plugins/kf6/kio/file.so\0file\0",
            "mytumblerd",
            "/opt/3/2-1",
        ] {
            assert!(!is_previewer(line.as_bytes()), "{line:?}");
        }
    }
}
