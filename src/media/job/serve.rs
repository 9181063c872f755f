//! The child's side.

use super::wire::{Frame, LONGEST_READ, ended};
use super::{Answer, JobError};
use crate::base::ReadAt;
use crate::base::sync::Mutex;
use crate::media::{ThumbnailLimits, probe, thumbnail};
use std::io::{self, Read, Write};

/// Does jobs until the stream ends between two of them.
///
/// # Errors
/// Where the stream fails or speaks another language; nothing is left to do then but to leave.
pub fn serve(mut input: impl Read + Send, mut output: impl Write + Send) -> Result<(), JobError> {
    while let Some(frame) = Frame::receive(&mut input)? {
        let Frame::Request { request, size } = frame else {
            return Err(JobError::Protocol("no request where one was due"));
        };
        let file = RemoteFile { link: Mutex::new(Link::new(&mut input, &mut output)), size };
        let facts = probe(&file, request.format, &request.circumstances());
        if request.facts && request.thumbnail {
            Frame::Facts(Box::new(facts.clone())).send(file.link.lock().output)?;
        }
        let limits = ThumbnailLimits::default();
        let thumbnail = request.thumbnail.then(|| thumbnail(&file, request.format, facts.orientation, &limits));
        let answer = Answer { facts: request.facts.then_some(facts), thumbnail };
        Frame::Answer(Box::new(answer)).send(&mut output)?;
    }
    Ok(())
}

/// Bytes that come with any read: the other side opens its blocks whole.
const STEP: u64 = 64 << 10;
/// Bytes that come where one read follows the other.
const STRIDE: u64 = 4 * STEP;

/// A file that the other side holds.
struct RemoteFile<'s, R, W> {
    link: Mutex<Link<'s, R, W>>,
    size: u64,
}

/// The streams, and what came last: parsers hop about in a few bytes at a time, and each question costs two switches
/// from process to process.
struct Link<'s, R, W> {
    input: &'s mut R,
    output: &'s mut W,
    start: u64,
    bytes: Vec<u8>,
}

impl<'s, R: Read + Send, W: Write + Send> Link<'s, R, W> {
    fn new(input: &'s mut R, output: &'s mut W) -> Self {
        Self { input, output, start: 0, bytes: Vec::new() }
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn fetch(&mut self, at: u64, len: u32) -> io::Result<Vec<u8>> {
        let asked =
            Frame::Read { at, len }.send(self.output).and_then(|()| Frame::receive(self.input)?.ok_or_else(ended));
        match asked.map_err(io::Error::other)? {
            Frame::Data(bytes) => bytes.ok_or_else(|| io::Error::other("the other side could not read the file")),
            _ => Err(io::Error::other(JobError::Protocol("no data where some were due"))),
        }
    }

    /// Brings what covers `at` here.
    fn cover(&mut self, at: u64, size: u64) -> io::Result<()> {
        if !(self.start..self.end()).contains(&at) {
            let ahead = if at == self.end() { STRIDE } else { STEP };
            let start = at - at % STEP;
            self.bytes = self.fetch(start, ahead.min(size - start) as u32)?;
            self.start = start;
        }
        Ok(())
    }
}

impl<R: Read + Send, W: Write + Send> ReadAt for RemoteFile<'_, R, W> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.size.saturating_sub(offset).min(LONGEST_READ as u64);
        let len = buf.len().min(rest as usize);
        if len == 0 {
            return Ok(0);
        }
        let mut link = self.link.lock();
        if len as u64 >= STRIDE {
            let bytes = link.fetch(offset, len as u32)?;
            let n = bytes.len().min(len);
            buf[..n].copy_from_slice(&bytes[..n]);
            return Ok(n);
        }
        link.cover(offset, self.size)?;
        let here = link.bytes.get((offset - link.start) as usize..).unwrap_or_default();
        let n = here.len().min(len);
        buf[..n].copy_from_slice(&here[..n]);
        Ok(n)
    }

    fn size(&self) -> u64 {
        self.size
    }
}
