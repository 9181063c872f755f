//! Media workers as real processes: what a bad file costs, and what a worker may not do.

use entefs::base::{ReadAt, Timestamp};
use entefs::media::job::{Client, Request};
use entefs::media::{Format, Size, Zone};
use entefs::upload::isolate::{Isolated, Isolation, IsolationError, NoThumbnail, WORKER_ARGUMENT};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_entefs");

fn settings() -> Isolation {
    Isolation { program: PROGRAM.into(), parallel: 2, ..Isolation::default() }
}

fn isolated(settings: Isolation) -> Isolated {
    Isolated::new(settings).expect("a thread starts")
}

fn request(format: Format) -> Request {
    Request {
        format,
        name: b"a".to_vec(),
        modified: Timestamp(1_600_000_000_000_000),
        now: Timestamp(1_781_524_800_000_000),
        zone: Zone::Local,
        facts: true,
        thumbnail: true,
    }
}

fn jpeg(width: u16, height: u16, progressive: bool) -> Vec<u8> {
    let grey: Vec<u8> = (0..usize::from(width) * usize::from(height)).map(|n| (n % 255) as u8).collect();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
    encoder.set_progressive(progressive);
    encoder.encode(&grey, width, height, jpeg_encoder::ColorType::Luma).expect("a picture");
    bytes
}

/// A program that does something else than a worker.
fn impostor(directory: &tempfile::TempDir, script: &str) -> PathBuf {
    let path = directory.path().join("impostor");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a temporary directory takes a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    path
}

#[test]
fn a_child_is_reused_until_it_has_done_its_share() {
    let isolated = isolated(Isolation { jobs_per_child: 3, ..settings() });
    let mut children = Vec::new();
    for _ in 0..6 {
        let answer = isolated.run(&request(Format::Jpeg), &jpeg(900, 600, false)).expect("an answer");
        assert_eq!(answer.facts.and_then(|facts| facts.size), Size::new(900, 600));
        assert!(answer.thumbnail.is_some_and(|thumbnail| thumbnail.is_ok()));
        children.push(isolated.idle_child());
    }
    assert!(children[0].is_some() && children[0] == children[1]);
    assert_eq!(children[2], None, "its third job was its last");
    assert_ne!(children[3], children[0]);
}

#[test]
fn a_hanging_child_is_killed_when_its_time_is_up() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let program = impostor(&directory, "exec sleep 60");
    let isolated = isolated(Isolation { program, time: Duration::from_millis(300), ..settings() });
    let start = Instant::now();
    let failed = isolated.run(&request(Format::Jpeg), &jpeg(8, 8, false));
    assert!(matches!(failed, Err(IsolationError::TimedOut)), "{failed:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(isolated.idle_child(), None);
}

#[test]
fn a_slow_file_counts_against_the_time_too() {
    struct Slow;
    impl ReadAt for Slow {
        fn read_at(&self, _: u64, buf: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(400));
            Ok(buf.len())
        }
        fn size(&self) -> u64 {
            1 << 30
        }
    }
    let isolated = isolated(Isolation { time: Duration::from_millis(200), ..settings() });
    assert!(matches!(isolated.run(&request(Format::Jpeg), &Slow), Err(IsolationError::TimedOut)));
}

#[test]
fn a_crash_costs_one_file_and_the_next_is_done() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (script, name) in
        [("kill -SEGV $$", "signal"), ("exit 3", "exit status"), ("echo rubbish; exec sleep 60", "impossible length")]
    {
        let isolated = isolated(Isolation { program: impostor(&directory, script), ..settings() });
        match isolated.run(&request(Format::Jpeg), &jpeg(8, 8, false)) {
            Err(IsolationError::Crashed(how)) => assert!(how.contains(name), "{how}"),
            other => panic!("{other:?}"),
        }
    }
    let isolated = isolated(settings());
    isolated.run(&request(Format::Jpeg), &jpeg(8, 8, false)).expect("an answer");
    let idle = isolated.idle_child().expect("a child is kept");
    assert!(Command::new("kill").args(["-KILL", &idle.to_string()]).status().is_ok_and(|status| status.success()));
    std::thread::sleep(Duration::from_millis(200));
    isolated.run(&request(Format::Jpeg), &jpeg(8, 8, false)).expect("a dead idle child harms no job");
    assert_ne!(isolated.idle_child(), Some(idle));
}

