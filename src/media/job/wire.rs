//! The bodies of the frames, little-endian.
//!
//! ```text
//! Request  1  version 1         Read  8  at          Answer  1  has facts
//!          1  want: 1 facts,          4  len                 …  facts, in the order of the struct
//!             2 thumbnail       Data  1  0 read, 1 failed     1  thumbnail: 0 none, 1 made, 2 to 4 the error
//!          1  format                  …  the bytes            …  width, height, JPEG; or the error's text
//!          8  size of the file
//!          8  modified, µs      text, bytes: 4 length, then they    optional: 1 for there, then it; 0 for not
//!          8  now, µs
//!          1  zone: 0 local, 1 fixed
//!          4  seconds east
//!          …  name
//! ```
//! Facts    …  the facts, as in an answer
//!
//! Both sides are the same program, so the version only guards against a mix-up.

use super::{Answer, JobError, Request};
use crate::base::Timestamp;
use crate::media::{DateSource, Facts, Format, Orientation, Place, Size, Thumbnail, ThumbnailError, Zone};
use std::io::{self, Read, Write};

/// The longest frame: a whole read and a little more.
const LONGEST: usize = LONGEST_READ + 1024;
/// What one `Read` may ask for.
pub const LONGEST_READ: usize = 512 << 10;
const VERSION: u8 = 1;

pub enum Frame {
    Request {
        request: Request,
        size: u64,
    },
    Read {
        at: u64,
        len: u32,
    },
    /// `None` where the parent could not read.
    Data(Option<Vec<u8>>),
    /// What breaks on the thumbnail leaves these.
    Facts(Box<Facts>),
    Answer(Box<Answer>),
}

impl Frame {
    /// The next frame; `None` where the stream ends between two.
    pub fn receive(stream: &mut impl Read) -> Result<Option<Self>, JobError> {
        let mut len = [0; 4];
        if !read_first(stream, &mut len[..1]).map_err(JobError::Stream)? {
            return Ok(None);
        }
        stream.read_exact(&mut len[1..]).map_err(JobError::Stream)?;
        let len = u32::from_le_bytes(len) as usize;
        if len == 0 || len > LONGEST {
            return Err(JobError::Protocol("a frame of an impossible length"));
        }
        let mut frame = vec![0; len];
        stream.read_exact(&mut frame).map_err(JobError::Stream)?;
        parse(&frame).map(Some).ok_or(JobError::Protocol("a frame that does not read"))
    }

    pub fn send(&self, stream: &mut impl Write) -> Result<(), JobError> {
        let mut frame = Writer(vec![0; 4]);
        match self {
            Self::Request { request, size } => frame.u8(1).request(request, *size),
            Self::Read { at, len } => frame.u8(2).u64(*at).u32(*len),
            Self::Data(Some(bytes)) => frame.u8(3).u8(0).raw(bytes),
            Self::Data(None) => frame.u8(3).u8(1),
            Self::Answer(answer) => frame.u8(4).answer(answer),
            Self::Facts(facts) => frame.u8(5).facts(facts),
        };
        let len = frame.0.len() - 4;
        let stated =
            u32::try_from(len).ok().filter(|_| len <= LONGEST).ok_or(JobError::Protocol("a frame that is too long"))?;
        frame.0[..4].copy_from_slice(&stated.to_le_bytes());
        stream.write_all(&frame.0).and_then(|()| stream.flush()).map_err(JobError::Stream)
    }
}

/// Whether a byte came before the end.
fn read_first(stream: &mut impl Read, byte: &mut [u8]) -> io::Result<bool> {
    loop {
        match stream.read(byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map(|n| n > 0),
        }
    }
}

fn parse(frame: &[u8]) -> Option<Frame> {
    let mut reader = Reader(frame);
    let frame = match reader.u8()? {
        1 => {
            let (request, size) = reader.request()?;
            Frame::Request { request, size }
        }
        2 => Frame::Read { at: reader.u64()?, len: reader.u32()? },
        3 => match reader.u8()? {
            0 => Frame::Data(Some(std::mem::take(&mut reader.0).to_vec())),
            1 => Frame::Data(None),
            _ => return None,
        },
        4 => Frame::Answer(Box::new(reader.answer()?)),
        5 => Frame::Facts(Box::new(reader.facts()?)),
        _ => return None,
    };
    reader.0.is_empty().then_some(frame)
}

struct Writer(Vec<u8>);

impl Writer {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    fn time(&mut self, value: Timestamp) -> &mut Self {
        self.raw(&value.0.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32).raw(bytes)
    }

    fn option<T>(&mut self, value: Option<T>, write: impl Fn(&mut Self, T) -> &mut Self) -> &mut Self {
        match value {
            Some(value) => write(self.u8(1), value),
            None => self.u8(0),
        }
    }

    fn text(&mut self, text: Option<&String>) -> &mut Self {
        self.option(text, |writer, text| writer.bytes(text.as_bytes()))
    }

