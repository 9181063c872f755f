//! Which path leads where, and what happens to every request on its way.

use super::connection::Peer;
use super::faults::{self, When};
use super::presign::OBJECTS;
use super::refusal::Refusal;
use super::shared::Shared;
use super::storage_refusal::set;
use super::visit::{Arrived, account, header_text, public, storage};
use super::{
    accounts, collections, details, diff, downloads, file_magic, files, links, members, second_factor, sessions,
    srp_login, trash, upload_urls,
};
use crate::crypto;
use crate::wire::{header, path};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, Method, header as names};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get};
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const DELETE: MethodFilter = MethodFilter::DELETE;

pub(super) fn router(server: Arc<Shared>) -> Router {
    let no_route = || async { Refusal::NO_ROUTE };
    log_in_routes()
        .merge(account_routes())
        .merge(album_routes())
        .merge(file_routes())
        .merge(upload_routes())
        .merge(super::storage::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(from_fn_with_state(Arc::clone(&server), wrap))
        .layer(DefaultBodyLimit::disable())
        .with_state(server)
}

fn log_in_routes() -> Router<Arc<Shared>> {
    let pong = || async { Json(json!({"message": "pong", "id": ""})) };
    Router::new()
        .route(path::PING, get(pong))
        .route(path::OTT, public(POST, accounts::send_code))
        .route(path::VERIFY_EMAIL, public(POST, accounts::verify_email))
        .route(path::SRP_ATTRIBUTES, public(GET, srp_login::attributes))
        .route(path::SRP_CREATE_SESSION, public(POST, srp_login::create_session))
        .route(path::SRP_VERIFY_SESSION, public(POST, srp_login::verify_session))
        .route(path::TWO_FACTOR_VERIFY, public(POST, second_factor::verify_totp))
        .route(path::PASSKEY_GET_TOKEN, public(GET, second_factor::passkey_token))
}

fn account_routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(path::KEY_ATTRIBUTES, account(PUT, accounts::set_key_attributes))
        .route(path::SRP_SETUP, account(POST, srp_login::setup))
        .route(path::SRP_COMPLETE, account(POST, srp_login::complete))
        .route(path::SRP_UPDATE, account(POST, srp_login::update))
        .route(path::TWO_FACTOR_SETUP, account(POST, second_factor::set_up_totp))
        .route(path::TWO_FACTOR_ENABLE, account(POST, second_factor::enable_totp))
        .route(path::TWO_FACTOR_STATUS, account(GET, second_factor::totp_status))
        .route(path::TWO_FACTOR_DISABLE, account(POST, second_factor::disable_totp))
        .route(path::LOGOUT, account(POST, sessions::logout))
        .route(path::SESSIONS, account(GET, sessions::list))
        .route(path::SESSION, account(DELETE, sessions::end_other))
        .route(path::SESSION_VALIDITY, account(GET, sessions::validity))
        .route(path::DETAILS, account(GET, details::get))
        .route(path::PUBLIC_KEY, account(GET, accounts::public_key))
        .route(path::EMAIL_MFA, account(PUT, accounts::set_email_mfa))
}

fn album_routes() -> Router<Arc<Shared>> {
    let with_id = |prefix: &str| format!("{prefix}/{{id}}");
    Router::new()
        .route(path::COLLECTIONS, storage(POST, collections::create))
        .route(&with_id(path::COLLECTIONS), storage(GET, collections::get))
        .route(path::COLLECTIONS_LIST, storage(GET, collections::list))
        .route(path::COLLECTIONS_DIFF, storage(GET, diff::get))
        .route(&with_id(path::COLLECTION_DELETE), storage(DELETE, collections::delete))
        .route(path::COLLECTION_RENAME, storage(POST, collections::rename))
        .route(path::COLLECTION_MAGIC, storage(PUT, collections::set_magic))
        .route(path::COLLECTION_PUBLIC_MAGIC, storage(PUT, collections::set_public_magic))
        .route(path::COLLECTION_SHAREE_MAGIC, storage(PUT, members::set_sharee_magic))
        .route(path::COLLECTION_SHARE, storage(POST, members::share))
        .route(path::COLLECTION_UNSHARE, storage(POST, members::unshare))
        .route(&with_id(path::COLLECTION_LEAVE), storage(POST, members::leave))
        .route(path::ADD_FILES, storage(POST, links::add))
        .route(path::MOVE_FILES, storage(POST, links::move_between))
        .route(path::REMOVE_FILES, storage(POST, links::remove))
        .route(path::RESTORE_FILES, storage(POST, links::restore))
}