#[test]
fn a_file_that_eats_memory_is_too_big_and_nothing_more() {
    // A progressive JPEG that claims 16,000 × 16,000 pixels: half a gigabyte of coefficients before the first is read.
    let mut bomb = jpeg(16, 16, true);
    let frame = bomb.windows(2).position(|marker| marker == [0xff, 0xc2]).expect("a progressive frame");
    bomb[frame + 5..frame + 9].copy_from_slice(&[0x3e, 0x80, 0x3e, 0x80]);
    let isolated = isolated(Isolation { memory: 400 << 20, ..settings() });
    let failed = isolated.run(&request(Format::Jpeg), &bomb);
    assert!(matches!(failed, Err(IsolationError::TooBig)), "{failed:?}");
    isolated.run(&request(Format::Jpeg), &jpeg(900, 600, false)).expect("the next file is done");
    let examined = isolated.examine(&request(Format::Jpeg), &bomb).expect("nobody else is to blame");
    assert_eq!(examined.facts.size, Size::new(16_000, 16_000), "its facts are known all the same");
    assert!(matches!(examined.thumbnail, Err(NoThumbnail::Worker(IsolationError::TooBig))), "{:?}", examined.thumbnail);
}

#[test]
fn a_file_on_which_the_worker_fails_keeps_the_date_of_its_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let isolated = isolated(Isolation { program: impostor(&directory, "kill -SEGV $$"), ..settings() });
    let request = Request { name: b"IMG_20240115_120000.jpg".to_vec(), zone: Zone::Fixed(0), ..request(Format::Jpeg) };
    let examined = isolated.examine(&request, &jpeg(8, 8, false)).expect("nobody else is to blame");
    assert_eq!(examined.facts.created, Timestamp(1_705_320_000_000_000));
    assert!(matches!(examined.thumbnail, Err(NoThumbnail::Worker(IsolationError::Crashed(_)))));
}

#[test]
fn an_examination_gives_facts_and_thumbnail() {
    let isolated = isolated(settings());
    let examined = isolated.examine(&request(Format::Jpeg), &jpeg(900, 600, false)).expect("an answer");
    assert_eq!(examined.facts.size, Size::new(900, 600));
    assert!(examined.thumbnail.is_ok_and(|made| made.size == Size { width: 720, height: 480 }));
    let failed = isolated.examine(&request(Format::Jpeg), &Damaged);
    assert!(matches!(failed, Err(IsolationError::Source(_))), "{failed:?}");
}

/// What the spool says of a file whose blocks do not verify.
struct Damaged;
impl ReadAt for Damaged {
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("does not verify"))
    }
    fn size(&self) -> u64 {
        1000
    }
}

#[test]
fn a_file_that_does_not_read_is_told_from_a_bad_one() {
    let isolated = isolated(settings());
    let failed = isolated.run(&request(Format::Jpeg), &Damaged);
    assert!(matches!(failed, Err(IsolationError::Source(_))), "{failed:?}");
    assert!(isolated.idle_child().is_some(), "the child is not to blame");
}

#[test]
fn a_program_that_is_not_there_is_no_fault_of_the_file() {
    let isolated = isolated(Isolation { program: "/nonexistent".into(), ..settings() });
    assert!(matches!(isolated.run(&request(Format::Jpeg), &jpeg(8, 8, false)), Err(IsolationError::Spawn(_))));
}

/// A file that knows how many read it and its kind at once.
struct Watched<'a> {
    bytes: Vec<u8>,
    now: &'a AtomicUsize,
    most: &'a AtomicUsize,
}

impl ReadAt for Watched<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.bytes.read_at(offset, buf)
    }

    fn size(&self) -> u64 {
        self.bytes.size()
    }
}

#[test]
fn no_more_children_work_at_once_than_allowed() {
    let isolated = isolated(settings());
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let file = Watched { bytes: jpeg(64, 64, false), now: &now, most: &most };
                isolated.run(&request(Format::Jpeg), &file).expect("an answer");
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[test]
fn a_child_has_limits_and_no_environment() {
    let isolated = isolated(settings());
    isolated.run(&request(Format::Jpeg), &jpeg(8, 8, false)).expect("an answer");
    let process = PathBuf::from(format!("/proc/{}", isolated.idle_child().expect("a child is kept")));
    let limits = fs::read_to_string(process.join("limits")).expect("everybody may read limits");
    let limit = |name: &str| {
        limits
            .lines()
            .find(|line| line.starts_with(name))
            .map(|line| line.split_whitespace().nth(name.split(' ').count()).unwrap_or_default().to_owned())
    };
    assert_eq!(limit("Max address space").as_deref(), Some((768 << 20).to_string().as_str()));
    assert_eq!(limit("Max core file size").as_deref(), Some("1"));
    assert_eq!(limit("Max file size").as_deref(), Some("0"));
    // A process that leaves no core shows these to root alone.
    if let Ok(environment) = fs::read(process.join("environ")) {
        let names: Vec<_> =
            environment.split(|byte| *byte == 0).filter_map(|pair| pair.split(|byte| *byte == b'=').next()).collect();
        assert!(names.iter().all(|name| [&b""[..], b"TZ", b"MALLOC_ARENA_MAX"].contains(name)));
    }
    if let Ok(files) = fs::read_dir(process.join("fd")) {
        let mut names: Vec<_> = files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        // The worker's own two copies of the socket, behind the three standard streams.
        assert_eq!(names, ["0", "1", "2", "3", "4"]);
    }
}

/// A worker started by hand, and our end of its socket.
fn worker(zone: &str) -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let child = Command::new(PROGRAM)
        .args([WORKER_ARGUMENT, &std::process::id().to_string(), "1000000000"])
        .env("TZ", zone)
        .stdin(OwnedFd::from(theirs.try_clone().expect("a copy")))
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    (child, ours)
}

