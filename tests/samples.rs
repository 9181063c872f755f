//! Real files, which are not part of the project: the folder is given in `ENTEFS_SAMPLES`. Each is examined as an
//! upload examines it, in a worker process, and a table of what came out is printed.

use entefs::base::{ReadAt, Timestamp};
use entefs::media::job::{Answer, Request};
use entefs::media::{Format, HEAD, Sniffed, Zone, looks_complete, sniff};
use entefs::upload::isolate::{Isolated, Isolation};
use nom_exif::{ExifTag, MediaParser, MediaSource};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_entefs");

fn samples() -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("ENTEFS_SAMPLES") else {
        println!("skipped: ENTEFS_SAMPLES names no folder");
        return None;
    };
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder of samples can be listed") {
            let path = entry.expect("the folder of samples can be listed").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Some(found)
}

fn examine(isolated: &Isolated, path: &Path, file: &dyn ReadAt) -> Option<(Format, Answer)> {
    let mut head = vec![0; HEAD];
    let len = file.read_at(0, &mut head).expect("memory reads");
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    let Sniffed::Media { format, .. } = sniff(&head[..len], &name) else { return None };
    let request = Request {
        format,
        name,
        modified: Timestamp(1_600_000_000_000_000),
        now: Timestamp(1_800_000_000_000_000),
        zone: Zone::Fixed(0),
        facts: true,
        thumbnail: true,
    };
    Some((format, isolated.run(&request, file).expect("no sample breaks a worker")))
}

fn row(path: &Path, file: &dyn ReadAt, format: Format, answer: &Answer) -> String {
    let facts = answer.facts.as_ref().expect("facts were asked for");
    let whole = looks_complete(file, format).expect("memory reads");
    let place = facts.place.map(|place| format!("{:.4},{:.4}", place.latitude, place.longitude));
    let size = facts.size.map(|size| format!("{}x{}", size.width, size.height));
    let thumbnail = match &answer.thumbnail {
        Some(Ok(made)) => format!("{}x{} {} B", made.size.width, made.size.height, made.jpeg.len()),
        Some(Err(error)) => error.to_string(),
        None => String::new(),
    };
    format!(
        "{:32} {format:?} {whole:?} | {} {} {} ({:?}) | {} | {} {:?} {}s | {} {} | {} | {}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        facts.created.0 / 1_000_000,
        facts.wall.as_deref().unwrap_or("-"),
        facts.offset.as_deref().unwrap_or("-"),
        facts.created_from,
        place.as_deref().unwrap_or("-"),
        size.as_deref().unwrap_or("-"),
        facts.orientation,
        facts.duration.map_or("-".into(), |seconds| seconds.to_string()),
        facts.camera_make.as_deref().unwrap_or("-"),
        facts.camera_model.as_deref().unwrap_or("-"),
        facts.content_identifier.as_deref().unwrap_or("-"),
        thumbnail,
    )
}

#[test]
fn every_sample_is_examined_in_time() {
    let Some(samples) = samples() else { return };
    let isolated =
        Isolated::new(Isolation { program: PROGRAM.into(), ..Isolation::default() }).expect("a thread starts");
    for path in samples {
        let bytes = fs::read(&path).expect("a sample can be read");
        let start = Instant::now();
        if let Some((format, answer)) = examine(&isolated, &path, &bytes) {
            println!("{}", row(&path, &bytes, format, &answer));
            if let (Some(Ok(made)), Some(folder)) = (&answer.thumbnail, std::env::var_os("ENTEFS_THUMBNAILS")) {
                let name = format!("{}.jpg", path.file_name().unwrap_or_default().to_string_lossy());
                fs::write(Path::new(&folder).join(name), &made.jpeg).expect("the folder of thumbnails takes files");
            }
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{} took {:?}", path.display(), start.elapsed());
    }
}

#[test]
fn a_second_parser_finds_the_same_in_every_sound_sample() {
    let Some(samples) = samples() else { return };
    let isolated =
        Isolated::new(Isolation { program: PROGRAM.into(), ..Isolation::default() }).expect("a thread starts");
    let mut compared = 0;
    for path in samples.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "invalid")) {
        let bytes = fs::read(path).expect("a sample can be read");
        let Some((_, answer)) = examine(&isolated, path, &bytes) else { continue };
        let facts = answer.facts.expect("facts were asked for");
        let Ok(source) = MediaSource::from_memory(bytes) else { continue };
        let Ok(entries) = MediaParser::new().parse_exif(source) else { continue };
        let second: nom_exif::Exif = entries.into();
        let text =
            |tag| second.get(tag).and_then(|value| value.as_str()).map(str::trim).filter(|text| !text.is_empty());
        assert_eq!(facts.camera_make.as_deref(), text(ExifTag::Make), "{}", path.display());
        assert_eq!(facts.camera_model.as_deref(), text(ExifTag::Model), "{}", path.display());
        let date =
            second.get(ExifTag::DateTimeOriginal).and_then(|value| value.as_datetime()).map(|date| date.into_naive());
        let ours = facts.wall.as_deref().and_then(|wall| wall.get(..19)).map(str::to_owned);
        if let Some(date) = date {
            assert_eq!(ours, Some(date.format("%Y-%m-%dT%H:%M:%S").to_string()), "{}", path.display());
        }
        compared += 1;
    }
    println!("{compared} samples were compared");
}
