//! What removing and renaming mean (semantics 3 and 4). Every refusal says why.

use super::name::MAX_NAME;
use super::place::DirKind;
use crate::base::{AlbumKind, Role, Visibility};

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
    /// Somebody else's photo or album.
    Foreign,
    /// The album is shared with us for looking only.
    ReadOnlyAlbum,
    /// A photo has one name, and is in an album once.
    OneName,
    NameTooLong,
    /// Not a name: empty, `.`, `..`, or with a slash.
    InvalidName,
    Exists,
    NotEmpty,
    /// A program has it open for writing: what it will write belongs to the file as it is now.
    BeingWritten,
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
    /// Somebody else's photo.
    ForeignPhoto,
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
    /// The photo leaves this album; without another home it goes to Uncategorized (4.1). Of somebody else's album
    /// it just leaves (4.4).
    LeaveAlbum,
    /// The photo has no other home and goes to Ente's trash (4.2).
    Trash,
}

/// `allow_trash`: the mount was told that `rm` may reach Ente's trash.
///
/// # Errors
/// The [`Refusal`].
pub fn plan_removal(dir: DirKind, entry: EntryKind, allow_trash: bool) -> Result<RemovalPlan, Refusal> {
    match entry {
        EntryKind::LocalFile { .. } => Ok(RemovalPlan::ForgetEntry),
        EntryKind::Photo if dir == DirKind::Trash => Err(Refusal::WouldDestroy),
        EntryKind::Photo if dir == DirKind::Album(AlbumKind::Uncategorized) => {
            if allow_trash {
                Ok(RemovalPlan::Trash)
            } else {
                Err(Refusal::WouldDestroy)
            }
        }
        EntryKind::Photo => Ok(RemovalPlan::LeaveAlbum),
        EntryKind::ForeignPhoto => Err(Refusal::Foreign),
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
    match dir {
        dir if dir.takes_files() => Ok(()),
        DirKind::SharedAlbum(_) => Err(Refusal::ReadOnlyAlbum),
        _ => Err(Refusal::FixedPlace),
    }
}

/// Whether a directory of this name can be made there.
///
/// # Errors
/// The [`Refusal`].
pub fn check_new_directory(dir: DirKind, name: &[u8]) -> Result<(), Refusal> {
    check_name(name)?;
    match dir {
        DirKind::AlbumList(_) | DirKind::Local | DirKind::Album(AlbumKind::Album | AlbumKind::Folder) => Ok(()),
        DirKind::SharedAlbum(Role::Viewer) => Err(Refusal::ReadOnlyAlbum),
        DirKind::Album(_) | DirKind::SharedAlbum(_) | DirKind::SharedList | DirKind::Root => Err(Refusal::FixedPlace),
        DirKind::TrashFiles | DirKind::Trash | DirKind::Timeline | DirKind::Generated => Err(Refusal::FixedPlace),
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
    /// A file of this machine that has a second name.
    pub linked: bool,
    /// A drop entry whose photo gets new bytes under another name: they are not sent yet, and not the entry's.
    pub passed: bool,
}

/// Where it goes, and what is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RenameTarget<'n> {
    pub dir: DirKind,
    pub name: &'n [u8],
    pub same_directory: bool,
    pub occupant: Option<EntryKind>,
    /// The mount was told that photos may be moved to Ente's trash.
    pub allow_trash: bool,
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
    /// The photo leaves its album as by `unlink`, and stays in the file manager's trash as an entry.
    TrashPhoto,
    /// The album gives up its photos, is removed, and stays in that trash as a directory of entries.
    TrashAlbum,
    /// The photo goes to Ente's trash, out of all albums.
    TrashInEnte,
    /// The photo comes out of Ente's trash, into this album.
    Restore,
    /// A directory of the file manager's trash becomes an album in this list: its photos join it.
    RestoreAlbum(Visibility),
    /// The album goes to another list: it is archived, hidden, or shown again, and named if its name is another.
    ShelveAlbum(Visibility),
}

/// # Errors
/// The [`Refusal`].
pub fn plan_rename(source: RenameSource, target: RenameTarget<'_>) -> Result<RenamePlan, Refusal> {
    check_name(target.name)?;
    check_occupant(source.entry, target.occupant)?;
    match source.entry {
        EntryKind::Fixed | EntryKind::DropRoot => Err(Refusal::FixedPlace),
        EntryKind::AlbumDirectory => plan_album_rename(source.dir, target.dir),
        EntryKind::LocalDirectory => match target.dir {
            DirKind::Local | DirKind::TrashFiles | DirKind::Album(AlbumKind::Album | AlbumKind::Folder) => {
                Ok(RenamePlan::MoveLocal)
            }
            DirKind::AlbumList(list) if source.dir == DirKind::TrashFiles => Ok(RenamePlan::RestoreAlbum(list)),
            DirKind::AlbumList(_) => Err(Refusal::AcrossTrees),
            _ => Err(Refusal::FixedPlace),
        },
        EntryKind::LocalFile { in_ente } => match target.dir {
            DirKind::Local | DirKind::TrashFiles => Ok(RenamePlan::MoveLocal),
            // Its other name stays a drop entry, or the photo is not what it was: the album gets a copy.
            DirKind::Album(_) | DirKind::SharedAlbum(_)
                if (source.linked || source.passed) && source.dir == DirKind::Local =>
            {
                Err(Refusal::AcrossTrees)
            }
            DirKind::SharedAlbum(Role::Viewer) => Err(Refusal::ReadOnlyAlbum),
            DirKind::Album(_) | DirKind::SharedAlbum(_) if in_ente => Ok(RenamePlan::HandOver),
            DirKind::Album(_) | DirKind::SharedAlbum(_) => Ok(RenamePlan::MoveLocal),
            _ => Err(Refusal::FixedPlace),
        },
        EntryKind::Photo if source.dir == DirKind::Trash => plan_restoring(target.dir),
        EntryKind::Photo => match target.dir {
            DirKind::Trash => plan_trashing(source.dir, target),
            DirKind::Album(_) | DirKind::SharedAlbum(_) if target.same_directory => Ok(RenamePlan::NamePhoto),
            DirKind::SharedAlbum(Role::Viewer) => Err(Refusal::ReadOnlyAlbum),
            DirKind::Album(_) | DirKind::SharedAlbum(_) => Ok(RenamePlan::MovePhoto),
            DirKind::TrashFiles => Ok(RenamePlan::TrashPhoto),
            DirKind::Local => Err(Refusal::AcrossTrees),
            _ => Err(Refusal::FixedPlace),
        },
        EntryKind::ForeignPhoto => match target.dir {
            DirKind::Album(_) | DirKind::SharedAlbum(_) if target.same_directory => Err(Refusal::Foreign),
            DirKind::Album(_) | DirKind::SharedAlbum(_) | DirKind::Local => Err(Refusal::AcrossTrees),
            DirKind::TrashFiles => Err(Refusal::Foreign),
            _ => Err(Refusal::FixedPlace),
        },
    }
}

/// Ente restores into own albums. Elsewhere `mv` would leave a copy, and the photo in the trash.
fn plan_restoring(to: DirKind) -> Result<RenamePlan, Refusal> {
    match to {
        DirKind::Album(_) => Ok(RenamePlan::Restore),
        DirKind::SharedAlbum(Role::Viewer) => Err(Refusal::ReadOnlyAlbum),
        _ => Err(Refusal::FixedPlace),
    }
}

fn plan_trashing(from: DirKind, target: RenameTarget<'_>) -> Result<RenamePlan, Refusal> {
    match from {
        DirKind::Album(_) if !target.allow_trash => Err(Refusal::WouldDestroy),
        // What is in the trash gives way to nothing.
        DirKind::Album(_) if target.occupant.is_some() => Err(Refusal::Exists),
        DirKind::Album(_) => Ok(RenamePlan::TrashInEnte),
        _ => Err(Refusal::FixedPlace),
    }
}

fn plan_album_rename(from: DirKind, to: DirKind) -> Result<RenamePlan, Refusal> {
    match (from, to) {
        (DirKind::AlbumList(from), DirKind::AlbumList(to)) if from == to => Ok(RenamePlan::NameAlbum),
        (DirKind::AlbumList(_), DirKind::AlbumList(to)) => Ok(RenamePlan::ShelveAlbum(to)),
        (DirKind::AlbumList(_), DirKind::Local | DirKind::Album(_)) => Err(Refusal::AcrossTrees),
        (DirKind::AlbumList(_), DirKind::TrashFiles) => Ok(RenamePlan::TrashAlbum),
        (DirKind::SharedList, _) => Err(Refusal::Foreign),
        _ => Err(Refusal::FixedPlace),
    }
}

/// The inode that gets one more name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkSource {
    /// A photo, own or foreign, or a [`EntryKind::LocalFile`].
    pub entry: EntryKind,
    /// Whether a file of this machine lies in an album's directory; else it is in a drop.
    pub in_album: bool,
    /// Whether the new name is one that it has.
    pub same_name: bool,
    /// Whether the target's album has it already.
    pub is_member: bool,
    /// Whether it is in Ente's trash.
    pub in_trash: bool,
}

