//! One picture out of a video, taken by ffmpeg where it is installed.
//!
//! Guarantees: ffmpeg runs under a worker's limits and within a job's time, knows no key, and is given the parts of the
//! video that its first pictures need in a file that exists in memory alone. It reads with the readers it is told and
//! opens nothing else; what it writes is read as a stranger's.

use super::nursery::{Nursery, Timed, confined};
use super::{FRAME_ARGUMENT, Isolation, IsolationError, NoThumbnail};
use crate::base::ReadAt;
use crate::media::{Format, Thumbnail, ThumbnailError, Told, demuxers, opening, thumbnail_of_frame};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::fs::File;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{self, Command};
use std::time::Instant;

/// Bytes of address space: the program and its libraries, and the pictures that one of 4K in HEVC refers to.
const MEMORY: u64 = 1536 << 20;
/// Of a picture, and of what is said beside it.
const LONGEST: u64 = 4 << 20;

/// ffmpeg on the search path, or where distributions put it.
pub fn find_ffmpeg() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join("ffmpeg")).find(|program| program.is_file())
}

/// A picture, and what ffmpeg says of the video.
pub(super) struct Shot {
    pub thumbnail: Thumbnail,
    pub told: Told,
}

/// The picture a second into the video, as Ente's clients take it, or else its first.
pub(super) fn shoot_video(
    nursery: &Nursery,
    isolation: &Isolation,
    format: Format,
    file: &dyn ReadAt,
) -> Result<Shot, NoThumbnail> {
    let found = isolation.ffmpeg.clone().or_else(find_ffmpeg).filter(|program| program.is_file());
    let ffmpeg = found.ok_or(NoThumbnail::NoFfmpeg)?;
    let film = film(file, format)?;
    let mut outcome = Err(ThumbnailError::Unsupported.into());
    for first in [false, true] {
        let mut command = confined(&isolation.program, FRAME_ARGUMENT, MEMORY);
        command.arg(&ffmpeg).args(arguments(demuxers(format), first));
        outcome = shoot(nursery, command, &film, isolation);
        if !matches!(outcome, Err(NoThumbnail::Decoder(_))) {
            break;
        }
    }
    outcome
}

/// The video in memory, as long as it is, with holes where its later pictures are.
fn film(file: &dyn ReadAt, format: Format) -> Result<File, IsolationError> {
    const PIECE: usize = 512 << 10;
    let film = memfd_create("film", MemfdFlags::CLOEXEC).map_err(|error| IsolationError::Spawn(error.into()))?;
    ftruncate(&film, file.size()).map_err(|error| IsolationError::Spawn(error.into()))?;
    let film = File::from(film);
    let mut piece = vec![0; PIECE];
    for part in opening(file, format) {
        let mut at = part.start;
        while at < part.end {
            let n =
                file.read_at(at, &mut piece[..PIECE.min((part.end - at) as usize)]).map_err(IsolationError::Source)?;
            if n == 0 {
                return Err(IsolationError::Source(io::ErrorKind::UnexpectedEof.into()));
            }
            film.write_all_at(&piece[..n], at).map_err(IsolationError::Spawn)?;
            at += n as u64;
        }
    }
    Ok(film)
}

/// A second in, nothing damaged is wanted: there may be a hole. Of the first picture whatever there is.
fn arguments(demuxers: &str, first: bool) -> Vec<&str> {
    // As wide as it is meant to be seen, then into the box, never enlarged.
    const SCALE: &str = "scale=w='max(1,trunc(iw*if(sar,sar,1)))':h=ih,setsar=1,\
                         scale=w='min(720,iw)':h='min(720,ih)':force_original_aspect_ratio=decrease:flags=bicubic";
    let strictly: &[&str] = if first { &[] } else { &["-xerror", "-err_detect", "explode", "-ss", "1"] };
    let limits = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "info", "-max_alloc", "536870912"];
    // What a crafted file asks to be opened beside it, and by which reader.
    let reach = ["-protocol_whitelist", "file", "-format_whitelist", demuxers, "-threads", "1"];
    let picture = ["-map", "0:v:0", "-an", "-sn", "-dn", "-frames:v", "1", "-vf", SCALE];
    let written = ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"];
    [&limits[..], strictly, &reach, &["-i", "file:/proc/self/fd/0"], &picture, &written].concat()
}

fn shoot(nursery: &Nursery, mut command: Command, film: &File, isolation: &Isolation) -> Result<Shot, NoThumbnail> {
    let pair = || UnixStream::pair().map_err(IsolationError::Spawn);
    let ((ours, theirs), (said, saying)) = (pair()?, pair()?);
    let stdin = film.try_clone().map_err(IsolationError::Spawn)?;
    command.stdin(OwnedFd::from(stdin)).stdout(OwnedFd::from(theirs)).stderr(OwnedFd::from(saying));
    let child = Killed(nursery.start(command).map_err(IsolationError::Spawn)?);
    let deadline = Instant::now() + isolation.time;
    // Read beside the picture, so that a talkative ffmpeg does not wait for a reader.
    let (read, picture, report) = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(&said, deadline));
        let mut picture = Vec::new();
        let read = Timed { stream: &ours, deadline }.take(LONGEST).read_to_end(&mut picture);
        drop(child);
        // What was said already is still heard. Who else holds the other end is not waited for.
        let _ = said.shutdown(Shutdown::Both);
        (read, picture, listener.join().unwrap_or_default())
    });
    match read {
        Ok(_) => Ok(Shot { thumbnail: thumbnail_of_frame(&picture, &report)?, told: Told::of(&report) }),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(IsolationError::TimedOut.into()),
        Err(error) => Err(IsolationError::Crashed(error.to_string()).into()),
    }
}

/// What is lost of a report is a colour at worst.
fn listen(said: &UnixStream, deadline: Instant) -> String {
    let (mut stream, mut report) = (Timed { stream: said, deadline }, Vec::new());
    let _ = (&mut stream).take(LONGEST).read_to_end(&mut report);
    let _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&report).into_owned()
}

/// A child that does not outlive this.
struct Killed(process::Child);

impl Drop for Killed {
    /// Waits for a process that was just killed: no longer than the kernel takes.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
