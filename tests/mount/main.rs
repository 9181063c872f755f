//! The program on real mounts: `/dev/fuse`, real processes, real kills, and Ente's API on an embedded server.
//!
//! The figures are small enough for every run; the environment raises them: `ENTEFS_TEST_PHOTOS`, `ENTEFS_TEST_KILLS`,
//! `ENTEFS_TEST_REWRITES`, `ENTEFS_TEST_CUTS`, `ENTEFS_TEST_FLIPS`, `ENTEFS_TEST_OFFLINE`, `ENTEFS_TEST_REMOVALS`,
//! `ENTEFS_TEST_TWINS` (seconds). `ENTEFS_TEST_BIN` tries another build, and `ENTEFS_TEST_SEED` repeats a run's chance.
//! `twins` alone can go to another server: `ENTEFS_TEST_ENDPOINT`, `ENTEFS_TEST_OTT_SUFFIX`, `ENTEFS_TEST_OTT`, as in
//! `tests/contract`.

#[path = "../common/mod.rs"]
mod common;

mod copying;
mod devices;
mod files;
mod flow;
mod kills;
mod ledger;
mod links;
mod live;
mod offline;
mod places;
mod powercut;
mod rest;
mod rules;
mod safety;
mod takeout;
mod trash;
mod tree;
mod troubles;
mod twins;