/// What `link` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkPlan {
    /// The photo joins the album, under its own name.
    AddPhoto,
    /// The file of this machine gets a second name; its photo joins that directory's album, too.
    NameTwice,
}

/// # Errors
/// The [`Refusal`].
pub fn plan_link(source: LinkSource, dir: DirKind, name: &[u8]) -> Result<LinkPlan, Refusal> {
    check_name(name)?;
    match (source.entry, dir) {
        // It is restored by moving it: it cannot be in both.
        (EntryKind::Photo, _) if source.in_trash => Err(Refusal::FixedPlace),
        (EntryKind::Photo, DirKind::Album(AlbumKind::Uncategorized)) => Err(Refusal::OneName),
        (EntryKind::ForeignPhoto, DirKind::Album(_) | DirKind::SharedAlbum(_)) => Err(Refusal::AcrossTrees),
        (_, DirKind::SharedAlbum(Role::Viewer)) => Err(Refusal::ReadOnlyAlbum),
        (EntryKind::Photo, DirKind::Album(_) | DirKind::SharedAlbum(_)) if source.same_name && !source.is_member => {
            Ok(LinkPlan::AddPhoto)
        }
        (EntryKind::LocalFile { .. }, DirKind::Album(_))
            if source.in_album && source.same_name && !source.is_member =>
        {
            Ok(LinkPlan::NameTwice)
        }
        (EntryKind::Photo, DirKind::Album(_) | DirKind::SharedAlbum(_)) => Err(Refusal::OneName),
        (EntryKind::LocalFile { .. }, DirKind::Album(_)) if source.in_album => Err(Refusal::OneName),
        (EntryKind::LocalFile { .. }, DirKind::Local) if !source.in_album => Ok(LinkPlan::NameTwice),
        (_, DirKind::Album(_) | DirKind::SharedAlbum(_) | DirKind::Local) => Err(Refusal::AcrossTrees),
        _ => Err(Refusal::FixedPlace),
    }
}

