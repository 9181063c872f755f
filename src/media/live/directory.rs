//! The zip's directory: which entry is the still, which the clip, and where their bytes lie.

use thiserror::Error;

/// The directory ends with a record of this size and a comment of up to 64 KiB.
const END: usize = 22;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const ENTRY: usize = 46;
const ENTRY_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
/// Bytes before an entry's name and data.
pub const LOCAL_HEADER: usize = 30;
const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Entries looked at; a live photo has two.
const MAX_ENTRIES: usize = 64;
/// The longest extension shown, dot aside.
const MAX_EXTENSION: usize = 10;

/// Why a zip is no live photo that can be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ArchiveError {
    /// The directory begins at this byte of the archive: that much of its end is needed.
    #[error("the directory begins at byte {0}, before what was read")]
    Farther(u64),
    #[error("it is no zip, or a damaged one")]
    Malformed,
    #[error("its entries are encrypted, or packed in a way that is not known")]
    Unsupported,
    #[error("it has no still or no clip")]
    NoPair,
}

/// One half as the directory has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HalfEntry {
    /// With its dot, in its own case; empty where it has none that can be shown.
    pub extension: String,
    pub deflated: bool,
    /// Bytes in the archive.
    pub packed: u64,
    /// Bytes of the half itself.
    pub size: u64,
    /// Where its local header lies in the archive.
    pub header_at: u64,
}

/// Both halves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Halves {
    pub still: HalfEntry,
    pub clip: HalfEntry,
}

/// Reads the directory from `tail`, the last bytes of an archive of `whole` bytes.
///
/// # Errors
/// [`ArchiveError`]; `Farther` where more of the end is needed.
pub fn read_directory(tail: &[u8], whole: u64) -> Result<Halves, ArchiveError> {
    let base = whole.checked_sub(tail.len() as u64).ok_or(ArchiveError::Malformed)?;
    let end = find_end(tail).ok_or(ArchiveError::Malformed)?;
    let record = &tail[end..];
    let (count, size, start) = (u16_at(record, 10), u32_at(record, 12), u64::from(u32_at(record, 16)));
    if start + u64::from(size) > base + end as u64 {
        return Err(ArchiveError::Malformed);
    }
    let at = start.checked_sub(base).ok_or(ArchiveError::Farther(start))?;
    let entries = read_entries(&tail[at as usize..end], usize::from(count).min(MAX_ENTRIES))?;
    pick_halves(entries, start)
}

/// The end record whose comment ends where the archive does; the last one, as every reader has it.
fn find_end(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END)?;
    (0..=last).rev().find(|&at| {
        tail[at..].starts_with(&END_SIGNATURE) && at + END + usize::from(u16_at(&tail[at..], 20)) == tail.len()
    })
}

struct Named<'a> {
    name: &'a [u8],
    method: u16,
    encrypted: bool,
    entry: HalfEntry,
}

fn read_entries(mut directory: &[u8], count: usize) -> Result<Vec<Named<'_>>, ArchiveError> {
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        if directory.len() < ENTRY || !directory.starts_with(&ENTRY_SIGNATURE) {
            return Err(ArchiveError::Malformed);
        }
        let lengths = [28, 30, 32].map(|at| usize::from(u16_at(directory, at)));
        let name = directory.get(ENTRY..ENTRY + lengths[0]).ok_or(ArchiveError::Malformed)?;
        let method = u16_at(directory, 10);
        let entry = HalfEntry {
            extension: extension_of(name),
            deflated: method == DEFLATED,
            packed: u64::from(u32_at(directory, 20)),
            size: u64::from(u32_at(directory, 24)),
            header_at: u64::from(u32_at(directory, 42)),
        };
        entries.push(Named { name, method, encrypted: u16_at(directory, 8) & 1 == 1, entry });
        directory = directory.get(ENTRY + lengths.iter().sum::<usize>()..).ok_or(ArchiveError::Malformed)?;
    }
    Ok(entries)
}

fn pick_halves(entries: Vec<Named<'_>>, directory_at: u64) -> Result<Halves, ArchiveError> {
    let still = find_half(&entries, "image").ok_or(ArchiveError::NoPair)?;
    let clip = find_half(&entries, "video").filter(|clip| *clip != still).ok_or(ArchiveError::NoPair)?;
    for half in [&entries[still], &entries[clip]] {
        let entry = &half.entry;
        if half.encrypted || !matches!(half.method, STORED | DEFLATED) {
            return Err(ArchiveError::Unsupported);
        }
        // An empty half would never be read, and a wrong hint never be found.
        if entry.size == 0 {
            return Err(ArchiveError::NoPair);
        }
        let fits = entry.header_at + LOCAL_HEADER as u64 + entry.packed <= directory_at;
        if !fits || (!entry.deflated && entry.packed != entry.size) {
            return Err(ArchiveError::Malformed);
        }
    }
    Ok(Halves { still: entries[still].entry.clone(), clip: entries[clip].entry.clone() })
}

/// Ente's web client looks for names that begin with the word, its command-line clients for names that contain it.
fn find_half(entries: &[Named<'_>], word: &str) -> Option<usize> {
    let lower = |entry: &Named<'_>| String::from_utf8_lossy(entry.name).to_ascii_lowercase();
    let begins = entries.iter().position(|entry| lower(entry).starts_with(word));
    begins.or_else(|| entries.iter().position(|entry| lower(entry).contains(word)))
}

fn extension_of(name: &[u8]) -> String {
    let extension = name.iter().rposition(|byte| *byte == b'.').map_or(&b""[..], |dot| &name[dot + 1..]);
    let shown = (1..=MAX_EXTENSION).contains(&extension.len()) && extension.iter().all(u8::is_ascii_alphanumeric);
    if shown { format!(".{}", String::from_utf8_lossy(extension)) } else { String::new() }
}

/// Where a half's bytes begin, by its local header: its first [`LOCAL_HEADER`] bytes.
///
/// # Errors
/// [`ArchiveError::Malformed`] where that is no such header.
pub fn data_start(header: &[u8], header_at: u64) -> Result<u64, ArchiveError> {
    if header.len() < LOCAL_HEADER || !header.starts_with(&LOCAL_SIGNATURE) {
        return Err(ArchiveError::Malformed);
    }
    Ok(header_at + LOCAL_HEADER as u64 + u64::from(u16_at(header, 26)) + u64::from(u16_at(header, 28)))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
