//! From the password to the login key (protocol notes, auth 1.4 and 1.5).

use super::error::CryptoError;
use super::key::{Kek, LoginKey};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

/// What the server returns with an account; bytes and passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KdfLimits {
    pub mem_limit: u64,
    pub ops_limit: u64,
}

/// What a new password is derived with: the first that the memory allows.
pub const KDF_LADDER: [KdfLimits; 2] =
    [KdfLimits { mem_limit: 268_435_456, ops_limit: 16 }, KdfLimits { mem_limit: 134_217_728, ops_limit: 32 }];

/// A server may not make a client spend more than libsodium's *sensitive* memory, nor more than a
/// few times the work of the strongest limits Ente's clients ever chose.
const MAX_MEM: u64 = 1 << 30;
const MAX_WORK: u64 = 1 << 34;

/// Argon2id version 0x13, one lane, over the password's bytes as typed.
///
/// # Errors
/// [`CryptoError::KdfLimits`] for limits out of bounds, [`CryptoError::KdfMemory`] where they exceed
/// what the machine gives.
pub fn derive_kek(password: &[u8], salt: &[u8; 16], limits: KdfLimits) -> Result<Kek, CryptoError> {
    let KdfLimits { mem_limit, ops_limit } = limits;
    let refused = || CryptoError::KdfLimits { mem_limit, ops_limit };
    let in_bounds = mem_limit <= MAX_MEM && ops_limit >= 1 && mem_limit.saturating_mul(ops_limit) <= MAX_WORK;
    if !in_bounds {
        return Err(refused());
    }
    let kib = u32::try_from(mem_limit / 1024).map_err(|_| refused())?;
    let passes = u32::try_from(ops_limit).map_err(|_| refused())?;
    let params = Params::new(kib, passes, 1, Some(32)).map_err(|_| refused())?;
    let mut memory = allocate(params.block_count()).ok_or(CryptoError::KdfMemory { mem_limit })?;
    let mut kek = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, kek.as_mut(), &mut memory)
        .map_err(|_| refused())?;
    Ok(Kek::from_bytes(*kek))
}

/// Fails where `vec!` would abort: the ladder has a lower rung.
fn allocate(blocks: usize) -> Option<Vec<Block>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks).ok()?;
    memory.resize(blocks, Block::default());
    Some(memory)
}

/// The first half of libsodium's KDF subkey 1 in context `loginctx`. Deriving 16 bytes directly would
/// give another value: BLAKE2b mixes the digest length in.
pub fn derive_login_key(kek: &Kek) -> LoginKey {
    let mut salt = [0; 16];
    salt[0] = 1;
    let subkey = blake2b_simd::Params::new()
        .hash_length(32)
        .key(kek.bytes())
        .salt(&salt)
        .personal(b"loginctx\0\0\0\0\0\0\0\0")
        .hash(b"");
    let mut half = Zeroizing::new([0; 16]);
    half.copy_from_slice(&subkey.as_bytes()[..16]);
    LoginKey::from_bytes(*half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn check(mem_limit: u64, ops_limit: u64, kek: &str, login: &str) {
        let salt = std::array::from_fn(|i| i as u8);
        let derived = derive_kek(b"correct horse", &salt, KdfLimits { mem_limit, ops_limit }).unwrap();
        assert_eq!(hex(derived.bytes()), kek);
        assert_eq!(hex(derive_login_key(&derived).bytes()), login);
    }

    #[test]
    fn interactive_and_moderate_vectors_of_the_protocol_notes() {
        check(
            67_108_864,
            2,
            "9aab5a81db651bf866ff7b6169794d2ad9bb00f3d95177925a5fca692a34dbd1",
            "2ec8e49b6d04628e81257d09b41ce9cb",
        );
        check(
            268_435_456,
            3,
            "eebe26b451a68d4c43a23f45a8df1386550eeacb028ed6209232f2875f938676",
            "ba6e2950d98e504099c022a01db4375d",
        );
    }

    #[test]
    fn ladder_vectors_of_the_protocol_notes() {
        check(
            KDF_LADDER[0].mem_limit,
            KDF_LADDER[0].ops_limit,
            "a19ea6db60221c19abb12f026692cc891d28c2dabb60588d0e090f740cb26820",
            "c6c85375c52885d18d3d66ef04a73794",
        );
        check(
            KDF_LADDER[1].mem_limit,
            KDF_LADDER[1].ops_limit,
            "d82131dc1f5cdc032b3b7fe54f73fad509dbfc4c28db79b3b9ce65dc6ce49491",
            "3afd255ead60ddc0a44af3fd6663edbf",
        );
    }

    #[test]
    fn login_key_vector_of_the_protocol_notes() {
        let login = derive_login_key(&Kek::from_bytes([0x42; 32]));
        assert_eq!(hex(login.bytes()), "40743fef4ad07599e23253cf1fdeb225");
    }

    #[test]
    fn a_server_cannot_ask_for_any_amount_of_work() {
        for (mem_limit, ops_limit) in [(1 << 40, 1), (1 << 30, 1 << 20), (1 << 20, 0), (0, 1), (u64::MAX, u64::MAX)] {
            let refused = derive_kek(b"x", &[0; 16], KdfLimits { mem_limit, ops_limit });
            assert!(matches!(refused, Err(CryptoError::KdfLimits { .. })), "{mem_limit} {ops_limit}");
        }
    }
}