/// POSIX: a directory replaces an (empty) directory, a file a file. Emptiness is the caller's to check.
fn check_occupant(entry: EntryKind, occupant: Option<EntryKind>) -> Result<(), Refusal> {
    match occupant {
        None => Ok(()),
        Some(EntryKind::Fixed | EntryKind::DropRoot) => Err(Refusal::FixedPlace),
        Some(EntryKind::ForeignPhoto) if !entry.is_directory() => Err(Refusal::Foreign),
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
    const LIST: DirKind = DirKind::AlbumList(Visibility::Visible);
    const ARCHIVE: DirKind = DirKind::AlbumList(Visibility::Archived);
    const VIEWED: DirKind = DirKind::SharedAlbum(Role::Viewer);
    const SHARED: DirKind = DirKind::SharedAlbum(Role::Collaborator);
    const SENT: EntryKind = EntryKind::LocalFile { in_ente: true };
    const UNSENT: EntryKind = EntryKind::LocalFile { in_ente: false };

    fn rename(entry: EntryKind, from: DirKind, to: DirKind) -> Result<RenamePlan, Refusal> {
        let target =
            RenameTarget { dir: to, name: b"x.jpg", same_directory: from == to, occupant: None, allow_trash: false };
        plan_rename(RenameSource { dir: from, entry, linked: false, passed: false }, target)
    }

    #[test]
    fn removing_takes_a_photo_out_of_its_album_and_never_out_of_uncategorized() {
        assert_eq!(plan_removal(ALBUM, EntryKind::Photo, false), Ok(RemovalPlan::LeaveAlbum));
        assert_eq!(plan_removal(FAVORITES, EntryKind::Photo, false), Ok(RemovalPlan::LeaveAlbum));
        assert_eq!(plan_removal(UNCATEGORIZED, EntryKind::Photo, false), Err(Refusal::WouldDestroy));
        assert_eq!(plan_removal(DirKind::Local, SENT, false), Ok(RemovalPlan::ForgetEntry));
        assert_eq!(plan_removal(ALBUM, UNSENT, false), Ok(RemovalPlan::ForgetEntry));
        assert_eq!(plan_removal(DirKind::Root, EntryKind::Fixed, false), Err(Refusal::FixedPlace));
        assert_eq!(plan_removal(LIST, EntryKind::AlbumDirectory, false), Err(Refusal::IsDirectory));
    }

    #[test]
    fn files_are_made_in_drops_and_albums_only() {
        for dir in [DirKind::Local, ALBUM, UNCATEGORIZED, FAVORITES] {
            assert_eq!(check_new_file(dir, b"x.jpg"), Ok(()));
        }
        for dir in [DirKind::Root, LIST, DirKind::Generated] {
            assert_eq!(check_new_file(dir, b"x.jpg"), Err(Refusal::FixedPlace));
        }
        assert_eq!(check_new_file(DirKind::Local, &[b'x'; 256]), Err(Refusal::NameTooLong));
        assert_eq!(check_new_file(DirKind::Local, b".."), Err(Refusal::InvalidName));
    }

    #[test]
    fn directories_are_made_where_they_mean_something() {
        for dir in [DirKind::Local, LIST, ALBUM] {
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
        assert_eq!(rename(EntryKind::LocalDirectory, DirKind::Local, LIST), Err(Refusal::AcrossTrees));
    }

    /// "rename `Albums/X` to `Archive/X`, and back: archive, unarchive the album."
    #[test]
    fn an_album_is_named_in_its_list_and_shelved_in_another() {
        let album = EntryKind::AlbumDirectory;
        assert_eq!(rename(album, LIST, LIST), Ok(RenamePlan::NameAlbum));
        assert_eq!(rename(album, LIST, ARCHIVE), Ok(RenamePlan::ShelveAlbum(Visibility::Archived)));
        assert_eq!(rename(album, ARCHIVE, LIST), Ok(RenamePlan::ShelveAlbum(Visibility::Visible)));
        assert_eq!(rename(album, LIST, DirKind::SharedList), Err(Refusal::FixedPlace));
        assert_eq!(rename(album, DirKind::SharedList, LIST), Err(Refusal::Foreign));
        assert_eq!(rename(album, DirKind::SharedList, DirKind::SharedList), Err(Refusal::Foreign));
        assert_eq!(rename(album, LIST, ALBUM), Err(Refusal::AcrossTrees));
    }

    #[test]
    fn a_directory_of_the_file_managers_trash_is_an_album_again() {
        let directory = EntryKind::LocalDirectory;
        let restored = |visibility| Ok(RenamePlan::RestoreAlbum(visibility));
        assert_eq!(rename(directory, DirKind::TrashFiles, LIST), restored(Visibility::Visible));
        assert_eq!(rename(directory, DirKind::TrashFiles, ARCHIVE), restored(Visibility::Archived));
        assert_eq!(rename(directory, DirKind::TrashFiles, DirKind::Local), Ok(RenamePlan::MoveLocal));
        assert_eq!(rename(directory, DirKind::TrashFiles, DirKind::SharedList), Err(Refusal::FixedPlace));
    }

    /// "rename or `link` between `Shared/` and own albums. Own photo: as between own albums, where the role allows;
    /// another's photo: EXDEV." "Write into a viewer's shared album: EROFS." "Others' files: EPERM."
    #[test]
    fn shared_albums_take_what_the_role_allows() {
        let (own, foreign) = (EntryKind::Photo, EntryKind::ForeignPhoto);
        assert_eq!(rename(own, SHARED, ALBUM), Ok(RenamePlan::MovePhoto));
        assert_eq!(rename(own, VIEWED, ALBUM), Ok(RenamePlan::MovePhoto));
        assert_eq!(rename(own, ALBUM, SHARED), Ok(RenamePlan::MovePhoto));
        assert_eq!(rename(own, ALBUM, VIEWED), Err(Refusal::ReadOnlyAlbum));
        assert_eq!(rename(own, SHARED, SHARED), Ok(RenamePlan::NamePhoto));
        assert_eq!(rename(foreign, SHARED, ALBUM), Err(Refusal::AcrossTrees));
        assert_eq!(rename(foreign, SHARED, SHARED), Err(Refusal::Foreign));
        assert_eq!(rename(foreign, ALBUM, ALBUM), Err(Refusal::Foreign), "a collaborator's photo in an own album");
        assert_eq!(rename(UNSENT, DirKind::Local, SHARED), Ok(RenamePlan::MoveLocal));
        assert_eq!(rename(SENT, DirKind::Local, SHARED), Ok(RenamePlan::HandOver));
        assert_eq!(rename(SENT, DirKind::Local, VIEWED), Err(Refusal::ReadOnlyAlbum));
        assert_eq!(rename(EntryKind::LocalDirectory, DirKind::Local, SHARED), Err(Refusal::FixedPlace));
        assert_eq!(plan_removal(SHARED, own, false), Ok(RemovalPlan::LeaveAlbum));
        assert_eq!(plan_removal(VIEWED, own, false), Ok(RemovalPlan::LeaveAlbum));
        assert_eq!(plan_removal(SHARED, foreign, false), Err(Refusal::Foreign));
        assert_eq!(plan_removal(ALBUM, foreign, false), Err(Refusal::Foreign));
        assert_eq!(check_new_file(SHARED, b"x.jpg"), Ok(()));
        assert_eq!(check_new_file(VIEWED, b"x.jpg"), Err(Refusal::ReadOnlyAlbum));
        assert_eq!(check_new_file(DirKind::SharedList, b"x.jpg"), Err(Refusal::FixedPlace));
        assert_eq!(check_new_directory(VIEWED, b"x"), Err(Refusal::ReadOnlyAlbum));
        assert_eq!(check_new_directory(SHARED, b"x"), Err(Refusal::FixedPlace));
        assert_eq!(check_new_directory(ARCHIVE, b"x"), Ok(()));
        let over = RenameTarget {
            dir: SHARED,
            name: b"x",
            same_directory: false,
            occupant: Some(foreign),
            allow_trash: false,
        };
        let source = RenameSource { dir: DirKind::Local, entry: UNSENT, linked: false, passed: false };
        assert_eq!(plan_rename(source, over), Err(Refusal::Foreign));
        let link = |entry, dir| {
            plan_link(
                LinkSource { entry, in_album: true, same_name: true, is_member: false, in_trash: false },
                dir,
                b"x.jpg",
            )
        };
        assert_eq!(link(own, SHARED), Ok(LinkPlan::AddPhoto));
        assert_eq!(link(own, VIEWED), Err(Refusal::ReadOnlyAlbum));
        assert_eq!(link(foreign, ALBUM), Err(Refusal::AcrossTrees));
    }

    /// "rename into `.Trash-$UID/files`: from an album as `unlink`; from a drop as 4.3; from Uncategorized the entry is hidden there."
    #[test]
    fn a_file_managers_trash_takes_what_is_moved_in_and_nothing_else() {
        let trash = DirKind::TrashFiles;
        for dir in [ALBUM, FAVORITES, UNCATEGORIZED, SHARED] {
            assert_eq!(rename(EntryKind::Photo, dir, trash), Ok(RenamePlan::TrashPhoto));
        }
        assert_eq!(rename(EntryKind::ForeignPhoto, SHARED, trash), Err(Refusal::Foreign));
        assert_eq!(rename(EntryKind::AlbumDirectory, LIST, trash), Ok(RenamePlan::TrashAlbum));
        assert_eq!(rename(EntryKind::AlbumDirectory, DirKind::SharedList, trash), Err(Refusal::Foreign));
        for entry in [SENT, UNSENT, EntryKind::LocalDirectory] {
            assert_eq!(rename(entry, DirKind::Local, trash), Ok(RenamePlan::MoveLocal));
            assert_eq!(rename(entry, trash, DirKind::Local), Ok(RenamePlan::MoveLocal));
        }
        assert_eq!(rename(SENT, trash, ALBUM), Ok(RenamePlan::HandOver));
        assert_eq!(plan_removal(trash, SENT, false), Ok(RemovalPlan::ForgetEntry));
        assert_eq!(check_new_file(trash, b"x.jpg"), Err(Refusal::FixedPlace), "nothing is copied into it");
        assert_eq!(check_new_directory(trash, b"x"), Err(Refusal::FixedPlace));
        assert_eq!(rename(EntryKind::DropRoot, DirKind::Root, trash), Err(Refusal::FixedPlace));
    }

    /// "`unlink` in Uncategorized: EPERM, unless mounted with `-o allow_trash`; then it goes to Ente's trash. `unlink` in
    /// `Trash/`: EPERM always." "rename into Trash: move to Ente's trash, when mounted with `-o allow_trash`; else EPERM."
    #[test]
    fn only_a_mount_that_allows_it_reaches_entes_trash() {
        let into = |dir, entry, occupant, allow_trash| {
            let target =
                RenameTarget { dir: DirKind::Trash, name: b"x.jpg", same_directory: false, occupant, allow_trash };
            plan_rename(RenameSource { dir, entry, linked: false, passed: false }, target)
        };
        assert_eq!(plan_removal(UNCATEGORIZED, EntryKind::Photo, true), Ok(RemovalPlan::Trash));
        for allow_trash in [false, true] {
            assert_eq!(plan_removal(DirKind::Trash, EntryKind::Photo, allow_trash), Err(Refusal::WouldDestroy));
            assert_eq!(plan_removal(ALBUM, EntryKind::Photo, allow_trash), Ok(RemovalPlan::LeaveAlbum));
            for entry in [SENT, UNSENT, EntryKind::LocalDirectory] {
                assert_eq!(into(DirKind::Local, entry, None, allow_trash), Err(Refusal::FixedPlace));
            }
            assert_eq!(into(LIST, EntryKind::AlbumDirectory, None, allow_trash), Err(Refusal::FixedPlace));
            assert_eq!(into(SHARED, EntryKind::Photo, None, allow_trash), Err(Refusal::FixedPlace));
            assert_eq!(into(SHARED, EntryKind::ForeignPhoto, None, allow_trash), Err(Refusal::FixedPlace));
        }
        for dir in [ALBUM, FAVORITES, UNCATEGORIZED] {
            assert_eq!(into(dir, EntryKind::Photo, None, false), Err(Refusal::WouldDestroy));
            assert_eq!(into(dir, EntryKind::Photo, None, true), Ok(RenamePlan::TrashInEnte));
            assert_eq!(into(dir, EntryKind::Photo, Some(EntryKind::Photo), true), Err(Refusal::Exists));
        }
    }

    /// "rename out of Trash into an album: restore." "`Trash/` accepts no new files: EPERM."
    #[test]
    fn out_of_the_trash_a_photo_goes_into_an_own_album_and_nowhere_else() {
        let trash = DirKind::Trash;
        for dir in [ALBUM, FAVORITES, UNCATEGORIZED] {
            assert_eq!(rename(EntryKind::Photo, trash, dir), Ok(RenamePlan::Restore));
        }
        for dir in [trash, SHARED, DirKind::Local, DirKind::TrashFiles, DirKind::Root, LIST] {
            assert_eq!(rename(EntryKind::Photo, trash, dir), Err(Refusal::FixedPlace));
        }
        let trashed =
            LinkSource { entry: EntryKind::Photo, in_album: true, same_name: true, is_member: false, in_trash: true };
        assert_eq!(plan_link(trashed, ALBUM, b"x.jpg"), Err(Refusal::FixedPlace));
        assert_eq!(plan_link(LinkSource { in_trash: false, ..trashed }, trash, b"x.jpg"), Err(Refusal::FixedPlace));
        assert_eq!(check_new_file(trash, b"x.jpg"), Err(Refusal::FixedPlace));
        assert_eq!(check_new_directory(trash, b"x"), Err(Refusal::FixedPlace));
    }

    #[test]
    fn a_linked_drop_entry_is_copied_into_an_album() {
        let target =
            RenameTarget { dir: ALBUM, name: b"x.jpg", same_directory: false, occupant: None, allow_trash: false };
        for entry in [SENT, UNSENT] {
            let source = RenameSource { dir: DirKind::Local, entry, linked: true, passed: false };
            assert_eq!(plan_rename(source, target), Err(Refusal::AcrossTrees));
            let within = RenameTarget { dir: DirKind::Local, ..target };
            assert_eq!(plan_rename(source, within), Ok(RenamePlan::MoveLocal));
        }
    }

    /// "`link` a file into another album: add to album, no upload; another basename, or a second name in the same
    /// album: EPERM." "`link` inside a drop: a second drop entry of the same inode."
    #[test]
    fn a_link_is_one_more_album_or_one_more_drop_entry() {
        let photo =
            LinkSource { entry: EntryKind::Photo, in_album: true, same_name: true, is_member: false, in_trash: false };
        assert_eq!(plan_link(photo, ALBUM, b"x.jpg"), Ok(LinkPlan::AddPhoto));
        assert_eq!(plan_link(photo, FAVORITES, b"x.jpg"), Ok(LinkPlan::AddPhoto));
        assert_eq!(plan_link(photo, UNCATEGORIZED, b"x.jpg"), Err(Refusal::OneName));
        assert_eq!(plan_link(LinkSource { same_name: false, ..photo }, ALBUM, b"y.jpg"), Err(Refusal::OneName));
        assert_eq!(plan_link(LinkSource { is_member: true, ..photo }, ALBUM, b"x.jpg"), Err(Refusal::OneName));
        assert_eq!(plan_link(photo, DirKind::Local, b"x.jpg"), Err(Refusal::AcrossTrees));
        assert_eq!(plan_link(photo, DirKind::Root, b"x.jpg"), Err(Refusal::FixedPlace));
        assert_eq!(plan_link(photo, ALBUM, &[b'x'; 256]), Err(Refusal::NameTooLong));
        let drop = LinkSource { entry: UNSENT, in_album: false, same_name: false, is_member: false, in_trash: false };
        assert_eq!(plan_link(drop, DirKind::Local, b"y.jpg"), Ok(LinkPlan::NameTwice));
        assert_eq!(plan_link(LinkSource { entry: SENT, ..drop }, DirKind::Local, b"y.jpg"), Ok(LinkPlan::NameTwice));
        assert_eq!(plan_link(drop, ALBUM, b"x.jpg"), Err(Refusal::AcrossTrees));
        let fresh = LinkSource { in_album: true, same_name: true, ..drop };
        assert_eq!(plan_link(fresh, ALBUM, b"x.jpg"), Ok(LinkPlan::NameTwice));
        assert_eq!(plan_link(LinkSource { same_name: false, ..fresh }, ALBUM, b"y.jpg"), Err(Refusal::OneName));
        assert_eq!(plan_link(fresh, DirKind::Local, b"x.jpg"), Err(Refusal::AcrossTrees));
    }

    #[test]
    fn directories_do_not_replace_files_nor_files_directories() {
        let onto = |entry, occupant| {
            let occupant = Some(occupant);
            let target =
                RenameTarget { dir: DirKind::Local, name: b"x", same_directory: true, occupant, allow_trash: false };
            plan_rename(RenameSource { dir: DirKind::Local, entry, linked: false, passed: false }, target)
        };
        assert_eq!(onto(UNSENT, EntryKind::LocalDirectory), Err(Refusal::IsDirectory));
        assert_eq!(onto(EntryKind::LocalDirectory, UNSENT), Err(Refusal::NotDirectory));
        assert_eq!(onto(UNSENT, SENT), Ok(RenamePlan::MoveLocal));
        assert_eq!(onto(UNSENT, EntryKind::Fixed), Err(Refusal::FixedPlace));
    }
}
