//! Changes of an album, page by page (data 2.1, 2.2).

use crate::client::Client;
use crate::people::{Account, ada, sign_up};
use crate::photos::{
    Album, batch_urls, changes_since, draft, listed, magic, new_album, new_photo, noise, page_since, put_bytes, row,
};
use entefs::base::{AlbumId, FileId, Timestamp};
use entefs::wire::{
    DIFF_PAGE, File, FileMagic, MetadataAttributes, ObjectAttributes, RegisterFile, UpdateFileMagic, path,
};
use futures_util::StreamExt;
use futures_util::stream;

#[tokio::test]
async fn a_row_says_all_of_a_file_but_where_its_objects_are() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    let request = draft(&client, &album).await;
    let made: File = client.post(path::FILES, &request).await.json();
    let seen = row(&client, album.id, made.id).await.expect("a row");
    assert_eq!((seen.owner_id, seen.collection_owner_id, seen.collection_id), (ada.id, Some(ada.id), album.id));
    assert_eq!(
        (&seen.encrypted_key, &seen.key_decryption_nonce),
        (&request.encrypted_key, &request.key_decryption_nonce)
    );
    assert_eq!(seen.metadata, request.metadata);
    for object in [&seen.file, &seen.thumbnail] {
        assert_eq!((object.object_key.as_str(), object.size), ("", 0));
    }
    assert_eq!(seen.file.decryption_header, request.file.decryption_header);
    let info = seen.info.expect("sizes");
    assert_eq!(info.file_size, request.file.size);
    assert!(info.thumb_size > 0);
    assert_eq!(seen.updation_time, made.updation_time);
    assert!(seen.collection_added_at.is_some() && seen.action.is_none() && !seen.is_deleted);
    assert_eq!(listed(&client, album.id).await.expect("own").updation_time, made.updation_time);
}

#[tokio::test]
async fn pages_are_of_what_changed_strictly_after_in_order() {
    let ada = ada().await;
    let client = ada.client();
    let album = new_album(&client, ada).await;
    assert!(page_since(&client, album.id, Timestamp::ZERO).await.diff.is_empty());
    let (first, second) = (new_photo(&client, &album).await, new_photo(&client, &album).await);
    let all = changes_since(&client, album.id, Timestamp::ZERO).await;
    assert_eq!(all.iter().map(|file| file.id).collect::<Vec<_>>(), [first.id, second.id]);
    let late = page_since(&client, album.id, all[0].updation_time).await;
    assert_eq!(late.diff.iter().map(|file| file.id).collect::<Vec<_>>(), [second.id]);
    assert!(!late.has_more);
    let future = Timestamp(4_000_000_000_000_000);
    assert!(page_since(&client, album.id, future).await.diff.is_empty());
    client.get(&format!("{}?collectionID=4000000000000000", path::COLLECTIONS_DIFF)).await.refused(404);
}

/// Registers so many files of a few bytes, several at a time.
async fn fill(client: &Client, album: &Album, count: usize) -> Vec<FileId> {
    let batches = count.div_ceil(25);
    let registered = stream::iter(0..batches).map(|batch| {
        let size = 25.min(count - batch * 25);
        async move {
            let urls = batch_urls(client, 2 * size).await;
            let mut ids = Vec::new();
            for pair in urls.chunks_exact(2) {
                for target in pair {
                    put_bytes(client, &target.url, b"x", "").await.ok();
                }
                let object = |target: &entefs::wire::UploadUrl| ObjectAttributes {
                    object_key: target.object_key.clone(),
                    decryption_header: noise(24),
                    size: 1,
                };
                let request = RegisterFile {
                    collection_id: album.id,
                    encrypted_key: noise(48),
                    key_decryption_nonce: noise(24),
                    file: object(&pair[0]),
                    thumbnail: object(&pair[1]),
                    metadata: MetadataAttributes { encrypted_data: noise(50), decryption_header: noise(24), size: 0 },
                    ..RegisterFile::default()
                };
                ids.push(client.post(path::FILES, &request).await.json::<File>().id);
            }
            ids
        }
    });
    registered.buffer_unordered(8).collect::<Vec<_>>().await.concat()
}

/// Stamps these files alike; their public settings have been written so often before.
async fn stamp(client: &Client, files: &[FileId], written: i64) {
    let magic = |id: &FileId| FileMagic { id: *id, magic_metadata: magic(1 + written, 1) };
    let items = files.iter().map(magic);
    let request = UpdateFileMagic { metadata_list: items.collect(), skip_version: false };
    client.put(path::FILES_PUBLIC_MAGIC, &request).await.empty();
}

async fn pages(client: &Client, album: AlbumId) -> Vec<(usize, bool)> {
    let (mut sizes, mut since) = (Vec::new(), Timestamp::ZERO);
    loop {
        let page = page_since(client, album, since).await;
        sizes.push((page.diff.len(), page.has_more));
        since = page.diff.last().map_or(since, |file| file.updation_time);
        if !page.has_more {
            return sizes;
        }
    }
}

/// Data 2.1: 2600 rows in three ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_stamp_are_never_split() {
    if !crate::world::may_take_long("an album of 2600 photos") {
        return;
    }
    let account: Account = sign_up().await;
    let client = account.client();
    let album = new_album(&client, &account).await;
    let files = fill(&client, &album, 2600).await;
    let single = changes_since(&client, album.id, Timestamp::ZERO).await;
    let mut ids: Vec<FileId> = single.iter().map(|file| file.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2600, "nothing lost, nothing twice");
    let first = page_since(&client, album.id, Timestamp::ZERO).await;
    assert!(first.has_more && first.diff.len() <= DIFF_PAGE, "{} rows", first.diff.len());

    for part in files.chunks(1000) {
        stamp(&client, part, 0).await;
    }
    assert_eq!(pages(&client, album.id).await, [(2000, true), (600, false)]);
    stamp(&client, &files, 1).await;
    assert_eq!(pages(&client, album.id).await, [(2600, true), (0, false)]);
    stamp(&client, &files[..2500], 2).await;
    assert_eq!(pages(&client, album.id).await, [(100, true), (2500, false)]);
}