#[test]
fn a_child_leaves_when_its_input_ends() {
    let (mut child, stream) = worker("UTC");
    drop(stream);
    assert!(child.wait().is_ok_and(|status| status.success()));
}

#[test]
fn a_child_dies_with_the_thread_that_started_it() {
    let (started, stream) = std::thread::spawn(|| {
        let (child, stream) = worker("UTC");
        // One answer, so that it has told the kernel of its wish.
        Client::new(stream.try_clone().expect("a copy"))
            .run(&request(Format::Jpeg), &jpeg(8, 8, false))
            .expect("an answer");
        (child, stream)
    })
    .join()
    .expect("no panic");
    let mut child = started;
    assert_eq!(child.wait().expect("it was ours").signal(), Some(9));
    drop(stream);
}

#[test]
fn local_times_are_read_in_the_zone_of_the_machine() {
    let (_child, stream) = worker("CET-1CEST,M3.5.0,M10.5.0/3");
    let mut client = Client::new(stream);
    let mut created = |name: &str| {
        let request = Request { name: name.as_bytes().to_vec(), ..request(Format::Jpeg) };
        client.run(&request, &jpeg(8, 8, false)).expect("an answer").facts.expect("facts").created.0 / 1_000_000
    };
    assert_eq!(created("IMG_20240115_120000.jpg"), 1_705_316_400, "winter: one hour");
    assert_eq!(created("IMG_20240715_120000.jpg"), 1_721_037_600, "summer: two");
    assert_eq!(created("IMG_20241027_023000.jpg"), 1_729_989_000, "twice: the first");
    assert_eq!(created("IMG_20240331_023000.jpg"), 1_711_848_600, "never: as far behind the change");
}

/// A program in ffmpeg's place, and a video of six bytes.
fn with_ffmpeg(directory: &tempfile::TempDir, script: &str) -> Isolation {
    Isolation { ffmpeg: Some(impostor(directory, script)), ..settings() }
}

const VIDEO: &[u8] = b"\xff\0\0\0\0\xff";

#[test]
fn a_video_gets_the_picture_that_ffmpeg_takes_out_of_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = with_ffmpeg(&directory, "printf 'P6\\n2 1\\n255\\n'; head -c 6 /proc/self/fd/0");
    let examined = isolated(settings).examine(&request(Format::Avi), &VIDEO.to_vec()).expect("an answer");
    let thumbnail = examined.thumbnail.expect("a picture");
    assert_eq!(Some(thumbnail.size), Size::new(2, 1));
}

#[test]
fn without_ffmpeg_a_video_has_its_facts_and_no_thumbnail() {
    let settings = Isolation { ffmpeg: Some("/nowhere/ffmpeg".into()), ..settings() };
    let examined = isolated(settings).examine(&request(Format::Mov), &VIDEO.to_vec()).expect("an answer");
    assert!(matches!(examined.thumbnail, Err(NoThumbnail::NoFfmpeg)), "{:?}", examined.thumbnail);
    assert_eq!(examined.facts.created, request(Format::Mov).modified);
}

