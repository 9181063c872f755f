//! Unpacking what other clients deflated, piece by piece.

use flate2::{Decompress, FlushDecompress, Status};
use thiserror::Error;

/// Output grows by this much at a time.
const PIECE: usize = 64 << 10;

/// The packed bytes are not what the directory says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a half cannot be unpacked: its bytes are damaged, or more or fewer than stated")]
pub struct InflateError;

/// One half being unpacked: never more than the stated size comes out.
pub struct Inflater {
    raw: Decompress,
    left: u64,
    ended: bool,
}

impl Inflater {
    /// `size`: bytes that the half has unpacked.
    pub fn new(size: u64) -> Self {
        Self { raw: Decompress::new(false), left: size, ended: false }
    }

    /// Unpacks the next packed bytes onto the end of `out`.
    ///
    /// # Errors
    /// [`InflateError`] for damaged bytes, and for more than the stated size.
    pub fn feed(&mut self, mut packed: &[u8], out: &mut Vec<u8>) -> Result<(), InflateError> {
        let mut piece = vec![0; PIECE];
        while !self.ended {
            let (read, written) = (self.raw.total_in(), self.raw.total_out());
            let status = self.raw.decompress(packed, &mut piece, FlushDecompress::None).map_err(|_| InflateError)?;
            let (read, written) = ((self.raw.total_in() - read) as usize, self.raw.total_out() - written);
            self.left = self.left.checked_sub(written).ok_or(InflateError)?;
            out.extend_from_slice(&piece[..written as usize]);
            packed = &packed[read..];
            self.ended = status == Status::StreamEnd;
            if read == 0 && written == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// # Errors
    /// [`InflateError`] where fewer bytes came out than stated.
    pub fn finish(&self) -> Result<(), InflateError> {
        if self.ended && self.left == 0 { Ok(()) } else { Err(InflateError) }
    }
}
