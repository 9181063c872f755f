//! Objects put in parts (protocol notes, data 3.4).
//!
//! Where the length of the parts is known beforehand, each is written to its place in one file and
//! completing is a rename; the legacy uploads do not know it, so their parts are joined at the end.

use super::database::{all, one, run};
use super::objects::{Pieces, write_pieces};
use super::presign::Grant;
use super::refusal::Answer;
use super::shared::Shared;
use super::storage_refusal::{StorageAnswer, StorageRefusal};
use crate::wire::CompleteMultipartUpload;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

/// The longest list of parts that is read, in bytes: 10,000 parts take less than a third of it.
pub(super) const MAX_LIST: usize = 4 << 20;

/// An upload that is not completed.
struct Upload {
    /// 0 where it is not known.
    part_length: i64,
    part_count: u32,
}

/// Opens an upload; `part_length` is 0 where it is not known.
pub(super) fn insert(tx: &Connection, id: &str, key: &str, part_length: i64, part_count: u32) -> Answer<()> {
    let sql = "INSERT INTO uploads (id, object_key, part_length, part_count) VALUES (?, ?, ?, ?)";
    run(tx, sql, params![id, key, part_length, part_count])?;
    Ok(())
}

fn load_upload(server: &Shared, grant: &Grant) -> StorageAnswer<Upload> {
    let sql = "SELECT part_length, part_count FROM uploads WHERE id = ? AND object_key = ?";
    let found = server.database.read(|tx| {
        let map = |row: &rusqlite::Row<'_>| Ok(Upload { part_length: row.get(0)?, part_count: row.get(1)? });
        Ok(one(tx, sql, [&grant.upload, &grant.key], map)?)
    })?;
    found.ok_or(StorageRefusal::NoSuchUpload)
}

/// Takes one part; its ETag. A part that is put again counts as missing until it is whole.
pub(super) fn put_part(
    server: &Shared,
    grant: &Grant,
    pieces: Pieces,
    declared: Option<[u8; 16]>,
) -> StorageAnswer<String> {
    let upload = load_upload(server, grant)?;
    let forget = "DELETE FROM upload_parts WHERE upload = ? AND number = ?";
    server.database.write(|tx| Ok(run(tx, forget, params![grant.upload, grant.part])?))?;
    let etag = if upload.part_length > 0 {
        write_in_place(server, grant, &upload, pieces, declared)?
    } else {
        let (received, etag) = server.objects.receive(pieces, declared)?;
        server.objects.publish(&received, &server.objects.part_path(&grant.upload, grant.part))?;
        etag
    };
    let sql = "INSERT OR REPLACE INTO upload_parts (upload, number, etag) VALUES (?, ?, ?)";
    server.database.write(|tx| Ok(run(tx, sql, params![grant.upload, grant.part, etag])?))?;
    Ok(etag)
}

fn write_in_place(
    server: &Shared,
    grant: &Grant,
    upload: &Upload,
    pieces: Pieces,
    declared: Option<[u8; 16]>,
) -> StorageAnswer<String> {
    let path = server.objects.assembly_path(&grant.upload);
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let start = i64::from(grant.part.saturating_sub(1)) * upload.part_length;
    file.seek(SeekFrom::Start(start.unsigned_abs()))?;
    let etag = write_pieces(&file, pieces, declared)?;
    server.objects.settle(&file)?;
    Ok(etag)
}

