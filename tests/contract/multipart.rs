//! Objects put in parts (data 3.4).

use crate::client::{Client, Reply, send};
use crate::people::ada;
use crate::photos::{draft, new_album, put_bytes};
use entefs::base::B64;
use entefs::crypto::md5;
use entefs::wire::{
    File, MultipartUploadUrlRequest, MultipartUploadUrls, MultipartUploadUrlsAnswer, ObjectAttributes, RegisterFile,
    path,
};

const PART: usize = 5 << 20;

fn content() -> Vec<u8> {
    (0..2 * PART + 1234).map(|i| ((i * 31) >> 4) as u8).collect()
}

async fn open(client: &Client, bytes: &[u8], part: usize) -> MultipartUploadUrls {
    let part_md5s = bytes.chunks(part).map(|part| B64::of(md5(part))).collect();
    let (content_length, part_length) = (bytes.len() as i64, part as i64);
    let request = MultipartUploadUrlRequest { content_length, part_length, part_md5s };
    client.post(path::MULTIPART_UPLOAD_URL, &request).await.json()
}

async fn complete(client: &Client, url: &str, etags: &[(u32, String)]) -> Reply {
    let part =
        |(number, etag): &(u32, String)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    let parts: String = etags.iter().map(part).collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    send(client.http.post(url).header("Content-Type", "text/xml").body(body)).await
}

async fn put_parts(client: &Client, urls: &[String], bytes: &[u8]) -> Vec<(u32, String)> {
    let mut etags = Vec::new();
    // In no order: last part first.
    for (index, (part, url)) in bytes.chunks(PART).zip(urls).enumerate().rev() {
        let reply = put_bytes(client, url, part, &B64::of(md5(part)).0).await.ok();
        etags.push((index as u32 + 1, reply.header("ETag").to_owned()));
    }
    etags.reverse();
    etags
}

/// Registers the object and gets it back.
async fn read_back(client: &Client, key: &str, bytes: &[u8]) {
    let ada = ada().await;
    let album = new_album(client, ada).await;
    let request = draft(client, &album).await;
    let file = ObjectAttributes { object_key: key.to_owned(), size: bytes.len() as i64, ..request.file };
    let file: File = client.post(path::FILES, &RegisterFile { file, ..request }).await.json();
    let reply = client.get(&format!("{}/{}", path::FILE_DOWNLOAD, file.id)).await;
    let url = reply.header("Location").to_owned();
    assert_eq!(send(client.http.get(url)).await.ok().body, bytes);
}

#[tokio::test]
async fn parts_in_any_order_make_the_object() {
    let client = ada().await.client();
    let bytes = content();
    let urls = open(&client, &bytes, PART).await;
    let first = &bytes[..PART];
    let wrong = B64::of(md5(b"other")).0;
    put_bytes(&client, &urls.part_urls[0], first, &wrong).await.storage_refused(403, "SignatureDoesNotMatch");
    put_bytes(&client, &urls.part_urls[0], first, "").await.storage_refused(400, "AccessDenied");
    let mut spoilt = first.to_vec();
    spoilt[7] ^= 1;
    let right = B64::of(md5(first)).0;
    put_bytes(&client, &urls.part_urls[0], &spoilt, &right).await.storage_refused(400, "BadDigest");
    let etags = put_parts(&client, &urls.part_urls, &bytes).await;
    let mut unknown = etags.clone();
    unknown[1].1 = "\"00000000000000000000000000000000\"".to_owned();
    complete(&client, &urls.complete_url, &unknown).await.storage_refused(400, "InvalidPart");
    put_bytes(&client, &urls.part_urls[0], first, &right).await.ok();
    complete(&client, &urls.complete_url, &etags).await.ok();
    complete(&client, &urls.complete_url, &etags).await.storage_refused(404, "NoSuchUpload");
    put_bytes(&client, &urls.part_urls[0], first, &right).await.storage_refused(404, "NoSuchUpload");
    read_back(&client, &urls.object_key, &bytes).await;
}

#[tokio::test]
async fn a_single_part_is_of_any_length_and_an_etag_may_be_bare() {
    let client = ada().await.client();
    let bytes = b"a small file by way of parts";
    let urls = open(&client, bytes, bytes.len()).await;
    let etags = put_parts(&client, &urls.part_urls, bytes).await;
    let bare: Vec<_> = etags.into_iter().map(|(number, etag)| (number, etag.trim_matches('"').to_owned())).collect();
    complete(&client, &urls.complete_url, &bare).await.ok();
    read_back(&client, &urls.object_key, bytes).await;
}

#[tokio::test]
async fn legacy_parts_bind_nothing() {
    let client = ada().await.client();
    let answer: MultipartUploadUrlsAnswer =
        client.get(&format!("{}?count=3", path::MULTIPART_UPLOAD_URLS)).await.json();
    let urls = answer.urls;
    let bytes = content();
    let mut etags = Vec::new();
    for (number, (part, url)) in (1..).zip(bytes.chunks(PART).zip(&urls.part_urls)) {
        let reply = put_bytes(&client, url, part, "").await.ok();
        etags.push((number, reply.header("ETag").to_owned()));
    }
    complete(&client, &urls.complete_url, &etags).await.ok();
    read_back(&client, &urls.object_key, &bytes).await;
}
