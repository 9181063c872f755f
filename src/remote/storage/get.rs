//! Reading objects: a range of one, or all of a small one.

use super::{Storage, malformed};
use crate::remote::api::RangeSink;
use crate::remote::call::next_piece;
use crate::remote::error::{RemoteResult, STORAGE};
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Url};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// A storage that ignores ranges sends everything from the start on: what lies before the range is thrown
/// away up to this length, beyond it the storage is refused.
const MOST_SKIPPED: u64 = 64 << 20;

impl Storage {
    /// Gives the bytes of `range` to `into`, all there are of them or in the end none; answers the object's length.
    ///
    /// # Errors
    /// Also where the storage sends another range than the one asked for, fewer bytes, or more.
    pub(in crate::remote) async fn get_range(
        &self,
        url: &Url,
        range: Range<u64>,
        into: &mut dyn RangeSink,
    ) -> RemoteResult<u64> {
        let last = range.end.saturating_sub(1);
        let request = self.http.get(url.clone()).header(RANGE, format!("bytes={}-{last}", range.start));
        let response = self.ask(request).await?;
        let (skip, length, total) = expect_range(&response, &range)?;
        let received = self.receive(response, skip, length, into).await;
        if received.is_err() {
            into.forget();
        }
        received.map(|()| total)
    }

    /// All of an object that has at most `longest` bytes.
    pub(in crate::remote) async fn get_whole(&self, url: &Url, longest: u64) -> RemoteResult<Vec<u8>> {
        let response = self.ask(self.http.get(url.clone())).await?;
        let announced = number_in(&response, &CONTENT_LENGTH);
        if response.status() != StatusCode::OK || is_web_page(&response) {
            return Err(malformed("it gave something else than the object"));
        }
        if announced.is_none() && !response.headers().contains_key(TRANSFER_ENCODING) {
            return Err(malformed("its answer has no end mark"));
        }
        let mut body = Vec::with_capacity(announced.unwrap_or(0).min(longest) as usize);
        let mut response = response;
        while let Some(piece) = next_piece(STORAGE, &mut response, self.timeouts.stall).await? {
            if (body.len() + piece.len()) as u64 > longest {
                return Err(malformed(format!("the object is longer than {longest} bytes")));
            }
            self.down.pass(piece.len()).await;
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Reads past `skip` bytes, then exactly `length` into `into`.
    async fn receive(
        &self,
        mut response: Response,
        mut skip: u64,
        length: u64,
        into: &mut dyn RangeSink,
    ) -> RemoteResult<()> {
        let whole_body = skip > 0 || response.status() == StatusCode::OK;
        let expected = usize::try_from(length).map_err(|_| malformed("the range does not fit into memory"))?;
        into.expect(expected);
        let mut missing = expected;
        while let Some(mut piece) = next_piece(STORAGE, &mut response, self.timeouts.stall).await? {
            self.received.fetch_add(piece.len() as u64, Ordering::Relaxed);
            self.down.pass(piece.len()).await;
            skip_bytes(&mut piece, &mut skip);
            if piece.len() > missing && !whole_body {
                return Err(malformed("the body is longer than its range"));
            }
            let taken = piece.len().min(missing);
            into.take(&piece[..taken]);
            missing -= taken;
            if missing == 0 && whole_body {
                return Ok(());
            }
        }
        if missing == 0 { Ok(()) } else { Err(malformed(format!("the body ended {missing} bytes early"))) }
    }
}

fn skip_bytes(piece: &mut Bytes, skip: &mut u64) {
    let skipped = usize::try_from(*skip).map_or(piece.len(), |skip| skip.min(piece.len()));
    let _ = piece.split_to(skipped);
    *skip -= skipped as u64;
}

/// How many bytes of the body to skip, how many to take, and the object's length.
fn expect_range(response: &Response, range: &Range<u64>) -> RemoteResult<(u64, u64, u64)> {
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let header = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let (found, total) = header.and_then(parse_content_range).ok_or_else(|| malformed("it names no range"))?;
            if found.start != range.start || found.end != range.end.min(total) {
                return Err(malformed(format!("it gave the range {found:?} for {range:?}")));
            }
            Ok((0, found.end - found.start, total))
        }
        StatusCode::OK => expect_whole(response, range),
        other => Err(malformed(format!("it answered {} to a range", other.as_u16()))),
    }
}

/// An answer that ignores the range.
fn expect_whole(response: &Response, range: &Range<u64>) -> RemoteResult<(u64, u64, u64)> {
    let total = number_in(response, &CONTENT_LENGTH).filter(|total| *total > range.start);
    match total {
        Some(total) if range.start <= MOST_SKIPPED && !is_web_page(response) => {
            Ok((range.start, range.end.min(total) - range.start, total))
        }
        _ => Err(malformed("it ignores ranges; is this a captive portal?")),
    }
}

/// `bytes a-b/total`, as a half-open range.
fn parse_content_range(value: &str) -> Option<(Range<u64>, u64)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first <= last && last < total).then(|| (first..last + 1, total))
}

fn number_in(response: &Response, name: &HeaderName) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

fn is_web_page(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_strictly() {
        assert_eq!(parse_content_range("bytes 0-0/1"), Some((0..1, 1)));
        assert_eq!(parse_content_range("bytes 4194321-8388641/8388642"), Some((4_194_321..8_388_642, 8_388_642)));
        for bad in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 0-9/*",
            "bytes */10",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "items 0-1/2",
            "bytes -1-2/3",
            "bytes 0-18446744073709551615/18446744073709551615",
        ] {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }
}
