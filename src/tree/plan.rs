//! What removing and renaming mean (semantics 3 and 4). Every refusal says why.

use super::name::MAX_NAME;
use super::place::DirKind;
use crate::base::AlbumKind;

/// Why an operation is refused at once; `vfs` chooses the errno.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nothing can be made or changed there.
    FixedPlace,
    /// It would take the last own album away from a photo for good (I11).
    WouldDestroy,
    /// Too many removals in a short time; `entefs allow-removals` lets them go on (semantics 4.5).
    TooManyRemovals,
    /// `mv` copies instead.
    AcrossTrees,
    NameTooLong,
    /// Not a name: empty, `.`, `..`, or with a slash.
    InvalidName,
    Exists,
    NotEmpty,
    IsDirectory,
    NotDirectory,
}

/// What a directory entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// A place of [`super::FixedPlace`].
    Fixed,
    /// A drop's own directory.
    DropRoot,
    LocalDirectory,
    /// A file of this machine; `in_ente` once its photo is registered.
    LocalFile {
        in_ente: bool,
    },
    /// A photo as a member of an album.
    Photo,
    /// An album's directory in `Albums/`.
    AlbumDirectory,
}

impl EntryKind {
    pub fn is_directory(self) -> bool {
        matches!(self, Self::DropRoot | Self::LocalDirectory | Self::AlbumDirectory)
    }
}

/// What `unlink` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemovalPlan {
    /// The entry goes; an upload that has not happened is cancelled (4.3).
    ForgetEntry,
    /// The photo leaves this album; without another home it goes to Uncategorized (4.1).
    LeaveAlbum,
}

/// # Errors
/// The [`Refusal`].
pub fn plan_removal(dir: DirKind, entry: EntryKind) -> Result<RemovalPlan, Refusal> {
    match entry {
        EntryKind::LocalFile { .. } => Ok(RemovalPlan::ForgetEntry),
        EntryKind::Photo if dir == DirKind::Album(AlbumKind::Uncategorized) => Err(Refusal::WouldDestroy),
        EntryKind::Photo => Ok(RemovalPlan::LeaveAlbum),
        EntryKind::Fixed => Err(Refusal::FixedPlace),
        EntryKind::DropRoot | EntryKind::LocalDirectory | EntryKind::AlbumDirectory => Err(Refusal::IsDirectory),
    }
}

/// Whether a file of this name can be made there.
///
/// # Errors
/// The [`Refusal`].
pub fn check_new_file(dir: DirKind, name: &[u8]) -> Result<(), Refusal> {
    check_name(name)?;
    if dir.takes_files() { Ok(()) } else { Err(Refusal::FixedPlace) }
}

/// Whether a directory of this name can be made there.
///
/// # Errors
/// The [`Refusal`].
pub fn check_new_directory(dir: DirKind, name: &[u8]) -> Result<(), Refusal> {
    check_name(name)?;
    match dir {
        DirKind::AlbumList | DirKind::Local | DirKind::Album(AlbumKind::Album | AlbumKind::Folder) => Ok(()),
        DirKind::Album(_) | DirKind::Root | DirKind::Generated => Err(Refusal::FixedPlace),
    }
}

fn check_name(name: &[u8]) -> Result<(), Refusal> {
    if name.len() > MAX_NAME {
        return Err(Refusal::NameTooLong);
    }
    if matches!(name, b"" | b"." | b"..") || name.iter().any(|&byte| byte == b'/' || byte == 0) {
        return Err(Refusal::InvalidName);
    }
    Ok(())
}

/// The entry that moves, and where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RenameSource {
    pub dir: DirKind,
    pub entry: EntryKind,
}

/// Where it goes, and what is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RenameTarget<'n> {
    pub dir: DirKind,
    pub name: &'n [u8],
    pub same_directory: bool,
    pub occupant: Option<EntryKind>,
}

