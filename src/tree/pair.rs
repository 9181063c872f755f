//! Which names are the halves of one live photo, by the rules of Ente's desktop app (protocol notes, data 3.8).

use super::name::split_name;
use crate::base::Part;

const STILLS: [&str; 9] = ["heic", "heif", "jpeg", "jpg", "png", "gif", "bmp", "tiff", "webp"];
const CLIPS: [&str; 12] = ["mov", "mp4", "m4v", "avi", "wmv", "flv", "mkv", "webm", "3gp", "3g2", "ogv", "mpg"];
/// What phones put behind the stem of one half alone.
const MARKS: [&str; 3] = ["_3", "_HVEC", "_hvec"];

/// Which half a file can be, by its extension alone; `None` for what is never half of a live photo.
pub fn half_by_name(name: &[u8]) -> Option<Part> {
    let (_, extension) = split_name(name);
    let extension = String::from_utf8_lossy(extension).to_ascii_lowercase();
    let is = |known: &[&str]| extension.strip_prefix('.').is_some_and(|extension| known.contains(&extension));
    if is(&STILLS) { Some(Part::Still) } else { is(&CLIPS).then_some(Part::Clip) }
}

/// Whether two names are a still and a clip that belong together.
pub fn are_halves(still: &[u8], clip: &[u8]) -> bool {
    let (clip_stem, clip_extension) = split_name(clip);
    half_by_name(still) == Some(Part::Still)
        && half_by_name(clip) == Some(Part::Clip)
        && still_stem(still, clip_extension) == pruned(clip_stem)
}

/// `IMG_1.mp4.jpg` belongs to `IMG_1.mp4`.
fn still_stem<'a>(still: &'a [u8], clip_extension: &[u8]) -> &'a [u8] {
    let (stem, _) = split_name(still);
    let lower = clip_extension.to_ascii_lowercase();
    let upper = clip_extension.to_ascii_uppercase();
    let inner = [lower, upper].iter().find_map(|extension| stem.strip_suffix(extension.as_slice()));
    pruned(inner.unwrap_or(stem))
}

fn pruned(stem: &[u8]) -> &[u8] {
    MARKS.iter().find_map(|mark| stem.strip_suffix(mark.as_bytes())).unwrap_or(stem)
}

/// What the names of two halves have in common, so that they are found among many; `None` for what is no half.
pub fn half_stem(name: &[u8]) -> Option<&[u8]> {
    let (stem, _) = split_name(name);
    let is_still = half_by_name(name)? == Part::Still;
    let inner = if is_still && half_by_name(stem) == Some(Part::Clip) { split_name(stem).0 } else { stem };
    Some(pruned(inner))
}

/// The names that the other half of `name` may have, likeliest first; [`are_halves`] decides.
pub fn other_half_names(name: &[u8]) -> Vec<Vec<u8>> {
    let (stem, extension) = split_name(name);
    let Some(part) = half_by_name(name) else { return Vec::new() };
    let extensions: &[&str] = if part == Part::Still { &CLIPS } else { &STILLS };
    let mut stems: Vec<Vec<u8>> = vec![stem.to_vec(), pruned(stem).to_vec()];
    stems.extend(MARKS.iter().map(|mark| [pruned(stem), mark.as_bytes()].concat()));
    if part == Part::Clip {
        stems.push(name.to_vec());
        stems.push([stem, &extension.to_ascii_uppercase()].concat());
    } else if half_by_name(stem) == Some(Part::Clip) {
        stems.push(split_name(stem).0.to_vec());
    }
    let mut names: Vec<Vec<u8>> = Vec::new();
    for stem in stems {
        for extension in extensions {
            for extension in [extension.to_string(), extension.to_ascii_uppercase()] {
                let name = [&stem[..], b".", extension.as_bytes()].concat();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_told_by_stem_and_extension() {
        for (still, clip) in [
            ("IMG_1.HEIC", "IMG_1.MOV"),
            ("IMG_1.jpg", "IMG_1.mp4"),
            ("IMG_1.JPG", "IMG_1_3.mov"),
            ("IMG_1_HVEC.JPG", "IMG_1.mov"),
            ("IMG_1.mp4.jpg", "IMG_1.mp4"),
            ("IMG_1.MP4.jpg", "IMG_1.mp4"),
        ] {
            assert!(are_halves(still.as_bytes(), clip.as_bytes()), "{still} {clip}");
            assert_eq!(half_stem(still.as_bytes()), half_stem(clip.as_bytes()), "{still} {clip}");
            let others = other_half_names(still.as_bytes());
            assert!(others.contains(&clip.as_bytes().to_vec()), "{still} leads to {clip}");
            let others = other_half_names(clip.as_bytes());
            assert!(others.contains(&still.as_bytes().to_vec()), "{clip} leads to {still}");
        }
        for (still, clip) in
            [("IMG_1.HEIC", "IMG_2.MOV"), ("IMG_1.MOV", "IMG_1.HEIC"), ("a.jpg", "a.png"), ("IMG_1.ARW", "IMG_1.MOV")]
        {
            assert!(!are_halves(still.as_bytes(), clip.as_bytes()), "{still} {clip}");
        }
    }
}