    fn request(&mut self, request: &Request, size: u64) -> &mut Self {
        let (zone, east) = match request.zone {
            Zone::Local => (0, 0),
            Zone::Fixed(east) => (1, east),
        };
        let want = u8::from(request.facts) | u8::from(request.thumbnail) << 1;
        self.u8(VERSION).u8(want).u8(request.format as u8).u64(size).time(request.modified).time(request.now);
        self.u8(zone).raw(&east.to_le_bytes()).bytes(&request.name)
    }

    fn answer(&mut self, answer: &Answer) -> &mut Self {
        self.option(answer.facts.as_ref(), Self::facts);
        match &answer.thumbnail {
            None => self.u8(0),
            Some(Ok(thumbnail)) => self.u8(1).size(thumbnail.size).bytes(&thumbnail.jpeg),
            Some(Err(ThumbnailError::Unsupported)) => self.u8(2).bytes(b""),
            Some(Err(ThumbnailError::TooLarge(why))) => self.u8(3).bytes(why.as_bytes()),
            Some(Err(ThumbnailError::Malformed(why))) => self.u8(4).bytes(why.as_bytes()),
        }
    }

    fn facts(&mut self, facts: &Facts) -> &mut Self {
        self.time(facts.created).u8(facts.created_from as u8).text(facts.wall.as_ref()).text(facts.offset.as_ref());
        self.option(facts.place, |writer, place| writer.u64(place.latitude.to_bits()).u64(place.longitude.to_bits()));
        self.option(facts.size, Self::size).u8(facts.orientation as u8).option(facts.duration, Self::u32);
        self.text(facts.camera_make.as_ref()).text(facts.camera_model.as_ref());
        self.text(facts.caption.as_ref()).text(facts.content_identifier.as_ref());
        self.option(facts.motion, Self::u64).u8(facts.panorama.into())
    }

    fn size(&mut self, size: Size) -> &mut Self {
        self.u32(size.width).u32(size.height)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn raw(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.raw(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.array().map(i64::from_le_bytes).map(Timestamp)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.raw(len as usize)
    }

    /// `None` for a frame that does not read.
    fn option<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn request(&mut self) -> Option<(Request, u64)> {
        if self.u8()? != VERSION {
            return None;
        }
        let want = self.u8().filter(|want| *want < 4)?;
        let format = *Format::ALL.get(usize::from(self.u8()?))?;
        let size = self.u64()?;
        let (modified, now) = (self.time()?, self.time()?);
        let (zone, east) = (self.u8()?, i32::from_le_bytes(self.array()?));
        let zone = match zone {
            0 => Zone::Local,
            1 => Zone::Fixed(east),
            _ => return None,
        };
        let name = self.bytes()?.to_vec();
        let (facts, thumbnail) = (want & 1 != 0, want & 2 != 0);
        Some((Request { format, name, modified, now, zone, facts, thumbnail }, size))
    }

    fn answer(&mut self) -> Option<Answer> {
        let facts = self.option(Self::facts)?;
        let thumbnail = match self.u8()? {
            0 => None,
            1 => Some(Ok(self.thumbnail()?)),
            kind => Some(Err(self.thumbnail_error(kind)?)),
        };
        Some(Answer { facts, thumbnail })
    }

    fn thumbnail(&mut self) -> Option<Thumbnail> {
        let size = self.size()?;
        let jpeg = self.bytes().filter(|jpeg| jpeg.starts_with(b"\xff\xd8\xff"))?.to_vec();
        Some(Thumbnail { jpeg, size })
    }

    fn thumbnail_error(&mut self, kind: u8) -> Option<ThumbnailError> {
        let why = self.string()?;
        match kind {
            2 => Some(ThumbnailError::Unsupported),
            3 => Some(ThumbnailError::TooLarge(why)),
            4 => Some(ThumbnailError::Malformed(why)),
            _ => None,
        }
    }

    fn facts(&mut self) -> Option<Facts> {
        let created = self.time()?;
        let sources = [DateSource::Embedded, DateSource::FileName, DateSource::Modified];
        let created_from = *sources.get(usize::from(self.u8()?))?;
        Some(Facts {
            created,
            created_from,
            wall: self.option(Self::string)?,
            offset: self.option(Self::string)?,
            place: self.option(Self::place)?,
            size: self.option(Self::size)?,
            orientation: Orientation::from_exif(self.u8()?.into())?,
            duration: self.option(Self::u32)?,
            camera_make: self.option(Self::string)?,
            camera_model: self.option(Self::string)?,
            caption: self.option(Self::string)?,
            content_identifier: self.option(Self::string)?,
            motion: self.option(Self::u64)?,
            panorama: self.u8()? != 0,
        })
    }

    fn place(&mut self) -> Option<Place> {
        Place::new(f64::from_bits(self.u64()?), f64::from_bits(self.u64()?))
    }

    fn size(&mut self) -> Option<Size> {
        Size::new(self.u32()?, self.u32()?)
    }
}

/// A stream that ends in the middle of a conversation.
pub fn ended() -> JobError {
    JobError::Stream(io::ErrorKind::UnexpectedEof.into())
}
