//! Floor 1: every key, cipher and hash. Pure: no I/O but the system's random source.
//!
//! Guarantees: plaintext leaves only after its tag verified (I4); a key is zeroed when dropped, cannot be
//! printed, compared or copied by accident; wire formats are those of the protocol notes, auth 1 and data 0.2.

mod block;
mod boxes;
mod error;
mod hash;
mod kdf;
mod key;
mod md5;
mod mnemonic;
mod opening;
mod record;
mod srp;
mod stream;

pub use block::{BLOCK_NONCE, BLOCK_TAG, BlockCipher, BlockKey};
pub use boxes::{Boxed, KeyPair, open_box, open_sealed_box, seal_box, seal_sealed_box};
pub use error::CryptoError;
pub use hash::{ContentHash, ContentHasher, Md5Hasher, md5};
pub use kdf::{KDF_LADDER, KdfLimits, derive_kek, derive_login_key};
pub use key::{
    CollectionKey, DeviceKey, FileKey, Kek, LoginKey, MasterKey, RecoveryKey, SecretKey, SymmetricKey, VaultKey,
};
pub use md5::{LANES as MD5_LANES, md5_of_four};
pub use mnemonic::{parse_recovery_key, recovery_words};
pub use opening::ChunkOpening;
pub use record::{RecordKey, TagKey};
pub use srp::{ClientProof, SrpClient, SrpServer, compute_verifier};
pub use stream::{
    Blob, CHUNK, CHUNK_LEAD, CHUNK_OVERHEAD, CIPHER_CHUNK, MacIndex, MacPrefix, StreamHeader, StreamOpener,
    StreamSealer, chunk_count, cipher_len, open_blob, plain_len, seal_blob,
};

/// Secret bytes on the heap, zeroed when dropped.
pub use zeroize::Zeroizing;

/// Bytes from the system's random source.
///
/// # Panics
/// Where the system has no random source: nothing may be sealed then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random source answers");
    bytes
}
