//! RAW formats whose metadata does not stand where TIFF has it: Canon's CR3 and Fuji's RAF.

use super::bmff::{boxes, find, find_path};
use super::exif;
use super::findings::{Findings, Size, keep};
use super::ifd::Tiff;
use super::jpeg;
use super::source::Source;

/// CR3: boxes, in one of which lie three blocks, each with a directory of its own: the camera, the shot, the place.
pub(super) fn read_cr3(source: &Source<'_>, findings: &mut Findings) {
    const CANON: [u8; 16] = *b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
    let Some(movie) = find(source, source.whole(), b"moov") else { return };
    // A `uuid` box begins with its identifier.
    let canon =
        boxes(source, movie).find(|found| found.kind == *b"uuid" && source.array(found.body.start) == Some(CANON));
    let Some(canon) = canon.map(|found| found.body.start + 16..found.body.end) else { return };
    for found in boxes(source, canon) {
        let Some(tiff) = Tiff::open(source, found.body) else { continue };
        let Some(directory) = tiff.directory(tiff.first) else { continue };
        match &found.kind {
            b"CMT1" => exif::read_main(&directory, None, findings),
            b"CMT2" => exif::read_exif(&directory, findings),
            b"CMT4" => keep(&mut findings.place, exif::read_place(&directory)),
            _ => {}
        }
    }
    keep(
        &mut findings.size,
        find_path(source, source.whole(), &[b"moov", b"trak", b"tkhd"]).and_then(|header| {
            let size = header.end.checked_sub(8)?;
            Size::new(source.be_u32(size)? >> 16, source.be_u32(size + 4)? >> 16)
        }),
    );
}

/// RAF: a header with the place of a full-size JPEG, whose EXIF is the photo's.
pub(super) fn read_raf(source: &Source<'_>, findings: &mut Findings) {
    const PREVIEW: u64 = 84;
    if let Some(at) = source.be_u32(PREVIEW) {
        jpeg::read(source, at.into(), findings);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ifd::Order;
    use super::super::source::BUDGET;
    use super::super::testing::{Exif, Value, app1, boxed, jpeg_of, noise};
    use super::*;

    #[test]
    fn the_three_blocks_of_a_cr3_make_one_photo() {
        let block = |exif: Exif| exif.bytes();
        let camera = block(Exif::new(Order::Little).main(0x010f, Value::Text("Canon".into())));
        let shot = block(
            Exif::new(Order::Little)
                .main(0x9003, Value::Text("2020:08:20 12:00:00".into()))
                .main(0xa002, Value::Long(6000))
                .main(0xa003, Value::Long(4000)),
        );
        let place = block(
            Exif::new(Order::Little).main(2, Value::Rationals(vec![(48, 1)])).main(4, Value::Rationals(vec![(11, 1)])),
        );
        let identifier = b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48".to_vec();
        let canon = [identifier, boxed(b"CMT1", &camera), boxed(b"CMT2", &shot), boxed(b"CMT4", &place)].concat();
        let file = [boxed(b"ftyp", b"crx \0\0\0\x01"), boxed(b"moov", &boxed(b"uuid", &canon))].concat();
        let mut found = Findings::default();
        read_cr3(&Source::new(&file, BUDGET), &mut found);
        assert_eq!(found.camera_make.as_deref(), Some("Canon"));
        assert_eq!((found.dates.len(), found.size), (1, Size::new(6000, 4000)));
        assert!(found.place.is_some());
    }

    #[test]
    fn a_raf_speaks_through_its_preview() {
        let exif =
            [b"Exif\0\0".to_vec(), Exif::new(Order::Big).main(0x010f, Value::Text("FUJIFILM".into())).bytes()].concat();
        let mut file = b"FUJIFILMCCD-RAW ".to_vec();
        file.resize(100, 0);
        file[84..88].copy_from_slice(&100_u32.to_be_bytes());
        file.extend(app1(&jpeg_of(16, 8, &noise(16, 8)), &exif));
        let mut found = Findings::default();
        read_raf(&Source::new(&file, BUDGET), &mut found);
        assert_eq!((found.camera_make.as_deref(), found.size), (Some("FUJIFILM"), Size::new(16, 8)));
    }
}
