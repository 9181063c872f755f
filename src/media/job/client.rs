//! The parent's side.

use super::wire::{Frame, LONGEST_READ, ended};
use super::{Answer, JobError, Request};
use crate::base::ReadAt;
use crate::media::Facts;
use crate::media::source::read_fully;
use std::io::{Read, Write};

/// Asks a worker at the other end of a stream, one job after the other.
pub struct Client<S> {
    stream: S,
    early: Option<Box<Facts>>,
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, early: None }
    }

    /// Hands over one job and serves the worker's reads until it answers. How long that may take is for the stream
    /// to say: its reads and writes are expected to fail when the time is up.
    ///
    /// # Errors
    /// After [`JobError::Stream`] and [`JobError::Protocol`] the conversation is lost and the client with it.
    pub fn run(&mut self, request: &Request, file: &dyn ReadAt) -> Result<Answer, JobError> {
        let first = Frame::Request { request: request.clone(), size: file.size() };
        first.send(&mut self.stream)?;
        self.early = None;
        let mut failure = None;
        loop {
            match Frame::receive(&mut self.stream)?.ok_or_else(ended)? {
                Frame::Read { at, len } => {
                    let mut bytes = vec![0; (len as usize).min(LONGEST_READ)];
                    let data = read_fully(file, at, &mut bytes);
                    let data =
                        data.map(|n| bytes.truncate(n)).map(|()| bytes).map_err(|error| failure = Some(error)).ok();
                    Frame::Data(data).send(&mut self.stream)?;
                }
                Frame::Facts(facts) => self.early = Some(facts),
                Frame::Answer(answer) => return failure.map_or(Ok(*answer), |error| Err(JobError::Source(error))),
                Frame::Request { .. } | Frame::Data(_) => {
                    return Err(JobError::Protocol("a parent's frame from a child"));
                }
            }
        }
    }

    /// The facts of a job that came to no answer: they are known before a thumbnail is begun.
    pub fn early_facts(self) -> Option<Box<Facts>> {
        self.early
    }
}
