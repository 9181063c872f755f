//! One call to the API, once: request, waiting, status, body (protocol notes, auth 3 and 5, data 0.1).

use super::error::{RemoteError, RemoteResult};
use super::fault;
use super::options::{HttpOptions, Timeouts, build_api_client, parse_endpoint};
use crate::base::Timestamp;
use crate::wire::{ErrorBody, header};
use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// No answer of the API is longer; a page may hold 100,000 rows of one stamp.
const LONGEST_ANSWER: u64 = 512 << 20;
/// As much of a refusal as is read for its code.
const LONGEST_REFUSAL: u64 = 64 << 10;
/// A server that asks for more rest than this is asked again all the same.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// What to ask for; can be sent any number of times.
pub(super) struct ApiCall {
    method: Method,
    /// A path of [`crate::wire::path`]; names the call in errors and limits.
    pub(super) endpoint: &'static str,
    /// What follows the path: `/<id>`.
    id: Option<i64>,
    query: Vec<(&'static str, String)>,
    body: Option<Bytes>,
}

impl ApiCall {
    pub(super) fn get(endpoint: &'static str) -> Self {
        Self { method: Method::GET, endpoint, id: None, query: Vec::new(), body: None }
    }

    pub(super) fn delete(endpoint: &'static str) -> Self {
        Self { method: Method::DELETE, ..Self::get(endpoint) }
    }

    pub(super) fn post(endpoint: &'static str, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("the wire's types have string keys and no failing parts");
        Self::post_bytes(endpoint, body.into())
    }

    pub(super) fn post_bytes(endpoint: &'static str, body: Bytes) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(endpoint) }
    }

    pub(super) fn put(endpoint: &'static str, body: &impl Serialize) -> Self {
        Self { method: Method::PUT, ..Self::post(endpoint, body) }
    }

    pub(super) fn id(mut self, id: i64) -> Self {
        self.id = Some(id);
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }
}

/// The API of one server.
pub(super) struct ApiClient {
    http: Client,
    base: String,
    pub(super) timeouts: Timeouts,
}

impl ApiClient {
    pub(super) fn new(options: &HttpOptions) -> RemoteResult<Self> {
        let base = parse_endpoint(&options.endpoint)?;
        Ok(Self { http: build_api_client(options)?, base, timeouts: options.timeouts })
    }

    /// Sends the call and reads the whole answer.
    ///
    /// # Errors
    /// [`RemoteError::Status`] for a refusal, [`RemoteError::Malformed`] for a redirection: Ente's API has
    /// two, and they are asked for by [`Self::locate`].
    pub(super) async fn send(&self, call: &ApiCall, token: Option<&str>) -> RemoteResult<Bytes> {
        let response = self.request(call, token).await?;
        if response.status().is_redirection() {
            return Err(RemoteError::Malformed { endpoint: call.endpoint, detail: stray_redirection(&response) });
        }
        let response = refuse_failure(call.endpoint, response, self.timeouts.stall).await?;
        read_body(call.endpoint, response, self.timeouts.stall, LONGEST_ANSWER).await
    }

    /// Sends the call and answers when it was answered, by the server's clock.
    pub(super) async fn fetch_time(&self, call: &ApiCall) -> RemoteResult<Option<Timestamp>> {
        let response = refuse_failure(call.endpoint, self.request(call, None).await?, self.timeouts.stall).await?;
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        Ok(date.map(|date| Timestamp(date.timestamp_micros())))
    }

    /// Sends the call and answers where it redirects to, without going there.
    pub(super) async fn locate(&self, call: &ApiCall, token: Option<&str>) -> RemoteResult<Url> {
        let response = self.request(call, token).await?;
        let response = refuse_failure(call.endpoint, response, self.timeouts.stall).await?;
        let malformed = |detail: &str| RemoteError::Malformed { endpoint: call.endpoint, detail: detail.into() };
        if !response.status().is_redirection() {
            return Err(malformed("it gives no address of the object"));
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let place = location.and_then(|location| response.url().join(location).ok());
        place
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| malformed("it redirects to no usable address"))
    }

    async fn request(&self, call: &ApiCall, token: Option<&str>) -> RemoteResult<Response> {
        let mut url = format!("{}{}", self.base, call.endpoint);
        if let Some(id) = call.id {
            url = format!("{url}/{id}");
        }
        let mut request = self.http.request(call.method.clone(), url).query(&call.query).headers(headers(call, token)?);
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        match timeout(self.timeouts.headers, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(fault::of(call.endpoint, &error, self.timeouts.connect)),
            Err(_) => Err(RemoteError::Stalled { endpoint: call.endpoint, after: self.timeouts.headers }),
        }
    }
}

fn headers(call: &ApiCall, token: Option<&str>) -> RemoteResult<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CLIENT_PACKAGE, HeaderValue::from_static(header::PHOTOS_PACKAGE));
    if call.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(token) = token {
        let mut value =
            HeaderValue::from_str(token).map_err(|_| RemoteError::Body("the session's token is damaged".into()))?;
        value.set_sensitive(true);
        headers.insert(header::AUTH_TOKEN, value);
    }
    Ok(headers)
}

