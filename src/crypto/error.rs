use thiserror::Error;

/// Why something sealed could not be opened, or a key not be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CryptoError {
    #[error("authentication failed: wrong key or changed bytes")]
    Authentication,
    #[error("{what} has {found} bytes instead of {expected}")]
    Length { what: &'static str, found: usize, expected: usize },
    #[error("the stream is cut off or its chunks are out of place")]
    Truncated,
    #[error("the key derivation limits (memory {mem_limit}, operations {ops_limit}) are out of bounds")]
    KdfLimits { mem_limit: u64, ops_limit: u64 },
    #[error("not enough memory to derive the key ({mem_limit} bytes)")]
    KdfMemory { mem_limit: u64 },
    #[error("the recovery key is not 24 English BIP-39 words or 64 hexadecimal digits")]
    RecoveryKey,
    #[error("the server's part of the password proof is malformed")]
    SrpParameter,
    #[error("the server could not prove that it knows the account")]
    SrpProof,
}
