//! What entefs finds in media files beside what exiftool and ffprobe find, as a table in Markdown; the thumbnails are
//! written to a folder, to be looked at.
//!
//! `cargo run --release --example media_table -- THUMBNAILS FILE|FOLDER…` (needs exiftool and ffprobe)

use entefs::base::Timestamp;
use entefs::media::job::Request;
use entefs::media::{DateSource, Facts, Format, HEAD, MediaKind, Sniffed, Zone, sniff};
use entefs::upload::isolate::{
    Examined, FRAME_ARGUMENT, Isolated, Isolation, WORKER_ARGUMENT, run_confined, run_worker,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const MODIFIED: Timestamp = Timestamp(1_600_000_000_000_000);

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == WORKER_ARGUMENT => run_worker(arguments),
        Some(first) if first == FRAME_ARGUMENT => run_confined(arguments),
        Some(folder) => {
            print_table(Path::new(&folder), &files(arguments.map(PathBuf::from).collect()));
            ExitCode::SUCCESS
        }
        None => ExitCode::from(2),
    }
}

fn files(mut places: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    while let Some(place) = places.pop() {
        match fs::read_dir(&place) {
            Ok(entries) => places.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => found.push(place),
        }
    }
    found.sort();
    found
}

fn print_table(folder: &Path, files: &[PathBuf]) {
    fs::create_dir_all(folder).expect("the folder of thumbnails can be made");
    let isolated = Isolated::new(Isolation::default()).expect("a thread starts");
    println!("| file | type | date | place | size, length | thumbnail |\n|---|---|---|---|---|---|");
    for path in files {
        let bytes = fs::read(path).expect("a file that can be read");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Sniffed::Media { kind, format } = sniff(&bytes[..bytes.len().min(HEAD)], name.as_bytes()) else { continue };
        let request = Request {
            format,
            name: name.clone().into_bytes(),
            modified: MODIFIED,
            now: Timestamp(1_900_000_000_000_000),
            zone: Zone::Fixed(0),
            facts: true,
            thumbnail: true,
        };
        let examined = isolated.examine(&request, &bytes).expect("workers start");
        if let Ok(made) = &examined.thumbnail {
            fs::write(folder.join(format!("{name}.jpg")), &made.jpeg).expect("the folder of thumbnails takes files");
        }
        println!("{}", row(&name, kind, format, &examined, &Others::ask(path, kind)));
    }
}

fn row(name: &str, kind: MediaKind, format: Format, examined: &Examined, others: &Others) -> String {
    let facts = &examined.facts;
    let thumbnail = match &examined.thumbnail {
        Ok(made) => format!("{} × {}, {} KB", made.size.width, made.size.height, made.jpeg.len().div_ceil(1000)),
        Err(why) => why.to_string(),
    };
    let cells = [
        compared(format!("{format:?}"), others.kind() == Some(kind), others.text("MIMEType")),
        date(facts, others),
        compared(place(facts), others.place() == place(facts), Some(others.place())),
        compared(size(facts), others.size().is_none_or(|other| other == size(facts)), others.size()),
    ];
    format!("| {name} | {} | {thumbnail} |", cells.join(" | "))
}

/// Ours, and where it differs theirs.
fn compared(ours: String, same: bool, theirs: Option<String>) -> String {
    if same { ours } else { format!("{ours} **≠ {}**", theirs.unwrap_or_else(|| "nothing".into())) }
}

fn date(facts: &Facts, others: &Others) -> String {
    let theirs = others.date();
    let ours = match (facts.created_from, &facts.wall) {
        (DateSource::FileName, _) => return "of the name".into(),
        (DateSource::Modified, _) if theirs.is_none() => return "of the file".into(),
        (DateSource::Modified, _) => "of the file".into(),
        (_, Some(wall)) => format!("{wall}{}", facts.offset.as_deref().unwrap_or_default()),
        (_, None) => format!("{} UTC", instant(facts.created)),
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).take(14).collect::<String>();
    let same = theirs.as_deref().map(digits) == Some(digits(&ours));
    compared(ours, same, theirs)
}

