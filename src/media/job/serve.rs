//! The child's side.

use super::wire::{Frame, LONGEST_READ, ended};
use super::{Answer, JobError, Request};
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
        let answer = {
            let file = RemoteFile { streams: Mutex::new((&mut input, &mut output)), size };
            answer(&request, &file)
        };
        Frame::Answer(Box::new(answer)).send(&mut output)?;
    }
    Ok(())
}

fn answer(request: &Request, file: &dyn ReadAt) -> Answer {
    let facts = probe(file, request.format, &request.circumstances());
    let limits = ThumbnailLimits::default();
    let thumbnail = request.thumbnail.then(|| thumbnail(file, request.format, facts.orientation, &limits));
    Answer { facts: request.facts.then_some(facts), thumbnail }
}

/// A file that the other side holds.
struct RemoteFile<'s, R, W> {
    streams: Mutex<(&'s mut R, &'s mut W)>,
    size: u64,
}

impl<R: Read + Send, W: Write + Send> RemoteFile<'_, R, W> {
    fn fetch(&self, at: u64, len: u32) -> Result<Option<Vec<u8>>, JobError> {
        let mut streams = self.streams.lock();
        let (input, output) = &mut *streams;
        Frame::Read { at, len }.send(output)?;
        match Frame::receive(input)?.ok_or_else(ended)? {
            Frame::Data(bytes) => Ok(bytes),
            _ => Err(JobError::Protocol("no data where some were due")),
        }
    }
}

impl<R: Read + Send, W: Write + Send> ReadAt for RemoteFile<'_, R, W> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.size.saturating_sub(offset).min(LONGEST_READ as u64);
        let len = buf.len().min(rest as usize);
        if len == 0 {
            return Ok(0);
        }
        let bytes = self.fetch(offset, len as u32).map_err(io::Error::other)?;
        let bytes = bytes.ok_or_else(|| io::Error::other("the other side could not read the file"))?;
        let n = bytes.len().min(len);
        buf[..n].copy_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn size(&self) -> u64 {
        self.size
    }
}