/// Joins the parts that the client lists; the answer's XML.
pub(super) fn complete(server: &Shared, grant: &Grant, list: &[u8]) -> StorageAnswer<String> {
    let upload = load_upload(server, grant)?;
    let list = std::str::from_utf8(list).map_err(|_| StorageRefusal::MalformedXml)?;
    let listed: CompleteMultipartUpload = quick_xml::de::from_str(list).map_err(|_| StorageRefusal::MalformedXml)?;
    let put = load_parts(server, grant)?;
    let numbers = plan_completion(&listed, &put)?;
    let whole = if upload.part_length > 0 {
        if numbers.len() != upload.part_count as usize {
            return Err(StorageRefusal::InvalidPart);
        }
        server.objects.assembly_path(&grant.upload)
    } else {
        join(server, grant, &numbers)?
    };
    let place = server.objects.path(&grant.key).ok_or(StorageRefusal::NoSuchKey)?;
    server.objects.publish(&whole, &place)?;
    server.database.write(|tx| {
        run(tx, "DELETE FROM upload_parts WHERE upload = ?", [&grant.upload])?;
        Ok(run(tx, "DELETE FROM uploads WHERE id = ?", [&grant.upload])?)
    })?;
    Ok(format!("<CompleteMultipartUploadResult><Key>{}</Key></CompleteMultipartUploadResult>", grant.key))
}

fn load_parts(server: &Shared, grant: &Grant) -> StorageAnswer<BTreeMap<u32, String>> {
    let sql = "SELECT number, etag FROM upload_parts WHERE upload = ?";
    let parts = server.database.read(|tx| {
        let map = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        Ok(all(tx, sql, [&grant.upload], map)?)
    })?;
    Ok(parts.into_iter().collect())
}

/// The numbers of the listed parts, each of which is there with this ETag, quoted or not.
fn plan_completion(listed: &CompleteMultipartUpload, put: &BTreeMap<u32, String>) -> StorageAnswer<Vec<u32>> {
    let numbers: Vec<u32> = listed.parts.iter().map(|part| part.part_number).collect();
    if numbers.is_empty() {
        return Err(StorageRefusal::MalformedXml);
    }
    if !numbers.is_sorted_by(|a, b| a < b) {
        return Err(StorageRefusal::InvalidPartOrder);
    }
    let is_put = |number: &u32, etag: &str| put.get(number).is_some_and(|put| put == etag.trim_matches('"'));
    let all_put = listed.parts.iter().all(|part| is_put(&part.part_number, &part.etag));
    if all_put { Ok(numbers) } else { Err(StorageRefusal::InvalidPart) }
}

fn join(server: &Shared, grant: &Grant, numbers: &[u32]) -> StorageAnswer<PathBuf> {
    let path = server.objects.assembly_path(&grant.upload);
    let mut whole = File::create(&path)?;
    for number in numbers {
        std::io::copy(&mut File::open(server.objects.part_path(&grant.upload, *number))?, &mut whole)?;
    }
    server.objects.settle(&whole)?;
    for number in numbers {
        fs::remove_file(server.objects.part_path(&grant.upload, *number))?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::CompletedPart;

    fn listed(parts: &[(u32, &str)]) -> CompleteMultipartUpload {
        let part = |(number, etag): &(u32, &str)| CompletedPart { part_number: *number, etag: (*etag).to_owned() };
        CompleteMultipartUpload { parts: parts.iter().map(part).collect() }
    }

    #[test]
    fn a_list_names_parts_that_are_there_in_order() {
        let put = BTreeMap::from([(1, "a1".to_owned()), (2, "b2".to_owned())]);
        assert_eq!(plan_completion(&listed(&[(1, "\"a1\""), (2, "b2")]), &put), Ok(vec![1, 2]));
        assert_eq!(plan_completion(&listed(&[(1, "a1"), (2, "xx")]), &put), Err(StorageRefusal::InvalidPart));
        assert_eq!(plan_completion(&listed(&[(1, "a1"), (3, "c3")]), &put), Err(StorageRefusal::InvalidPart));
        assert_eq!(plan_completion(&listed(&[(2, "b2"), (1, "a1")]), &put), Err(StorageRefusal::InvalidPartOrder));
        assert_eq!(plan_completion(&listed(&[]), &put), Err(StorageRefusal::MalformedXml));
    }

    #[test]
    fn the_body_of_a_completion_is_read() {
        let text = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a1\"</ETag></Part>\
                    </CompleteMultipartUpload>";
        let read: CompleteMultipartUpload = quick_xml::de::from_str(text).unwrap();
        assert_eq!(read, listed(&[(1, "\"a1\"")]));
    }
}