#[test]
fn an_ffmpeg_that_hangs_crashes_or_babbles_costs_that_thumbnail() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let examine = |script: &str| {
        let settings = Isolation { time: Duration::from_millis(1500), ..with_ffmpeg(&directory, script) };
        isolated(settings).examine(&request(Format::Matroska), &VIDEO.to_vec()).expect("an answer").thumbnail
    };
    let start = Instant::now();
    let late = examine("exec sleep 60");
    assert!(matches!(late, Err(NoThumbnail::Worker(IsolationError::TimedOut))), "{late:?}");
    for script in ["kill -9 $$", "exit 1", "yes | head -c 9000000", "yes | head -c 9000000 >&2", "printf 'P6 9 9 255 '"]
    {
        let failed = examine(script);
        assert!(matches!(failed, Err(NoThumbnail::Decoder(_))), "{script}: {failed:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn ffmpeg_cannot_write_a_byte_and_sees_nothing_of_this_process() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let leak = directory.path().join("leak");
    let script = format!(
        "[ -z \"$HOME\" ] || exit 1; cat /proc/self/fd/0 > {}; printf 'P6 2 1 255\\n'; head -c 6 /proc/self/fd/0",
        leak.display()
    );
    let examined =
        isolated(with_ffmpeg(&directory, &script)).examine(&request(Format::Avi), &VIDEO.to_vec()).expect("an answer");
    assert!(fs::read(&leak).is_ok_and(|leaked| leaked.is_empty()), "a file of nothing is all it can make");
    assert!(examined.thumbnail.is_ok(), "{:?}", examined.thumbnail);
}

/// A video of a second and a half made by ffmpeg itself; `None`, said aloud, where it is not installed.
fn video(directory: &tempfile::TempDir, name: &str, options: &[&str]) -> Option<Vec<u8>> {
    let Some(ffmpeg) = entefs::upload::isolate::find_ffmpeg() else {
        println!("skipped: ffmpeg is not installed");
        return None;
    };
    let path = directory.path().join(name);
    // The upper half is red, the lower blue.
    let source = "color=red:s=320x120:d=1.5,pad=320:240:0:0:blue";
    let made = Command::new(ffmpeg)
        .args(["-loglevel", "error", "-f", "lavfi", "-i", source])
        .args(options)
        .arg(&path)
        .status()
        .expect("ffmpeg starts");
    assert!(made.success(), "ffmpeg made no {name}");
    fs::read(path).ok()
}

/// Size, and the colours of the thumbnail's first and last pixel as letters.
fn seen(format: Format, film: &[u8]) -> (u16, u16, String) {
    let thumbnail = isolated(settings())
        .examine(&request(format), &film.to_vec())
        .expect("an answer")
        .thumbnail
        .expect("a picture");
    let mut decoder = jpeg_decoder::Decoder::new(thumbnail.jpeg.as_slice());
    let pixels = decoder.decode().expect("a JPEG");
    let info = decoder.info().expect("it was decoded");
    let letter = |at: usize| match [pixels[at] > 150, pixels[at + 1] > 110, pixels[at + 2] > 150] {
        [true, false, false] => 'r',
        [false, false, true] => 'b',
        _ => '?',
    };
    let corners = [0, (usize::from(info.width) - 1) * 3, pixels.len() - 3].map(letter);
    (info.width, info.height, corners.iter().collect())
}

#[test]
fn videos_of_every_container_have_a_picture() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (format, name) in [
        (Format::Mp4, "a.mp4"),
        (Format::Mov, "a.mov"),
        (Format::Matroska, "a.mkv"),
        (Format::Avi, "a.avi"),
        (Format::MpegPs, "a.mpg"),
        (Format::MpegTs, "a.ts"),
    ] {
        let Some(film) = video(&directory, name, &["-pix_fmt", "yuv420p"]) else { return };
        assert_eq!(seen(format, &film), (320, 240, "rrb".into()), "{name}");
    }
}

#[test]
fn turned_videos_are_upright_and_bright_ones_are_not_burnt() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let Some(plain) = video(&directory, "plain.mp4", &["-pix_fmt", "yuv420p"]) else { return };
    // The matrix in the header of its track: a quarter turn, as phones write it.
    let mut turned = plain.clone();
    let header = turned.windows(4).position(|name| name == b"tkhd").expect("a track");
    let matrix: Vec<u8> = [0_i32, 1 << 16, 0, -1 << 16, 0, 0].iter().flat_map(|n| n.to_be_bytes()).collect();
    turned[header + 44..header + 68].copy_from_slice(&matrix);
    assert_eq!(seen(Format::Mp4, &turned), (240, 320, "brr".into()), "the top is at the right, the bottom at the left");
    for (transfer, name) in [("arib-std-b67", "hlg.mp4"), ("smpte2084", "pq.mp4")] {
        let colours = format!(
            "scale=out_color_matrix=bt2020,format=yuv420p10le,setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc"
        );
        let options = ["-vf", &colours, "-c:v", "libx265", "-x265-params", "log-level=none", "-tag:v", "hvc1"];
        let more = ["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc"];
        let Some(film) = video(&directory, name, &[&options[..], &more].concat()) else { return };
        assert_eq!(seen(Format::Mp4, &film), (320, 240, "rrb".into()), "{name}");
    }
}
