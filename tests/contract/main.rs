//! What any Ente server does: each promise of the protocol notes that entefs relies on, stated over HTTP.
//!
//! By default the embedded server is asked, in this process. With `ENTEFS_TEST_ENDPOINT` set, that server
//! is: accounts are then made under `ENTEFS_TEST_OTT_SUFFIX` (`@example.org`) with the fixed code
//! `ENTEFS_TEST_OTT` (`123456`); quota tests need `ENTEFS_TEST_ADMIN_TOKEN`, the token of an
//! administrator, and what takes minutes there runs only with `ENTEFS_TEST_LONG`. What is left out says so.

mod accounts;
mod albums;
mod client;
mod controls;
mod details;
mod diff;
mod downloads;
mod errors;
mod links;
mod magic;
mod multipart;
mod people;
mod photos;
mod register;
mod second_factor;
mod sharing;
mod srp_login;
mod storage;
mod trash;
mod update;
mod upload_urls;
mod world;
