//! Paths as people give them, as paths below the mount.

use crate::base::B64;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// As seen in the mount, or relative to it.
pub(super) fn below_mount(path: &Path, mount: Option<&Path>) -> PathBuf {
    let Some(mount) = mount else { return path.into() };
    // The mount itself is not asked: of the way to it, only what is above is resolved.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    for candidate in [absolute.clone(), with_real_directory(&absolute, mount)] {
        if let Ok(below) = candidate.strip_prefix(mount) {
            return below.into();
        }
    }
    path.strip_prefix("/").unwrap_or(path).into()
}

/// The path with the longest ancestor resolved that is the mountpoint itself.
fn with_real_directory(path: &Path, mount: &Path) -> PathBuf {
    let resolves_to_mount = |ancestor: &&Path| {
        ancestor.file_name() == mount.file_name()
            && ancestor.parent().and_then(|above| above.canonicalize().ok()).as_deref() == mount.parent()
    };
    match path.ancestors().find(resolves_to_mount) {
        Some(ancestor) => mount.join(path.strip_prefix(ancestor).unwrap_or(Path::new(""))),
        None => path.into(),
    }
}

/// As a request has them.
pub(super) fn request_paths(paths: &[PathBuf], mount: Option<&Path>) -> Vec<B64> {
    paths.iter().map(|path| B64::of(below_mount(path, mount).as_os_str().as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_given_as_seen_or_relative_to_the_mount() {
        let dir = tempfile::tempdir().unwrap();
        let mount = dir.path().canonicalize().unwrap().join("photos");
        std::fs::create_dir(&mount).unwrap();
        std::os::unix::fs::symlink(&mount, dir.path().join("link")).unwrap();
        let below = |path: &Path| below_mount(path, Some(&mount));
        assert_eq!(below(&mount.join("Drop/a.jpg")), Path::new("Drop/a.jpg"));
        assert_eq!(below(Path::new("Drop/a.jpg")), Path::new("Drop/a.jpg"));
        assert_eq!(below(Path::new("/Drop/a.jpg")), Path::new("Drop/a.jpg"));
        assert_eq!(below_mount(Path::new("Drop/a.jpg"), None), Path::new("Drop/a.jpg"));
    }
}
