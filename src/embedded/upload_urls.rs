//! Where to put objects (protocol notes, data 3.2).

use super::details::{Demand, check_quota};
use super::multipart;
use super::presign::Grant;
use super::refusal::{Answer, Refusal};
use super::visit::{Body, Caller};
use crate::base::B64;
use crate::wire::{
    MAX_OBJECT, MAX_PARTS, MIN_PART, MultipartUploadUrlRequest, MultipartUploadUrls, MultipartUploadUrlsAnswer,
    URL_BATCH, UploadUrl, UploadUrlRequest, UploadUrlsAnswer,
};
use axum::Json;
use uuid::Uuid;

/// 5 GiB, as S3 has it.
const MAX_PART: u64 = 5 << 30;

/// `POST /files/upload-url`
pub(super) fn checked(caller: &Caller, Body(request): Body<UploadUrlRequest>) -> Answer<Json<UploadUrl>> {
    let length = check_length(request.content_length)?;
    check_md5(&request.content_md5)?;
    quota(caller, Demand::Bytes(request.content_length))?;
    let key = new_key(caller);
    let bound = Some((length, request.content_md5.0));
    let url = sign(caller, "PUT", Grant { key: key.clone(), bound, ..Grant::default() });
    Ok(Json(UploadUrl { object_key: key, url }))
}

fn check_length(length: i64) -> Answer<u64> {
    u64::try_from(length).ok().filter(|length| (1..=MAX_OBJECT).contains(length)).ok_or(Refusal::BAD_REQUEST)
}

fn check_md5(md5: &B64) -> Answer<()> {
    md5.array::<16>().map(|_| ()).ok_or(Refusal::BAD_REQUEST)
}

fn quota(caller: &Caller, demand: Demand) -> Answer<()> {
    caller.server.database.read(|tx| check_quota(tx, caller.user, demand, caller.now()))
}

fn new_key(caller: &Caller) -> String {
    format!("{}/{}", caller.user, Uuid::new_v4())
}

fn sign(caller: &Caller, method: &str, grant: Grant) -> String {
    let grant = Grant { method: method.to_owned(), ..grant };
    caller.server.presigner.url(&caller.origin, &grant, caller.now())
}

/// `GET /files/upload-urls?count=`
pub(super) fn batch(caller: &Caller, (): ()) -> Answer<Json<UploadUrlsAnswer>> {
    quota(caller, Demand::Unknown)?;
    let count = usize::try_from(caller.number("count")).unwrap_or(0).min(URL_BATCH);
    let urls = (0..count).map(|_| {
        let key = new_key(caller);
        let url = sign(caller, "PUT", Grant { key: key.clone(), ..Grant::default() });
        UploadUrl { object_key: key, url }
    });
    Ok(Json(UploadUrlsAnswer { urls: urls.collect() }))
}

/// `POST /files/multipart-upload-url`
pub(super) fn checked_multipart(
    caller: &Caller,
    Body(request): Body<MultipartUploadUrlRequest>,
) -> Answer<Json<MultipartUploadUrls>> {
    let lengths = plan_parts(&request)?;
    request.part_md5s.iter().try_for_each(check_md5)?;
    quota(caller, Demand::Unknown)?;
    let bounds = lengths.into_iter().zip(&request.part_md5s).map(|(length, md5)| Some((length, md5.0.clone())));
    open_upload(caller, request.part_length, bounds.collect()).map(Json)
}

/// The lengths of the parts. A single one may be of any length.
fn plan_parts(request: &MultipartUploadUrlRequest) -> Answer<Vec<u64>> {
    let length = check_length(request.content_length)?;
    let part = u64::try_from(request.part_length).ok().filter(|part| *part > 0).ok_or(Refusal::BAD_REQUEST)?;
    let count = length.div_ceil(part);
    let fits = count == 1 || (MIN_PART..=MAX_PART).contains(&part);
    if !fits || count > MAX_PARTS as u64 || count != request.part_md5s.len() as u64 {
        return Err(Refusal::BAD_REQUEST);
    }
    Ok((0..count).map(|index| part.min(length - index * part)).collect())
}

/// Signs one URL for each part and one for the end.
fn open_upload(caller: &Caller, part_length: i64, parts: Vec<Option<(u64, String)>>) -> Answer<MultipartUploadUrls> {
    let (key, upload) = (new_key(caller), Uuid::new_v4().to_string());
    caller.server.database.write(|tx| multipart::insert(tx, &upload, &key, part_length, parts.len() as u32))?;
    let grant = Grant { key: key.clone(), upload, ..Grant::default() };
    let part_urls = (1..).zip(parts).map(|(part, bound)| sign(caller, "PUT", Grant { part, bound, ..grant.clone() }));
    let part_urls = part_urls.collect();
    Ok(MultipartUploadUrls { object_key: key, part_urls, complete_url: sign(caller, "POST", grant) })
}

/// `GET /files/multipart-upload-urls?count=`
pub(super) fn multipart(caller: &Caller, (): ()) -> Answer<Json<MultipartUploadUrlsAnswer>> {
    let count = usize::try_from(caller.number("count")).unwrap_or(0);
    if !(1..=MAX_PARTS).contains(&count) {
        return Err(Refusal::BAD_REQUEST);
    }
    quota(caller, Demand::Unknown)?;
    open_upload(caller, 0, vec![None; count]).map(|urls| Json(MultipartUploadUrlsAnswer { urls }))
}

/// `GET /files/upload-eligibility`
pub(super) fn eligibility(caller: &Caller, (): ()) -> Answer<()> {
    quota(caller, Demand::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_length: i64, part_length: i64, parts: usize) -> MultipartUploadUrlRequest {
        MultipartUploadUrlRequest { content_length, part_length, part_md5s: vec![B64::default(); parts] }
    }

    #[test]
    fn objects_have_one_byte_to_ten_gibibytes() {
        assert_eq!(check_length(1), Ok(1));
        assert_eq!(check_length(10_737_418_240), Ok(10_737_418_240));
        for bad in [0, -1, 10_737_418_241, i64::MIN] {
            assert_eq!(check_length(bad), Err(Refusal::BAD_REQUEST), "{bad}");
        }
    }

    #[test]
    fn parts_are_at_least_five_mebibytes_unless_there_is_one() {
        const MIB: i64 = 1 << 20;
        assert_eq!(plan_parts(&request(12 * MIB, 5 * MIB, 3)), Ok(vec![5 << 20, 5 << 20, 2 << 20]));
        assert_eq!(plan_parts(&request(10 * MIB, 5 * MIB, 2)), Ok(vec![5 << 20, 5 << 20]));
        assert_eq!(plan_parts(&request(7, 9, 1)), Ok(vec![7]));
        for (length, part, parts) in
            [(12 * MIB, 5 * MIB, 2), (12 * MIB, 5 * MIB - 1, 3), (12 * MIB, 0, 1), (12 * MIB, -5, 1), (0, 5 * MIB, 0)]
        {
            assert_eq!(plan_parts(&request(length, part, parts)), Err(Refusal::BAD_REQUEST), "{length} {part} {parts}");
        }
    }
}
