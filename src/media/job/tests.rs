use super::wire::Frame;
use super::*;
use crate::base::ReadAt;
use crate::media::ifd::Order;
use crate::media::testing::{Exif, Movie, Random, Value, jpeg_of, quarters, with_exif};
use crate::media::{DateSource, Place, Size};
use std::os::unix::net::UnixStream;

fn request(format: Format) -> Request {
    Request {
        format,
        name: b"IMG_20230615_142355.jpg".to_vec(),
        modified: Timestamp(1_600_000_000_000_000),
        now: Timestamp(1_781_524_800_000_000),
        zone: Zone::Fixed(-3600),
        facts: true,
        thumbnail: true,
    }
}

/// A client whose worker is a thread; what the worker came to is given when the client is gone.
fn worker() -> (Client<UnixStream>, std::thread::JoinHandle<Result<(), JobError>>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    (Client::new(ours), std::thread::spawn(move || serve(&theirs, &theirs)))
}

fn photo() -> Vec<u8> {
    let exif = Exif::new(Order::Big)
        .main(0x0112, Value::Short(6))
        .main(0x010f, Value::Text("Maker".into()))
        .exif(0x9003, Value::Text("2024:01:02 03:04:05".into()))
        .exif(0x9011, Value::Text("+05:30".into()))
        .gps(2, Value::Rationals(vec![(48, 1)]))
        .gps(4, Value::Rationals(vec![(11, 1)]));
    with_exif(&jpeg_of(900, 600, &quarters(900, 600)), &exif)
}

#[test]
fn one_worker_does_many_jobs_as_they_are_done_here() {
    let (mut client, worker) = worker();
    for _ in 0..3 {
        let answer = client.run(&request(Format::Jpeg), &photo()).expect("an answer");
        let facts = answer.facts.expect("facts were asked for");
        assert_eq!(facts, crate::media::probe(&photo(), Format::Jpeg, &request(Format::Jpeg).circumstances()));
        assert_eq!((facts.size, facts.offset.as_deref()), (Size::new(600, 900), Some("+05:30")));
        let thumbnail = answer.thumbnail.expect("a thumbnail was asked for").expect("and made");
        assert_eq!(thumbnail.size, Size { width: 480, height: 720 });
        let movie = client.run(&request(Format::Mov), &Movie::default().file()).expect("an answer");
        assert_eq!(movie.thumbnail, Some(Err(ThumbnailError::Unsupported)));
        assert_eq!(movie.facts.and_then(|facts| facts.duration), Some(3));
    }
    drop(client);
    assert!(worker.join().expect("no panic").is_ok(), "the end of the stream is a normal end");
}

#[test]
fn only_what_was_asked_for_is_answered() {
    let (mut client, _worker) = worker();
    let asked = Request { facts: false, ..request(Format::Jpeg) };
    let answer = client.run(&asked, &photo()).expect("an answer");
    assert!(answer.facts.is_none() && answer.thumbnail.is_some());
    let asked = Request { thumbnail: false, ..request(Format::Jpeg) };
    let answer = client.run(&asked, &photo()).expect("an answer");
    assert!(answer.facts.is_some() && answer.thumbnail.is_none());
}

#[test]
fn a_file_that_does_not_read_is_no_file_without_facts() {
    struct Damaged;
    impl ReadAt for Damaged {
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("does not verify"))
        }
        fn size(&self) -> u64 {
            1000
        }
    }
    let (mut client, _worker) = worker();
    let failed = client.run(&request(Format::Jpeg), &Damaged);
    assert!(matches!(failed, Err(JobError::Source(_))), "{failed:?}");
    assert!(client.run(&request(Format::Jpeg), &photo()).is_ok(), "the next job is not harmed");
}

#[test]
fn a_worker_that_dies_is_a_failed_stream() {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    drop(theirs);
    let failed = Client::new(ours).run(&request(Format::Jpeg), &photo());
    assert!(matches!(failed, Err(JobError::Stream(_))), "{failed:?}");
}

fn sent(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.send(&mut bytes).expect("memory takes all");
    bytes
}