fn file_routes() -> Router<Arc<Shared>> {
    let with_id = |prefix: &str| format!("{prefix}/{{id}}");
    Router::new()
        .route(path::FILES, storage(POST, files::register))
        .route(path::FILES_UPDATE, storage(PUT, files::update))
        .route(path::FILES_MAGIC, storage(PUT, file_magic::set_private))
        .route(path::FILES_PUBLIC_MAGIC, storage(PUT, file_magic::set_public))
        .route(path::FILES_INFO, storage(POST, files::info))
        .route(path::FILES_SIZE, storage(POST, files::size))
        .route(&with_id(path::FILE_DOWNLOAD), storage(GET, downloads::file))
        .route(&with_id(path::FILE_PREVIEW), storage(GET, downloads::preview))
        .route(path::FILES_TRASH, storage(POST, trash::trash_files))
        .route(path::TRASH_DIFF, storage(GET, trash::changes))
        .route(path::TRASH_DELETE, storage(POST, trash::delete))
        .route(path::TRASH_EMPTY, storage(POST, trash::empty))
}

fn upload_routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(path::UPLOAD_URL, storage(POST, upload_urls::checked))
        .route(path::UPLOAD_URLS, storage(GET, upload_urls::batch))
        .route(path::MULTIPART_UPLOAD_URL, storage(POST, upload_urls::checked_multipart))
        .route(path::MULTIPART_UPLOAD_URLS, storage(GET, upload_urls::multipart))
        .route(path::UPLOAD_ELIGIBILITY, storage(GET, upload_urls::eligibility))
}

/// Counts, stamps, limits, strikes with faults, and puts museum's headers on the answer.
async fn wrap(State(server): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let (method, full_path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    server.counts.count(method.as_str(), &route);
    let arrived = server.clock.now();
    request.extensions_mut().insert(Arrived(arrived));
    let is_storage = full_path.starts_with(OBJECTS);
    let request_id = header_text(request.headers(), header::REQUEST_ID).to_owned();
    let peer = request.extensions().get::<axum::extract::ConnectInfo<Peer>>().map(|peer| peer.0.clone());
    let fault = server.faults.hit(&method, &full_path);
    if let Some(fault) = fault.as_ref().filter(|fault| fault.when == When::Before)
        && let Some(answer) = faults::strike(fault.outcome, peer.as_ref()).await
    {
        return answer;
    }
    let mut answer =
        if is_storage { next.run(request).await } else { run_api(&server, &method, arrived, request, next).await };
    if !is_storage {
        add_headers(&mut answer, &method, &request_id);
    }
    match fault.filter(|fault| fault.when == When::After) {
        Some(fault) => faults::spoil(fault.outcome, peer.as_ref(), answer).await,
        None => answer,
    }
}

/// There is no route for HEAD, and the whole server has a limit.
async fn run_api(
    server: &Shared,
    method: &Method,
    arrived: crate::base::Timestamp,
    request: Request,
    next: Next,
) -> Response {
    if *method == Method::HEAD {
        return Refusal::NO_ROUTE.into_response();
    }
    match server.limits.check_everything(arrived) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn add_headers(answer: &mut Response, method: &Method, request_id: &str) {
    let request_id = match request_id {
        "" => format!("ser_{:022x}", u64::from_le_bytes(crypto::random())),
        id => id.to_owned(),
    };
    set(answer, HeaderName::from_static("x-request-id"), &request_id);
    if *method == Method::GET && !answer.status().is_redirection() {
        set(answer, names::CACHE_CONTROL, "no-store");
    }
}
