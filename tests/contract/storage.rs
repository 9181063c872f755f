//! The object storage behind presigned URLs (data 3.3, 5.1). The answers are those of MinIO.

use crate::client::{Client, Reply, send};
use crate::people::ada;
use crate::photos::{batch_urls, draft_of, new_album, put_bytes, put_object};
use entefs::base::B64;
use entefs::crypto::md5;
use entefs::wire::{File, UploadUrl, UploadUrlRequest, path};
use reqwest::{Body, Method};

async fn checked_url(client: &Client, bytes: &[u8]) -> (UploadUrl, String) {
    let content_md5 = B64::of(md5(bytes));
    let request = UploadUrlRequest { content_length: bytes.len() as i64, content_md5: content_md5.clone() };
    (client.post(path::UPLOAD_URL, &request).await.json(), content_md5.0)
}

fn hex_md5(bytes: &[u8]) -> String {
    md5(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn chunked(bytes: &'static [u8]) -> Body {
    Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]))
}

#[tokio::test]
async fn a_checked_url_takes_its_own_bytes_and_no_others() {
    let client = ada().await.client();
    let (target, content_md5) = checked_url(&client, b"seven b").await;
    let url = target.url.as_str();
    let other_md5 = B64::of(md5(b"other b")).0;
    put_bytes(&client, url, b"other b", &other_md5).await.storage_refused(403, "SignatureDoesNotMatch");
    put_bytes(&client, url, b"eight by", &content_md5).await.storage_refused(403, "SignatureDoesNotMatch");
    put_bytes(&client, url, b"other b", &content_md5).await.storage_refused(400, "BadDigest");
    put_bytes(&client, url, b"seven b", "").await.storage_refused(400, "AccessDenied");
    let stream = client.http.put(url).header("Content-MD5", &content_md5).body(chunked(b"seven b"));
    send(stream).await.storage_refused(411, "MissingContentLength");
    let reply = put_bytes(&client, url, b"seven b", &content_md5).await.ok();
    assert_eq!(reply.header("ETag"), format!("\"{}\"", hex_md5(b"seven b")));
    assert!(reply.body.is_empty());
    put_bytes(&client, url, b"seven b", &content_md5).await.ok();
    let forged = url.replace(&target.object_key, "7/01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!(put_bytes(&client, &forged, b"seven b", &content_md5).await.status, 403);
}

#[tokio::test]
async fn what_is_not_signed_is_passed_over_but_an_authorization_is_not() {
    let ada = ada().await;
    let client = ada.client();
    let (target, content_md5) = checked_url(&client, b"seven b").await;
    let put = || client.http.put(&target.url).header("Content-MD5", &content_md5).body("seven b");
    send(put().header("Content-Type", "image/jpeg").header("X-Auth-Token", &ada.token)).await.ok();
    assert_eq!(send(put().header("Authorization", "Bearer x")).await.status, 400);
}

#[tokio::test]
async fn an_unchecked_url_binds_nothing_but_a_given_md5_is_checked() {
    let client = ada().await.client();
    let [target] = batch_urls(&client, 1).await.try_into().expect("one");
    put_bytes(&client, &target.url, b"anything", "").await.ok();
    let wrong = B64::of(md5(b"something else")).0;
    put_bytes(&client, &target.url, b"anything", &wrong).await.storage_refused(400, "BadDigest");
    put_bytes(&client, &target.url, b"anything", "nonsense").await.storage_refused(400, "InvalidDigest");
    send(client.http.put(&target.url).body(chunked(b"any"))).await.storage_refused(411, "MissingContentLength");
    put_bytes(&client, &target.url, b"", "").await.ok();
}

/// A photo of these bytes, and where to get them.
async fn stored(client: &Client, bytes: &[u8]) -> String {
    let ada = ada().await;
    let album = new_album(client, ada).await;
    let file: File = client.post(path::FILES, &draft_of(client, &album, bytes, b"thumbnail").await).await.json();
    location(client, &format!("{}/{}", path::FILE_DOWNLOAD, file.id)).await
}

async fn location(client: &Client, path: &str) -> String {
    let reply = client.get(path).await;
    assert_eq!(reply.status, 307, "{}", reply.text());
    reply.header("Location").to_owned()
}

async fn get_range(client: &Client, url: &str, range: &str) -> Reply {
    send(client.http.get(url).header("Range", range)).await
}

#[tokio::test]
async fn an_object_is_got_whole_or_by_ranges() {
    let client = ada().await.client();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| ((i * 7) >> 3) as u8).collect();
    let url = stored(&client, &bytes).await;
    let whole = send(client.http.get(&url)).await.ok();
    assert_eq!(whole.body, bytes);
    assert_eq!(whole.header("Content-Length"), "3000000");
    assert_eq!(whole.header("Content-Type"), "application/octet-stream");
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=5-14", 5, 14),
        ("bytes=1000000-2500000", 1_000_000, 2_500_000),
        ("bytes=2999990-", 2_999_990, 2_999_999),
        ("bytes=2999990-9999999", 2_999_990, 2_999_999),
        ("bytes=-10", 2_999_990, 2_999_999),
    ] {
        let reply = get_range(&client, &url, range).await;
        assert_eq!(
            (reply.status, reply.header("Content-Range")),
            (206, format!("bytes {first}-{last}/3000000").as_str())
        );
        assert_eq!(reply.body, bytes[first..=last], "{range}");
    }
    get_range(&client, &url, "bytes=3000000-").await.storage_refused(416, "InvalidRange");
    let several = get_range(&client, &url, "bytes=0-9,20-29").await;
    assert_eq!((several.status, several.body.len()), (200, bytes.len()));
}

#[tokio::test]
async fn a_download_url_is_for_get_alone() {
    let client = ada().await.client();
    let url = stored(&client, b"x").await;
    assert_eq!(send(client.http.request(Method::HEAD, &url)).await.status, 403);
    assert_eq!(send(client.http.put(&url).body("y")).await.status, 403);
    assert_eq!(send(client.http.get(&url).header("Authorization", "Bearer x")).await.status, 400);
    send(client.http.get(&url).header("X-Auth-Token", "x")).await.ok();
    let plain = url.split('?').next().expect("a path");
    send(client.http.get(plain)).await.storage_refused(403, "AccessDenied");
    let put = put_object(&client, b"z").await;
    assert_eq!(send(client.http.get(&put.url)).await.status / 100, 4, "a URL to put is none to get");
}

#[tokio::test]
async fn sizes_around_chunks_and_buffers_come_back_as_they_were() {
    let client = ada().await.client();
    for size in [0_usize, 1, 17, 65_536, 524_287, 524_288, 524_289, 1_048_576, 1_048_577, 4_194_321] {
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let [target] = batch_urls(&client, 1).await.try_into().expect("one");
        let etag = put_bytes(&client, &target.url, &bytes, "").await.ok().header("ETag").to_owned();
        assert_eq!(etag, format!("\"{}\"", hex_md5(&bytes)), "{size}");
        if size > 0 {
            assert_eq!(send(client.http.get(stored(&client, &bytes).await)).await.ok().body, bytes);
        }
    }
}