/// What `rename` does. Whatever is in the way is dealt with by the same rules as its removal or overwriting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenamePlan {
    /// A file or directory of this machine gets another name or directory; if its photo is in Ente, the photo
    /// follows (its edited name, or the album the new directory maps to).
    MoveLocal,
    /// A registered drop entry goes into an album: the photo is moved there, the entry ends.
    HandOver,
    /// The photo gets an edited name, in every album.
    NamePhoto,
    /// The photo moves from album to album.
    MovePhoto,
    NameAlbum,
}

/// # Errors
/// The [`Refusal`].
pub fn plan_rename(source: RenameSource, target: RenameTarget<'_>) -> Result<RenamePlan, Refusal> {
    check_name(target.name)?;
    check_occupant(source.entry, target.occupant)?;
    match source.entry {
        EntryKind::Fixed | EntryKind::DropRoot => Err(Refusal::FixedPlace),
        EntryKind::AlbumDirectory => match target.dir {
            DirKind::AlbumList => Ok(RenamePlan::NameAlbum),
            DirKind::Local | DirKind::Album(_) => Err(Refusal::AcrossTrees),
            DirKind::Root | DirKind::Generated => Err(Refusal::FixedPlace),
        },
        EntryKind::LocalDirectory => match target.dir {
            DirKind::Local | DirKind::Album(AlbumKind::Album | AlbumKind::Folder) => Ok(RenamePlan::MoveLocal),
            DirKind::AlbumList => Err(Refusal::AcrossTrees),
            DirKind::Album(_) | DirKind::Root | DirKind::Generated => Err(Refusal::FixedPlace),
        },
        EntryKind::LocalFile { in_ente } => match target.dir {
            DirKind::Local => Ok(RenamePlan::MoveLocal),
            DirKind::Album(_) if in_ente => Ok(RenamePlan::HandOver),
            DirKind::Album(_) => Ok(RenamePlan::MoveLocal),
            DirKind::AlbumList | DirKind::Root | DirKind::Generated => Err(Refusal::FixedPlace),
        },
        EntryKind::Photo => match target.dir {
            DirKind::Album(_) if target.same_directory => Ok(RenamePlan::NamePhoto),
            DirKind::Album(_) => Ok(RenamePlan::MovePhoto),
            DirKind::Local => Err(Refusal::AcrossTrees),
            DirKind::AlbumList | DirKind::Root | DirKind::Generated => Err(Refusal::FixedPlace),
        },
    }
}

