//! Who holds a mount: the processes that EBUSY is about. Links of /proc are read as text; the mount is not asked.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// More are counted by nobody.
const LISTED: usize = 8;

/// `name (pid)` of the processes that have something open below `dir`, as far as this user may see.
pub(super) fn of(dir: &Path) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let holders = processes.flatten().filter_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        holds(&process.path(), dir).then(|| format!("{} ({pid})", name_of(&process.path())))
    });
    holders.take(LISTED).collect()
}

fn holds(process: &Path, dir: &Path) -> bool {
    let links = ["cwd", "root", "exe"].map(|link| process.join(link));
    let below = |path: &PathBuf| fs::read_link(path).is_ok_and(|target| target.starts_with(dir));
    links.iter().any(below) || entries(&process.join("fd")).any(|path| below(&path)) || maps(process, dir)
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn maps(process: &Path, dir: &Path) -> bool {
    let Ok(maps) = fs::read(process.join("maps")) else { return false };
    let mut needle = dir.as_os_str().as_bytes().to_vec();
    needle.push(b'/');
    maps.windows(needle.len()).any(|window| window == needle)
}

fn name_of(process: &Path) -> String {
    fs::read_to_string(process.join("comm")).map_or_else(|_| "a process".into(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_names_its_process() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        assert_eq!(of(&real), Vec::<String>::new());
        let _open = fs::File::create(real.join("held")).unwrap();
        let holders = of(&real);
        assert_eq!(holders.len(), 1);
        assert!(holders[0].ends_with(&format!("({})", std::process::id())), "{holders:?}");
    }
}
