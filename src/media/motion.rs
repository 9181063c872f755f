//! Motion photos: a still with a short movie behind it, in one file. Three makers, three ways to say where.
//!
//! ```text
//! Google   XMP: how far before the end the movie begins            still ─ movie
//! Samsung  a trailer with a directory of named blocks              still ─ blocks ─ SEFH directory ─ its length ─ SEFT
//! HEIF     a box `mpvd` whose body is the movie                    boxes of the still ─ mpvd
//! ```
//! Guarantees: what is given out is the place of a movie's first box, checked by its name.

use super::bmff::find;
use super::findings::Findings;
use super::format::Layout;
use super::source::Source;

/// Looks for the movie in a still whose XMP has been read.
pub(super) fn find_movie(source: &Source<'_>, layout: Layout, findings: &mut Findings) {
    let said = findings.motion_length.and_then(|length| source.size().checked_sub(length));
    let boxed = || (layout == Layout::Items).then(|| find(source, source.whole(), b"mpvd")).flatten();
    let candidates = [said, boxed().map(|body| body.start), samsung(source)];
    findings.motion = candidates.into_iter().flatten().find(|place| is_movie(source, *place));
}

fn is_movie(source: &Source<'_>, place: u64) -> bool {
    place > 0 && place.checked_add(4).and_then(|at| source.array::<4>(at)) == Some(*b"ftyp")
}

/// The block of the movie in Samsung's trailer. Blocks are told by a number, and begin with it and a name.
fn samsung(source: &Source<'_>) -> Option<u64> {
    const MOVIE: u16 = 0x0a30;
    const MOST: u32 = 64;
    let end = source.size().checked_sub(8)?;
    if source.array::<4>(end + 4)? != *b"SEFT" {
        return None;
    }
    let directory = end.checked_sub(source.le_u32(end)?.into())?;
    if source.array::<4>(directory)? != *b"SEFH" {
        return None;
    }
    for entry in 0..source.le_u32(directory + 8)?.min(MOST) {
        let at = directory + 12 + 12 * u64::from(entry);
        if source.le_u16(at + 2)? == MOVIE {
            let block = directory.checked_sub(source.le_u32(at + 4)?.into())?;
            return Some(block + 8 + u64::from(source.le_u32(block + 4)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::source::BUDGET;
    use super::super::testing::{boxed, heif, jpeg_of, noise};
    use super::*;

    fn place(file: &[u8], layout: Layout, said: Option<u64>) -> Option<u64> {
        let mut findings = Findings::default();
        findings.motion_length = said;
        find_movie(&Source::new(&file.to_vec(), BUDGET), layout, &mut findings);
        findings.motion
    }

    fn movie() -> Vec<u8> {
        boxed(b"ftyp", b"mp42\0\0\0\0")
    }

    #[test]
    fn xmp_counts_from_the_end_and_is_not_believed_blindly() {
        let still = jpeg_of(8, 8, &noise(8, 8));
        let file = [&still[..], &movie(), &[0; 50]].concat();
        let behind = file.len() as u64 - still.len() as u64;
        assert_eq!(place(&file, Layout::Jpeg, Some(behind)), Some(still.len() as u64));
        for wrong in [behind - 1, behind + 1, 0, file.len() as u64, u64::MAX] {
            assert_eq!(place(&file, Layout::Jpeg, Some(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn samsungs_trailer_names_the_block() {
        let still = jpeg_of(8, 8, &noise(8, 8));
        let name = b"MotionPhoto_Data";
        let block = [&[0, 0, 0x30, 0x0a][..], &(name.len() as u32).to_le_bytes(), name, &movie()].concat();
        let entry = |kind: u16, offset: usize| {
            [&[0, 0][..], &kind.to_le_bytes(), &(offset as u32).to_le_bytes(), &[0; 4]].concat()
        };
        let entries = [entry(0x0a01, 1), entry(0x0a30, block.len())].concat();
        let directory = [&b"SEFH"[..], &106_u32.to_le_bytes(), &2_u32.to_le_bytes(), &entries].concat();
        let trailer = [&directory[..], &(directory.len() as u32).to_le_bytes(), b"SEFT"].concat();
        let file = [&still[..], &block, &trailer].concat();
        let expected = (still.len() + 8 + name.len()) as u64;
        assert_eq!(place(&file, Layout::Jpeg, None), Some(expected));
        for at in file.len() - trailer.len()..file.len() {
            let mut bent = file.clone();
            bent[at] ^= 0x80;
            assert!(matches!(place(&bent, Layout::Jpeg, None), None | Some(_)));
        }
        assert_eq!(place(&file[..file.len() - 1], Layout::Jpeg, None), None);
    }

    #[test]
    fn a_heif_has_a_box_for_it() {
        let still = heif(&[], &[1; 40]);
        let file = [&still[..], &boxed(b"mpvd", &movie())].concat();
        assert_eq!(place(&file, Layout::Items, None), Some(still.len() as u64 + 8));
        assert_eq!(place(&still, Layout::Items, None), None);
    }
}
