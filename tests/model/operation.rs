//! What happens in a sequence: by this device, by another one, by the network and by time. `{:?}` is Rust.

use crate::elsewhere::{Elsewhere, Place};
use crate::photos::{CONTENTS, Content};
use crate::random::Random;
use crate::remote::When;

/// A directory of the mount.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dir {
    Drop,
    DropX,
    Album(Album),
    Favorites,
    Uncategorized,
    Trash,
}

/// A name in `Albums/`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Album {
    X,
    Y,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Write(Dir, &'static str, Content),
    Patch(Dir, &'static str, Content),
    Unlink(Dir, &'static str),
    Rename(Dir, &'static str, Dir, &'static str),
    Touch(Dir, &'static str, i64),
    MakeDropX,
    MakeAlbum(Album),
    RemoveAlbum(Album),
    RemoveDropX,
    RenameAlbum(Album, Album),
    /// Time passes.
    Wait(u64),
    /// The uploads that are due go as far as they can.
    Upload,
    Push,
    Pull,
    /// Uploads, changes and pulls, until nothing is due.
    Work,
    Down,
    Up,
    /// The call after so many others goes wrong.
    Fail(u32, When),
    Crash,
    /// From here on the mount may put photos into Ente's trash.
    AllowTrash,
    Other(Elsewhere),
}

const NAMES: [&str; 3] = ["a.jpg", "b.jpg", ".a.jpg.x1Y2z3"];

impl Dir {
    pub fn path(self) -> &'static [&'static str] {
        match self {
            Self::Drop => &["Drop"],
            Self::DropX => &["Drop", "X"],
            Self::Album(Album::X) => &["Albums", "X"],
            Self::Album(Album::Y) => &["Albums", "Y"],
            Self::Favorites => &["Favorites"],
            Self::Uncategorized => &["Uncategorized"],
            Self::Trash => &["Trash"],
        }
    }

    pub fn is_drop(self) -> bool {
        matches!(self, Self::Drop | Self::DropX)
    }
}

impl Album {
    pub fn name(self) -> &'static str {
        match self {
            Self::X => "X",
            Self::Y => "Y",
        }
    }

    fn other(self) -> Self {
        if self == Self::X { Self::Y } else { Self::X }
    }
}

/// Where a sequence takes place: few directories, so that its operations meet.
pub struct Stage([Dir; 3]);

const DIRS: [Dir; 7] =
    [Dir::Drop, Dir::DropX, Dir::Album(Album::X), Dir::Album(Album::Y), Dir::Favorites, Dir::Uncategorized, Dir::Trash];

impl Stage {
    pub fn draw(random: &mut Random) -> Self {
        let at = random.below(4) as usize;
        Self([DIRS[at], DIRS[(at + 1 + random.below(3) as usize) % 6], DIRS[random.below(7) as usize]])
    }

    /// What a sequence begins with, so that there is something to work on.
    pub fn opening(&self, random: &mut Random) -> Vec<Op> {
        let mut ops = vec![Op::MakeDropX, Op::MakeAlbum(Album::X), Op::MakeAlbum(Album::Y)];
        for _ in 0..3 {
            let dir = self.dir(random);
            ops.push(Op::Write(dir, plain(random), content(random)));
        }
        ops.extend([Op::Wait(15), Op::Work]);
        if random.below(2) == 0 {
            ops.push(Op::AllowTrash);
        }
        ops
    }

    fn dir(&self, random: &mut Random) -> Dir {
        self.0[random.below(3) as usize]
    }
}

/// Temporary names are for drops, where programs write by them.
fn name(random: &mut Random, dir: Dir) -> &'static str {
    NAMES[random.below(if dir.is_drop() { 3 } else { 2 }) as usize]
}

fn plain(random: &mut Random) -> &'static str {
    NAMES[random.below(2) as usize]
}

fn album(random: &mut Random) -> Album {
    if random.below(2) == 0 { Album::X } else { Album::Y }
}

fn place(random: &mut Random) -> Place {
    [Place::X, Place::Y, Place::X, Place::Y, Place::Favorites, Place::Uncategorized][random.below(6) as usize]
}

fn content(random: &mut Random) -> Content {
    Content(random.below(u64::from(CONTENTS)) as u8)
}

/// The next thing that happens.
pub fn draw(random: &mut Random, stage: &Stage) -> Op {
    match random.below(100) {
        0..18 => {
            let dir = stage.dir(random);
            Op::Write(dir, name(random, dir), content(random))
        }
        18..23 => {
            let dir = stage.dir(random);
            Op::Patch(dir, name(random, dir), content(random))
        }
        23..32 => {
            let dir = stage.dir(random);
            Op::Unlink(dir, name(random, dir))
        }
        32..46 => {
            let (from, to) = (stage.dir(random), stage.dir(random));
            let to = if random.below(3) == 0 { from } else { to };
            Op::Rename(from, name(random, from), to, name(random, to))
        }
        46..48 => {
            let dir = stage.dir(random);
            Op::Touch(dir, plain(random), 1_500_000_000 + random.below(3) as i64)
        }
        48..50 => Op::MakeDropX,
        50..53 => Op::MakeAlbum(album(random)),
        53 => Op::RemoveAlbum(album(random)),
        54 => Op::RemoveDropX,
        55 => {
            let album = album(random);
            Op::RenameAlbum(album, album.other())
        }
        56..61 => Op::Wait([1, 15, 400][random.below(3) as usize]),
        61..66 => Op::Upload,
        66..70 => Op::Push,
        70..74 => Op::Pull,
        74..80 => Op::Work,
        80 => Op::Down,
        81..83 => Op::Up,
        83..86 => Op::Fail(random.below(12) as u32, if random.below(2) == 0 { When::Before } else { When::After }),
        86..89 => Op::Crash,
        _ => Op::Other(elsewhere(random)),
    }
}

fn elsewhere(random: &mut Random) -> Elsewhere {
    let photo = random.below(6) as u8;
    match random.below(12) {
        0 => Elsewhere::MakeAlbum(place(random)),
        1 => Elsewhere::RenameAlbum(place(random), place(random)),
        2 => Elsewhere::DeleteAlbum(place(random)),
        3 => Elsewhere::Archive(place(random), random.below(2) == 0),
        4..6 => Elsewhere::Upload(place(random), plain(random), content(random)),
        6 => Elsewhere::Add(photo, place(random)),
        7..9 => Elsewhere::Move(photo, place(random), place(random)),
        9 => Elsewhere::Rename(photo, plain(random)),
        10 => Elsewhere::Trash(photo),
        _ => Elsewhere::Restore(photo, place(random)),
    }
}