fn full_answer() -> Answer {
    let facts = Facts {
        created: Timestamp(-1),
        created_from: DateSource::FileName,
        wall: Some("2024-01-02T03:04:05.250".into()),
        offset: Some("-08:00".into()),
        place: Place::new(-48.5, 11.25),
        size: Size::new(1, u32::MAX),
        orientation: crate::media::Orientation::Left,
        duration: Some(7),
        camera_make: Some("M".into()),
        camera_model: None,
        caption: Some("Caf\u{e9}".into()),
        content_identifier: Some("ABC".into()),
        motion: Some(u64::MAX),
        panorama: true,
    };
    let thumbnail = Thumbnail { jpeg: b"\xff\xd8\xff\xe0rest".to_vec(), size: Size { width: 1, height: 2 } };
    Answer { facts: Some(facts), thumbnail: Some(Ok(thumbnail)) }
}

#[test]
fn frames_come_out_as_they_went_in() {
    let failures =
        [ThumbnailError::Unsupported, ThumbnailError::TooLarge("x".into()), ThumbnailError::Malformed("y".into())];
    let mut answers = vec![full_answer(), Answer { facts: None, thumbnail: None }];
    answers.extend(failures.map(|error| Answer { facts: None, thumbnail: Some(Err(error)) }));
    for answer in answers {
        let bytes = sent(&Frame::Answer(Box::new(answer.clone())));
        match Frame::receive(&mut bytes.as_slice()) {
            Ok(Some(Frame::Answer(received))) => assert_eq!(*received, answer),
            _ => panic!("{answer:?}"),
        }
    }
    let facts = full_answer().facts.expect("all of them");
    match Frame::receive(&mut sent(&Frame::Facts(Box::new(facts.clone()))).as_slice()) {
        Ok(Some(Frame::Facts(received))) => assert_eq!(*received, facts),
        _ => panic!("{facts:?}"),
    }
    for zone in [Zone::Local, Zone::Fixed(-12_600)] {
        let request = Request { zone, ..request(Format::OtherVideo) };
        let bytes = sent(&Frame::Request { request: request.clone(), size: u64::MAX });
        match Frame::receive(&mut bytes.as_slice()) {
            Ok(Some(Frame::Request { request: received, size: u64::MAX })) => assert_eq!(received, request),
            _ => panic!("{zone:?}"),
        }
    }
}

#[test]
fn frames_that_are_cut_bent_or_endless_are_refused() {
    let bytes = sent(&Frame::Answer(Box::new(full_answer())));
    for len in 1..bytes.len() {
        assert!(Frame::receive(&mut &bytes[..len]).is_err(), "{len}");
    }
    let mut random = Random(3);
    for _ in 0..20_000 {
        let mut bent = bytes.clone();
        for _ in 0..=random.below(3) {
            let at = 4 + random.below(bent.len() - 4);
            bent[at] = random.byte();
        }
        // Read or refused, but not a panic.
        let _ = Frame::receive(&mut bent.as_slice());
    }
    assert!(Frame::receive(&mut &b"\xff\xff\xff\xff"[..]).is_err());
    assert!(Frame::receive(&mut &b"\0\0\0\0"[..]).is_err());
    assert!(Frame::receive(&mut &b""[..]).is_ok_and(|frame| frame.is_none()));
}

#[test]
fn a_hostile_worker_gets_no_more_than_a_read_at_a_time() {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let hostile = std::thread::spawn(move || {
        let mut stream = &theirs;
        Frame::receive(&mut stream).expect("a request");
        Frame::Read { at: 0, len: u32::MAX }.send(&mut stream).expect("the parent listens");
        let Ok(Some(Frame::Data(Some(bytes)))) = Frame::receive(&mut stream) else { panic!("no data") };
        Frame::Read { at: u64::MAX, len: 1 }.send(&mut stream).expect("the parent listens");
        Frame::receive(&mut stream).expect("an answer for a place that is not there");
        Frame::Data(None).send(&mut stream).expect("the parent listens");
        bytes.len()
    });
    let failed = Client::new(ours).run(&request(Format::Jpeg), &vec![7; 2 << 20]);
    assert!(matches!(failed, Err(JobError::Protocol(_))), "{failed:?}");
    assert_eq!(hostile.join().expect("no panic"), wire::LONGEST_READ);
}
