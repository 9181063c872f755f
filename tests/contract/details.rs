//! What an account has and may have (auth 2.9, data 3.5), and what happens when it is full.

use crate::client::Client;
use crate::people::{Account, sign_up};
use crate::photos::{draft, draft_of, new_album, new_photo, noise};
use crate::world::set_plan;
use entefs::base::B64;
use entefs::crypto::md5;
use entefs::wire::{UploadUrlRequest, UserDetails, path};
use serde_json::{Value, json};
use std::time::Duration;

const MIB: u64 = 1 << 20;

async fn details(client: &Client) -> UserDetails {
    client.get(path::DETAILS).await.json()
}

/// One account for everything that counts bytes: nobody else uploads to it.
#[tokio::test]
async fn bytes_and_files_are_counted_and_a_full_account_takes_no_more() {
    let account = sign_up().await;
    let client = account.client();
    new_account(&client, &account).await;
    let album = new_album(&client, &account).await;
    let request = draft_of(&client, &album, &[1; 1000], &[2; 100]).await;
    let file: entefs::wire::File = client.post(path::FILES, &request).await.json();
    assert_eq!(details(&client).await.usage, 1100);
    await_count(&client, 1).await;
    let items = json!({"items": [{"fileID": file.id, "collectionID": album.id}]});
    client.post(path::FILES_TRASH, &items).await.empty();
    let now = details(&client).await;
    assert_eq!(now.usage, 1100, "the trash counts");
    client.post(path::TRASH_DELETE, &json!({"fileIDs": [file.id]})).await.empty();
    assert_eq!(details(&client).await.usage, 0, "what is gone does not");
    await_count(&client, 0).await;
    full_account(&client, &account).await;
    expired_account(&client, &account).await;
}

/// A real server counts files with a moment's delay.
async fn await_count(client: &Client, count: i64) {
    for _ in 0..50 {
        if details(client).await.file_count == Some(count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{:?} files instead of {count}", details(client).await.file_count);
}

async fn new_account(client: &Client, account: &Account) {
    let reply = client.get(path::DETAILS).await.ok();
    let shape: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert!(shape.get("familyData").is_none() && shape["bonusData"]["storageBonuses"] == json!([]));
    let details: UserDetails = reply.json();
    assert_eq!(details.email, account.email);
    assert_eq!((details.usage, details.file_count, details.storage_bonus), (0, Some(0), 0));
    assert_eq!(details.subscription.product_id, "free");
    assert_eq!(details.subscription.user_id, account.id);
    assert_eq!(details.quota().total, 10 << 30);
    assert!(!details.profile_data.is_two_factor_enabled && !details.profile_data.is_email_mfa_enabled);
    let short: UserDetails = client.get(&format!("{}?memoryCount=false", path::DETAILS)).await.json();
    assert_eq!(short.file_count, None);
}

async fn url(client: &Client, length: u64) -> crate::client::Reply {
    let request = UploadUrlRequest { content_length: length as i64, content_md5: B64::of(md5(b"")) };
    client.post(path::UPLOAD_URL, &request).await
}

async fn full_account(client: &Client, account: &Account) {
    if !set_plan(account, MIB, false).await {
        return;
    }
    // From 100 MiB on no server answers from what it remembers.
    url(client, 200 * MIB).await.refused(426);
    client.get(path::UPLOAD_ELIGIBILITY).await.empty();
    let album = new_album(client, account).await;
    new_photo(client, &album).await;
    let parts = json!({
        "contentLength": 200 * MIB, "partLength": 100 * MIB, "partMd5s": [noise(16), noise(16)],
    });
    client.post(path::MULTIPART_UPLOAD_URL, &parts).await.ok();
    only_embedded_is_exact(client, account).await;
    set_plan(account, 10 << 30, false).await;
    url(client, 200 * MIB).await.ok();
}

/// Museum answers small requests from an earlier verdict.
async fn only_embedded_is_exact(client: &Client, account: &Account) {
    let Some(server) = crate::world::embedded("the exact limit") else { return };
    let used = details(client).await.usage as u64;
    url(client, 51 * MIB - used).await.ok();
    url(client, 51 * MIB - used + 1).await.refused(426);
    server.set_quota(&account.email, used - 1).expect("the account exists");
    client.get(path::UPLOAD_ELIGIBILITY).await.refused(426);
    client.get(&format!("{}?count=1", path::UPLOAD_URLS)).await.refused(426);
    client.get(&format!("{}?count=1", path::MULTIPART_UPLOAD_URLS)).await.refused(426);
    url(client, 1).await.ok();
}

async fn expired_account(client: &Client, account: &Account) {
    let album = new_album(client, account).await;
    let request = draft(client, &album).await;
    if !set_plan(account, 10 << 30, true).await {
        return;
    }
    url(client, 200 * MIB).await.refused(402);
    client.get(path::COLLECTIONS_LIST).await.ok();
    client.get(path::DETAILS).await.ok();
    if crate::world::embedded("the exact moment").is_some() {
        url(client, 10).await.refused(402);
        client.get(path::UPLOAD_ELIGIBILITY).await.refused(402);
        client.post(path::FILES, &request).await.refused(402);
    }
    set_plan(account, 10 << 30, false).await;
    url(client, 10).await.ok();
}