fn instant(at: Timestamp) -> String {
    let date = chrono::DateTime::from_timestamp_micros(at.0).unwrap_or_default();
    date.format("%Y-%m-%dT%H:%M:%S").to_string()
}

fn place(facts: &Facts) -> String {
    facts.place.map_or("–".into(), |place| format!("{:.4}, {:.4}", place.latitude, place.longitude))
}

fn size(facts: &Facts) -> String {
    let size = facts.size.map_or("–".into(), |size| format!("{} × {}", size.width, size.height));
    facts.duration.map_or(size.clone(), |seconds| format!("{size}, {seconds} s"))
}

/// What exiftool and ffprobe say.
struct Others {
    exiftool: Value,
    ffprobe: Value,
    kind: MediaKind,
}

impl Others {
    fn ask(path: &Path, kind: MediaKind) -> Self {
        let exiftool = ["-json", "-n", "-api", "QuickTimeUTC=0"];
        let ffprobe = ["-loglevel", "quiet", "-of", "json", "-show_streams", "-show_format"];
        Self {
            exiftool: answer("exiftool", &exiftool, path).get(0).cloned().unwrap_or_default(),
            ffprobe: answer("ffprobe", &ffprobe, path),
            kind,
        }
    }

    fn text(&self, tag: &str) -> Option<String> {
        match &self.exiftool[tag] {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            number => Some(number.to_string()),
        }
    }

    fn number(&self, tag: &str) -> Option<f64> {
        self.exiftool[tag].as_f64().or_else(|| self.text(tag)?.parse().ok())
    }

    fn kind(&self) -> Option<MediaKind> {
        match self.text("MIMEType")?.split('/').next()? {
            "image" => Some(MediaKind::Image),
            "video" => Some(MediaKind::Video),
            _ => None,
        }
    }

    /// In the order in which Ente's clients look.
    fn date(&self) -> Option<String> {
        let tags = ["DateTimeOriginal", "CreationDate", "DateCreated", "CreateDate", "DateTimeDigitized", "ModifyDate"];
        tags.iter().filter_map(|tag| self.text(tag)).find(|date| !date.starts_with("0000"))
    }

    fn place(&self) -> String {
        let position = self.text("GPSPosition").unwrap_or_default();
        let numbers: Vec<f64> = position.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match numbers.as_slice() {
            [north, east] if (*north, *east) != (0.0, 0.0) => format!("{north:.4}, {east:.4}"),
            _ => "–".into(),
        }
    }

    /// As seen: exiftool gives what is stored and how it is turned, ffprobe likewise.
    fn size(&self) -> Option<String> {
        let sideways = |width: u64, height: u64, turned| if turned { (height, width) } else { (width, height) };
        if self.kind == MediaKind::Image {
            let turned = self.number("Orientation").is_some_and(|value| value >= 5.0) && !self.is_heif();
            let (width, height) =
                sideways(self.number("ImageWidth")? as u64, self.number("ImageHeight")? as u64, turned);
            return Some(format!("{width} × {height}"));
        }
        let streams = self.ffprobe["streams"].as_array()?;
        let pictures = streams.iter().find(|stream| stream["codec_type"] == "video")?;
        let rotation = pictures["side_data_list"]
            .as_array()
            .and_then(|list| list.iter().find_map(|data| data["rotation"].as_i64()));
        let turned = rotation.is_some_and(|degrees| degrees.rem_euclid(180) == 90);
        let (width, height) = sideways(pictures["width"].as_u64()?, pictures["height"].as_u64()?, turned);
        let seconds: Option<f64> = self.ffprobe["format"]["duration"].as_str().and_then(|text| text.parse().ok());
        Some(
            seconds
                .map_or(format!("{width} × {height}"), |seconds| format!("{width} × {height}, {} s", seconds.ceil())),
        )
    }

    /// Its EXIF may tell of a turn that is done already.
    fn is_heif(&self) -> bool {
        self.text("MIMEType").is_some_and(|kind| kind.contains("hei") || kind.contains("avif"))
    }
}

fn answer(program: &str, arguments: &[&str], path: &Path) -> Value {
    let output = Command::new(program).args(arguments).arg(path).output().expect("the program starts");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}