/// The answer, unless it is a refusal.
pub(super) async fn refuse_failure(
    endpoint: &'static str,
    response: Response,
    stall: Duration,
) -> RemoteResult<Response> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(response);
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(parse_rest);
    let code = code_of(endpoint, response, stall).await;
    Err(RemoteError::Status { endpoint, status: status.as_u16(), code, retry_after })
}

/// The word for the refusal, where the body is Ente's or S3's and has one.
async fn code_of(endpoint: &'static str, response: Response, stall: Duration) -> String {
    let Ok(body) = read_body(endpoint, response, stall, LONGEST_REFUSAL).await else { return String::new() };
    let json = serde_json::from_slice::<ErrorBody>(&body).ok().map(|body| body.code);
    clean_code(json.or_else(|| super::xml::error_code(&body)).unwrap_or_default())
}

/// A code goes into messages and logs: one plain word, or none.
pub(super) fn clean_code(code: String) -> String {
    let plain = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { code } else { String::new() }
}

/// `Retry-After` in seconds or as a date.
fn parse_rest(value: &str) -> Option<Duration> {
    let rest = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = chrono::DateTime::parse_from_rfc2822(value.trim()).ok()?;
            (date.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default()
        }
    };
    Some(rest.min(LONGEST_REST))
}

/// The whole body, up to `longest` bytes.
pub(super) async fn read_body(
    endpoint: &'static str,
    mut response: Response,
    stall: Duration,
    longest: u64,
) -> RemoteResult<Bytes> {
    let announced = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let too_long = || RemoteError::Malformed { endpoint, detail: format!("it is longer than {longest} bytes") };
    if announced.is_some_and(|length: u64| length > longest) {
        return Err(too_long());
    }
    let mut body = BytesMut::with_capacity(announced.map_or(0, |length| length.min(4 << 20) as usize));
    while let Some(piece) = next_piece(endpoint, &mut response, stall).await? {
        if (body.len() + piece.len()) as u64 > longest {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The next bytes of a body as they come; `None` at its end.
pub(super) async fn next_piece(
    endpoint: &'static str,
    response: &mut Response,
    stall: Duration,
) -> RemoteResult<Option<Bytes>> {
    match timeout(stall, response.chunk()).await {
        Ok(piece) => piece.map_err(|error| fault::of(endpoint, &error, stall)),
        Err(_) => Err(RemoteError::Stalled { endpoint, after: stall }),
    }
}

fn stray_redirection(response: &Response) -> String {
    let place = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let host = place.and_then(|place| response.url().join(place).ok()).map(|url| url.origin().ascii_serialization());
    match host {
        Some(host) => format!("it redirects to {host}; is this a captive portal, or the endpoint wrong?"),
        None => "it redirects nowhere".into(),
    }
}

/// A body that must be JSON of this shape.
pub(super) fn parse<T: DeserializeOwned>(endpoint: &'static str, body: &[u8]) -> RemoteResult<T> {
    serde_json::from_slice(body).map_err(|error| malformed(endpoint, body, &error))
}

/// What does not parse, without its content: only where and how.
pub(super) fn malformed(endpoint: &'static str, body: &[u8], error: &serde_json::Error) -> RemoteError {
    let detail = match body.iter().find(|b| !b.is_ascii_whitespace()) {
        None => "an empty body".into(),
        Some(b'<') => "a web page; is this a captive portal, or the endpoint wrong?".into(),
        Some(_) => format!("{:?} at line {}, column {}", error.classify(), error.line(), error.column()),
    };
    RemoteError::Malformed { endpoint, detail }
}

/// The answer of a call that gives nothing: an empty body, or some JSON (data 0.1). A web page is neither.
pub(super) fn expect_nothing(endpoint: &'static str, body: &[u8]) -> RemoteResult<()> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    parse::<serde::de::IgnoredAny>(endpoint, body).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_read_in_seconds_and_as_a_date() {
        assert_eq!(parse_rest(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(parse_rest("999999999"), Some(LONGEST_REST));
        assert_eq!(parse_rest("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "7.5"] {
            assert_eq!(parse_rest(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_is_an_empty_body_or_json_and_no_web_page() {
        for body in ["", "\n", "{}", r#"{"sharees":[]}"#] {
            assert_eq!(expect_nothing("/x", body.as_bytes()), Ok(()), "{body}");
        }
        for body in ["<html>Sign in</html>", "OK", "{", "\u{0}"] {
            assert!(matches!(expect_nothing("/x", body.as_bytes()), Err(RemoteError::Malformed { .. })), "{body}");
        }
    }

    #[test]
    fn what_does_not_parse_is_described_and_not_quoted() {
        for body in ["<!DOCTYPE html>secret", r#"{"token":"secret"}"#, "secret"] {
            let error = parse::<Vec<u8>>("/x", body.as_bytes()).expect_err("not a list").to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