/// POSIX: a directory replaces an (empty) directory, a file a file. Emptiness is the caller's to check.
fn check_occupant(entry: EntryKind, occupant: Option<EntryKind>) -> Result<(), Refusal> {
    match occupant {
        None => Ok(()),
        Some(EntryKind::Fixed | EntryKind::DropRoot) => Err(Refusal::FixedPlace),
        Some(other) if entry.is_directory() && !other.is_directory() => Err(Refusal::NotDirectory),
        Some(other) if !entry.is_directory() && other.is_directory() => Err(Refusal::IsDirectory),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALBUM: DirKind = DirKind::Album(AlbumKind::Album);
    const UNCATEGORIZED: DirKind = DirKind::Album(AlbumKind::Uncategorized);
    const FAVORITES: DirKind = DirKind::Album(AlbumKind::Favorites);
    const SENT: EntryKind = EntryKind::LocalFile { in_ente: true };
    const UNSENT: EntryKind = EntryKind::LocalFile { in_ente: false };

    fn rename(entry: EntryKind, from: DirKind, to: DirKind) -> Result<RenamePlan, Refusal> {
        let target = RenameTarget { dir: to, name: b"x.jpg", same_directory: from == to, occupant: None };
        plan_rename(RenameSource { dir: from, entry }, target)
    }

    #[test]
    fn removing_takes_a_photo_out_of_its_album_and_never_out_of_uncategorized() {
        assert_eq!(plan_removal(ALBUM, EntryKind::Photo), Ok(RemovalPlan::LeaveAlbum));
        assert_eq!(plan_removal(FAVORITES, EntryKind::Photo), Ok(RemovalPlan::LeaveAlbum));
        assert_eq!(plan_removal(UNCATEGORIZED, EntryKind::Photo), Err(Refusal::WouldDestroy));
        assert_eq!(plan_removal(DirKind::Local, SENT), Ok(RemovalPlan::ForgetEntry));
        assert_eq!(plan_removal(ALBUM, UNSENT), Ok(RemovalPlan::ForgetEntry));
        assert_eq!(plan_removal(DirKind::Root, EntryKind::Fixed), Err(Refusal::FixedPlace));
        assert_eq!(plan_removal(DirKind::AlbumList, EntryKind::AlbumDirectory), Err(Refusal::IsDirectory));
    }

    #[test]
    fn files_are_made_in_drops_and_albums_only() {
        for dir in [DirKind::Local, ALBUM, UNCATEGORIZED, FAVORITES] {
            assert_eq!(check_new_file(dir, b"x.jpg"), Ok(()));
        }
        for dir in [DirKind::Root, DirKind::AlbumList, DirKind::Generated] {
            assert_eq!(check_new_file(dir, b"x.jpg"), Err(Refusal::FixedPlace));
        }
        assert_eq!(check_new_file(DirKind::Local, &[b'x'; 256]), Err(Refusal::NameTooLong));
        assert_eq!(check_new_file(DirKind::Local, b".."), Err(Refusal::InvalidName));
    }

    #[test]
    fn directories_are_made_where_they_mean_something() {
        for dir in [DirKind::Local, DirKind::AlbumList, ALBUM] {
            assert_eq!(check_new_directory(dir, b"x"), Ok(()));
        }
        for dir in [DirKind::Root, DirKind::Generated, UNCATEGORIZED, FAVORITES] {
            assert_eq!(check_new_directory(dir, b"x"), Err(Refusal::FixedPlace));
        }
    }

    #[test]
    fn a_photo_moves_between_albums_and_is_named_within_one() {
        assert_eq!(rename(EntryKind::Photo, ALBUM, ALBUM), Ok(RenamePlan::NamePhoto));
        assert_eq!(rename(EntryKind::Photo, ALBUM, FAVORITES), Ok(RenamePlan::MovePhoto));
        assert_eq!(rename(EntryKind::Photo, UNCATEGORIZED, ALBUM), Ok(RenamePlan::MovePhoto));
        assert_eq!(rename(EntryKind::Photo, ALBUM, DirKind::Local), Err(Refusal::AcrossTrees));
        assert_eq!(rename(EntryKind::Photo, ALBUM, DirKind::Root), Err(Refusal::FixedPlace));
    }

    #[test]
    fn a_drop_entry_moves_to_an_album_as_bytes_or_as_its_photo() {
        assert_eq!(rename(UNSENT, DirKind::Local, ALBUM), Ok(RenamePlan::MoveLocal));
        assert_eq!(rename(SENT, DirKind::Local, ALBUM), Ok(RenamePlan::HandOver));
        assert_eq!(rename(SENT, DirKind::Local, DirKind::Local), Ok(RenamePlan::MoveLocal));
        assert_eq!(rename(EntryKind::LocalDirectory, DirKind::Local, DirKind::AlbumList), Err(Refusal::AcrossTrees));
    }

    #[test]
    fn directories_do_not_replace_files_nor_files_directories() {
        let onto = |entry, occupant| {
            let target =
                RenameTarget { dir: DirKind::Local, name: b"x", same_directory: true, occupant: Some(occupant) };
            plan_rename(RenameSource { dir: DirKind::Local, entry }, target)
        };
        assert_eq!(onto(UNSENT, EntryKind::LocalDirectory), Err(Refusal::IsDirectory));
        assert_eq!(onto(EntryKind::LocalDirectory, UNSENT), Err(Refusal::NotDirectory));
        assert_eq!(onto(UNSENT, SENT), Ok(RenamePlan::MoveLocal));
        assert_eq!(onto(UNSENT, EntryKind::Fixed), Err(Refusal::FixedPlace));
    }
}
