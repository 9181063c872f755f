//! From a title to a file name (semantics 1.6).

use crate::base::FileId;

/// The longest name in bytes.
pub const MAX_NAME: usize = 255;

/// A title as the mount can show it: `/` and NUL become `_`, names that the kernel cannot hold become one
/// made from the file's number, and what is too long is cut before the extension.
pub fn safe_name(title: &[u8], id: FileId, extension: &str) -> Vec<u8> {
    let replaced: Vec<u8> = title.iter().map(|&byte| if byte == b'/' || byte == 0 { b'_' } else { byte }).collect();
    if matches!(replaced.as_slice(), b"" | b"." | b"..") {
        return format!("{id}{extension}").into_bytes();
    }
    let (stem, extension) = split_name(&replaced);
    join_name(stem, b"", extension)
}

/// The stem and the extension with its dot. A leading dot begins a stem; an extension over 16 bytes is part
/// of the stem, so that a sentence with a full stop is cut at its end.
pub fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 && name.len() - dot <= 17 && dot + 1 < name.len() => name.split_at(dot),
        _ => (name, b""),
    }
}

/// `stem ‖ suffix ‖ extension`, the stem cut so that all of it fits, not within a UTF-8 character.
pub fn join_name(stem: &[u8], suffix: &[u8], extension: &[u8]) -> Vec<u8> {
    let room = MAX_NAME.saturating_sub(suffix.len() + extension.len());
    let stem = cut_at_character(stem, room);
    [stem, suffix, extension].concat()
}

fn cut_at_character(text: &[u8], room: usize) -> &[u8] {
    if text.len() <= room {
        return text;
    }
    let is_continuation = |byte: u8| byte & 0xc0 == 0x80;
    let mut end = room;
    // A character has at most three continuation bytes; more are no UTF-8 and may be cut anywhere.
    while end > room.saturating_sub(3) && is_continuation(text[end]) {
        end -= 1;
    }
    if is_continuation(text[end]) { &text[..room] } else { &text[..end] }
}

/// The name with ` (n)` before its extension; 1 is the plain name.
pub fn suffixed(name: &[u8], n: u32) -> Vec<u8> {
    if n <= 1 {
        return name.to_vec();
    }
    let (stem, extension) = split_name(name);
    join_name(stem, format!(" ({n})").as_bytes(), extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(title: &str) -> String {
        String::from_utf8(safe_name(title.as_bytes(), FileId(7), ".jpg")).unwrap()
    }

    #[test]
    fn slashes_and_nul_become_underscores_and_dots_become_the_number() {
        assert_eq!(shown("a/b\0c.jpg"), "a_b_c.jpg");
        assert_eq!(shown("../../etc/passwd"), ".._.._etc_passwd");
        for title in ["", ".", ".."] {
            assert_eq!(shown(title), "7.jpg");
        }
        assert_eq!(shown(".hidden.jpg"), ".hidden.jpg", "leading dots are kept");
        assert_eq!(shown("line\nbreak.jpg"), "line\nbreak.jpg");
    }

    #[test]
    fn long_names_are_cut_before_the_extension_and_between_characters() {
        let name = safe_name(format!("{}.jpeg", "é".repeat(200)).as_bytes(), FileId(1), "");
        assert_eq!(name.len(), 5 + 250);
        assert!(std::str::from_utf8(&name).unwrap().ends_with("é.jpeg"));
        let name = safe_name(format!("x{}.jpeg", "é".repeat(200)).as_bytes(), FileId(1), "");
        assert_eq!(name.len(), 5 + 249);
        assert!(std::str::from_utf8(&name).is_ok());
        assert_eq!(safe_name(&[0x80; 300], FileId(1), "").len(), 255, "no UTF-8 at all");
        assert_eq!(safe_name(&[b'a'; 70_000], FileId(1), "").len(), 255);
    }

    #[test]
    fn names_split_where_people_see_the_extension() {
        for (name, stem, extension) in [
            ("IMG_1.JPG", "IMG_1", ".JPG"),
            ("archive.tar.gz", "archive.tar", ".gz"),
            (".hidden", ".hidden", ""),
            ("no", "no", ""),
            ("ends.", "ends.", ""),
            ("We met. It was raining", "We met", ". It was raining"),
            ("We met. It was raining all day", "We met. It was raining all day", ""),
        ] {
            assert_eq!(split_name(name.as_bytes()), (stem.as_bytes(), extension.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_suffix_fits_however_long_the_name() {
        assert_eq!(suffixed(b"IMG_1.JPG", 2), b"IMG_1 (2).JPG");
        assert_eq!(suffixed(b"IMG_1.JPG", 1), b"IMG_1.JPG");
        let long = [&[b'a'; 251][..], b".jpg"].concat();
        let name = suffixed(&long, 12);
        assert!(name.len() == 255 && name.ends_with(b"a (12).jpg"));
    }
}
