//! Where to put objects (data 3.2).

use crate::people::ada;
use crate::photos::{batch_urls, noise};
use entefs::base::B64;
use entefs::wire::{
    MAX_OBJECT, MultipartUploadUrlRequest, MultipartUploadUrls, MultipartUploadUrlsAnswer, UploadUrl, UploadUrlRequest,
    UploadUrlsAnswer, path,
};
use serde_json::json;
use std::collections::HashSet;

const MIB: i64 = 1 << 20;

#[tokio::test]
async fn a_checked_url_wants_a_length_and_an_md5() {
    let ada = ada().await;
    let client = ada.client();
    let ask = |content_length: i64, content_md5: B64| {
        let (client, request) = (client.clone(), UploadUrlRequest { content_length, content_md5 });
        async move { client.post(path::UPLOAD_URL, &request).await }
    };
    let target: UploadUrl = ask(7, noise(16)).await.json();
    assert!(target.object_key.starts_with(&format!("{}/", ada.id)));
    assert!(target.url.contains("X-Amz-Expires=604800"), "{}", target.url);
    assert!(target.url.contains("content-length%3Bcontent-md5%3Bhost"), "{}", target.url);
    for (length, md5) in [
        (0, noise(16)),
        (-1, noise(16)),
        (MAX_OBJECT as i64 + 1, noise(16)),
        (7, noise(15)),
        (7, noise(24)),
        (7, B64::default()),
        (7, B64("0123456789abcdef0123456789abcdef".into())),
        (7, B64("AAAAAAAAAAAAAAAAAAAAAA".into())),
        (7, B64("????????????????????????".into())),
    ] {
        ask(length, md5.clone()).await.refused(400);
    }
    client.post(path::UPLOAD_URL, &json!({"contentLength": 7})).await.refused(400);
}

#[tokio::test]
async fn unchecked_urls_come_in_batches_of_at_most_fifty() {
    let client = ada().await.client();
    let urls = batch_urls(&client, 3).await;
    let keys: HashSet<_> = urls.iter().map(|target| target.object_key.clone()).collect();
    assert_eq!((urls.len(), keys.len()), (3, 3));
    assert!(urls[0].url.contains("X-Amz-SignedHeaders=host"), "{}", urls[0].url);
    assert_eq!(batch_urls(&client, 51).await.len(), 50);
    assert_eq!(batch_urls(&client, 0).await.len(), 0);
    let none: UploadUrlsAnswer = client.get(path::UPLOAD_URLS).await.json();
    assert!(none.urls.is_empty());
}

#[tokio::test]
async fn parts_have_a_least_length_unless_there_is_one() {
    let client = ada().await.client();
    let ask = |content_length: i64, part_length: i64, parts: usize| {
        let part_md5s = (0..parts).map(|_| noise(16)).collect();
        let request = MultipartUploadUrlRequest { content_length, part_length, part_md5s };
        let client = client.clone();
        async move { client.post(path::MULTIPART_UPLOAD_URL, &request).await }
    };
    let urls: MultipartUploadUrls = ask(12 * MIB, 5 * MIB, 3).await.json();
    assert_eq!(urls.part_urls.len(), 3);
    assert!(urls.part_urls[0].contains("content-md5") && !urls.complete_url.contains("content-md5"));
    ask(7, 7, 1).await.ok();
    ask(7, 5 * MIB, 1).await.ok();
    for (length, part, parts) in [
        (12 * MIB, 5 * MIB, 2),
        (12 * MIB, 5 * MIB, 4),
        (12 * MIB, 5 * MIB - 1, 3),
        (12 * MIB, 0, 1),
        (0, 5 * MIB, 1),
        (MAX_OBJECT as i64 + 1, 5 << 30, 3),
        (7, 7, 0),
    ] {
        ask(length, part, parts).await.refused(400);
    }
    let bad = json!({"contentLength": 7, "partLength": 7, "partMd5s": ["AAAA"]});
    client.post(path::MULTIPART_UPLOAD_URL, &bad).await.refused(400);
}

#[tokio::test]
async fn legacy_parts_come_as_one_object_under_a_plural_name() {
    let client = ada().await.client();
    let answer: MultipartUploadUrlsAnswer =
        client.get(&format!("{}?count=2", path::MULTIPART_UPLOAD_URLS)).await.json();
    assert_eq!(answer.urls.part_urls.len(), 2);
    assert!(!answer.urls.complete_url.is_empty() && !answer.urls.object_key.is_empty());
}

#[tokio::test]
async fn eligibility_says_nothing_but_yes() {
    ada().await.client().get(path::UPLOAD_ELIGIBILITY).await.empty();
}
