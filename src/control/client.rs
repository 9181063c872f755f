//! A command's side of the socket. Blocking: a command has nothing else to do.

use super::protocol::{Refused, Reply, Request};
use super::status::Status;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use thiserror::Error;

/// Why nothing was answered.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens: nothing is mounted on this state directory.
    #[error("nothing is mounted with this state directory")]
    Nobody,
    #[error("the mount does not answer: {0}")]
    Io(#[from] io::Error),
    #[error("the mount answered what this command does not understand; are both of one version?")]
    Malformed,
    #[error("{}", .0.sentence)]
    Refused(Refused),
}

/// A connection to the mount of a state directory.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// # Errors
    /// [`ClientError::Nobody`] where no mount listens.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        match UnixStream::connect(socket) {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream) }),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Err(ClientError::Nobody)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// # Errors
    /// [`ClientError`]; a refusal is one.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match serde_json::from_str(&answer) {
            Ok(Reply::Refused(refused)) => Err(ClientError::Refused(refused)),
            Ok(reply) => Ok(reply),
            Err(_) => Err(ClientError::Malformed),
        }
    }

    /// # Errors
    /// As [`Self::ask`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            _ => Err(ClientError::Malformed),
        }
    }
}
