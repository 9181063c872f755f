use super::*;
use crate::base::ReadAt;
use flate2::{Compress, Compression, FlushCompress};
use std::io::Write;

fn facts(extension: &str, bytes: &[u8]) -> HalfFacts {
    HalfFacts { extension: extension.into(), size: bytes.len() as u64, crc: crc32fast::hash(bytes) }
}

fn archive(still: &[u8], clip: &[u8]) -> LiveArchive<Vec<u8>> {
    LiveArchive::new([still.to_vec(), clip.to_vec()], &[facts(".HEIC", still), facts(".mov", clip)])
}

fn all_of(archive: &impl ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; archive.size() as usize];
    archive.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_zip_made_here_has_both_halves_where_it_says() {
    let (still, clip) = (vec![1; 3000], vec![2; 70_000]);
    let archive = archive(&still, &clip);
    let bytes = all_of(&archive);
    let halves = read_directory(&bytes[bytes.len() - 500..], bytes.len() as u64).unwrap();
    for (half, place, expected, extension) in
        [(&halves.still, archive.places()[0], &still, ".HEIC"), (&halves.clip, archive.places()[1], &clip, ".mov")]
    {
        assert_eq!((half.size, half.deflated, half.extension.as_str()), (expected.len() as u64, false, extension));
        let at = data_start(&bytes[half.header_at as usize..], half.header_at).unwrap();
        assert_eq!(at, place);
        assert!(bytes[at as usize..][..expected.len()] == expected[..]);
    }
    assert_eq!(
        read_directory(&bytes[bytes.len() - 50..], bytes.len() as u64),
        Err(ArchiveError::Farther(archive.places()[1] + 70_000))
    );
}

#[test]
fn any_range_of_a_zip_reads_like_the_whole() {
    let (still, clip) = ((0..200).collect::<Vec<u8>>(), (0..150).rev().collect::<Vec<u8>>());
    let archive = archive(&still, &clip);
    let bytes = all_of(&archive);
    for start in 0..bytes.len() {
        for len in [1, 7, 100] {
            let mut piece = vec![0; len.min(bytes.len() - start)];
            archive.read_exact_at(start as u64, &mut piece).unwrap();
            assert!(piece == bytes[start..start + piece.len()], "{start} {len}");
        }
    }
    assert_eq!(archive.read_at(bytes.len() as u64, &mut [0; 4]).unwrap(), 0);
}

/// Another program's opinion.
#[test]
fn unzip_programs_read_a_zip_made_here() {
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("live.zip");
    std::fs::File::create(&path).unwrap().write_all(&all_of(&archive(b"still", b"clip"))).unwrap();
    let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  print(z.namelist(), z.read('image.HEIC'), z.read('video.mov'))";
    let Ok(output) = std::process::Command::new("python3").arg("-c").arg(script).arg(&path).output() else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "['image.HEIC', 'video.mov'] b'still' b'clip'");
}

#[test]
fn no_cut_or_flipped_zip_panics_or_points_outside() {
    let (still, clip) = (vec![1; 300], vec![2; 200]);
    let bytes = all_of(&archive(&still, &clip));
    for cut in 0..bytes.len() {
        let _ = read_directory(&bytes[cut..], bytes.len() as u64);
        assert!(read_directory(&bytes[..cut], cut as u64).is_err());
    }
    for at in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[at / 8] ^= 1 << (at % 8);
        if let Ok(halves) = read_directory(&bad, bad.len() as u64) {
            for half in [&halves.still, &halves.clip] {
                assert!(half.header_at + half.packed + LOCAL_HEADER as u64 <= bad.len() as u64);
            }
        }
    }
}

#[test]
fn what_is_deflated_comes_out_whole_and_never_longer_than_stated() {
    let plain: Vec<u8> = (0..300_000_u32).map(|i| (i / 7) as u8).collect();
    let mut packed = Vec::with_capacity(plain.len());
    Compress::new(Compression::default(), false).compress_vec(&plain, &mut packed, FlushCompress::Finish).unwrap();
    let inflate = |size: u64, packed: &[u8]| {
        let (mut inflater, mut out) = (Inflater::new(size), Vec::new());
        packed.chunks(1000).try_for_each(|piece| inflater.feed(piece, &mut out))?;
        inflater.finish().map(|()| out)
    };
    assert!(inflate(300_000, &packed).unwrap() == plain);
    assert!(inflate(299_999, &packed).is_err());
    assert!(inflate(300_001, &packed).is_err());
    assert!(inflate(300_000, &packed[..packed.len() - 9]).is_err());
}
