//! The account's own keys, wrapped in each other (protocol notes, auth 2.1). Pure.

use super::error::{AccountError, AccountResult};
use super::keys::{bytes_of, unreadable, wrap};
use crate::base::{B64, encode_url_safe};
use crate::crypto::{
    CryptoError, KdfLimits, Kek, KeyPair, MasterKey, RecoveryKey, SecretKey, SymmetricKey, Zeroizing, open_box,
    open_sealed_box,
};
use crate::wire::{KeyAttributes, SrpAttributes};

/// What a log-in gives.
pub(super) struct Unlocked {
    pub(super) master: MasterKey,
    pub(super) pair: KeyPair,
    pub(super) token: Zeroizing<String>,
}

/// What a sign-up makes.
pub(super) struct NewAccount {
    pub(super) attributes: KeyAttributes,
    pub(super) master: MasterKey,
    pub(super) pair: KeyPair,
    pub(super) recovery: RecoveryKey,
}

/// Fresh keys, each wrapped for the server to keep.
pub(super) fn make_account(kek: &Kek, salt: &[u8; 16], limits: KdfLimits) -> NewAccount {
    let (master, recovery, pair) = (MasterKey::random(), RecoveryKey::random(), KeyPair::random());
    let (encrypted_key, key_decryption_nonce) = wrap(kek, master.bytes());
    let (encrypted_secret_key, secret_key_decryption_nonce) = wrap(&master, pair.secret.bytes());
    let (master_key_encrypted_with_recovery_key, master_key_decryption_nonce) = wrap(&recovery, master.bytes());
    let (recovery_key_encrypted_with_master_key, recovery_key_decryption_nonce) = wrap(&master, recovery.bytes());
    let attributes = KeyAttributes {
        kek_salt: B64::of(salt),
        kek_hash: String::new(),
        encrypted_key,
        key_decryption_nonce,
        public_key: B64::of(pair.public),
        encrypted_secret_key,
        secret_key_decryption_nonce,
        mem_limit: i64::try_from(limits.mem_limit).unwrap_or(i64::MAX),
        ops_limit: i64::try_from(limits.ops_limit).unwrap_or(i64::MAX),
        master_key_encrypted_with_recovery_key,
        master_key_decryption_nonce,
        recovery_key_encrypted_with_master_key,
        recovery_key_decryption_nonce,
    };
    NewAccount { attributes, master, pair, recovery }
}

/// The chain from the password's key to the token.
///
/// # Errors
/// [`AccountError::WrongPassword`] where the first link does not open; what does not open behind it is damaged.
pub(super) fn unlock(kek: &Kek, attributes: &KeyAttributes, encrypted_token: &B64) -> AccountResult<Unlocked> {
    let master = open_master(kek, attributes)?;
    let pair = open_pair(&master, attributes)?;
    let what = "the session's token";
    let token = open_sealed_box(&pair, &bytes_of(encrypted_token, what)?).map_err(unreadable(what))?;
    // The server compares the text, its padding included.
    Ok(Unlocked { master, pair, token: Zeroizing::new(encode_url_safe(&*token)) })
}

/// # Errors
/// [`AccountError::WrongPassword`] where it does not open.
pub(super) fn open_master(kek: &Kek, attributes: &KeyAttributes) -> AccountResult<MasterKey> {
    let what = "the master key";
    let opened = open_wrapped(kek, &attributes.encrypted_key, &attributes.key_decryption_nonce, what);
    let key = opened.map_err(|error| match error {
        AccountError::Unreadable { reason: CryptoError::Authentication, .. } => AccountError::WrongPassword,
        other => other,
    })?;
    MasterKey::from_slice(&key).map_err(unreadable(what))
}

fn open_pair(master: &MasterKey, attributes: &KeyAttributes) -> AccountResult<KeyPair> {
    let what = "the account's secret key";
    let secret = open_wrapped(master, &attributes.encrypted_secret_key, &attributes.secret_key_decryption_nonce, what)?;
    let pair = KeyPair::from_secret(SecretKey::from_slice(&secret).map_err(unreadable(what))?);
    if attributes.public_key.array() == Some(pair.public) {
        Ok(pair)
    } else {
        Err(AccountError::Unreadable { what: "the account's public key", reason: CryptoError::Authentication })
    }
}

/// # Errors
/// [`AccountError::NoRecoveryKey`] for very old accounts.
pub(super) fn open_recovery_key(master: &MasterKey, attributes: &KeyAttributes) -> AccountResult<RecoveryKey> {
    let (sealed, nonce) =
        (&attributes.recovery_key_encrypted_with_master_key, &attributes.recovery_key_decryption_nonce);
    if sealed.is_empty() {
        return Err(AccountError::NoRecoveryKey);
    }
    let what = "the recovery key";
    RecoveryKey::from_slice(&open_wrapped(master, sealed, nonce, what)?).map_err(unreadable(what))
}

fn open_wrapped(
    key: &impl SymmetricKey,
    sealed: &B64,
    nonce: &B64,
    what: &'static str,
) -> AccountResult<Zeroizing<Vec<u8>>> {
    open_box(key, &bytes_of(nonce, what)?, &bytes_of(sealed, what)?).map_err(unreadable(what))
}

/// Salt and limits of a password, as the server keeps them.
pub(super) fn kdf_of(salt: &B64, mem_limit: i64, ops_limit: i64) -> AccountResult<([u8; 16], KdfLimits)> {
    let malformed = || AccountError::Malformed { what: "the password's salt or limits" };
    let salt = salt.array().ok_or_else(malformed)?;
    let positive = |limit: i64| u64::try_from(limit).map_err(|_| malformed());
    Ok((salt, KdfLimits { mem_limit: positive(mem_limit)?, ops_limit: positive(ops_limit)? }))
}

/// As [`kdf_of`], from what a log-in by code gives.
pub(super) fn kdf_of_keys(attributes: &KeyAttributes) -> AccountResult<([u8; 16], KdfLimits)> {
    kdf_of(&attributes.kek_salt, attributes.mem_limit, attributes.ops_limit)
}

/// As [`kdf_of`], from what a log-in by SRP begins with.
pub(super) fn kdf_of_srp(attributes: &SrpAttributes) -> AccountResult<([u8; 16], KdfLimits)> {
    kdf_of(&attributes.kek_salt, attributes.mem_limit, attributes.ops_limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::seal_sealed_box;

    const LIMITS: KdfLimits = KdfLimits { mem_limit: 1 << 28, ops_limit: 16 };

    fn made() -> (Kek, NewAccount, B64) {
        let kek = Kek::random();
        let account = make_account(&kek, &[5; 16], LIMITS);
        let token = B64::of(seal_sealed_box(&account.pair.public, &[7; 32]).unwrap());
        (kek, account, token)
    }

    #[test]
    fn what_a_sign_up_makes_a_log_in_opens() {
        let (kek, account, token) = made();
        let unlocked = unlock(&kek, &account.attributes, &token).unwrap();
        assert_eq!(unlocked.master.bytes(), account.master.bytes());
        assert_eq!(unlocked.pair.secret.bytes(), account.pair.secret.bytes());
        assert_eq!(unlocked.token.len(), 44, "with its padding");
        let recovery = open_recovery_key(&unlocked.master, &account.attributes).unwrap();
        assert_eq!(recovery.bytes(), account.recovery.bytes());
        assert_eq!(kdf_of_keys(&account.attributes).unwrap(), ([5; 16], LIMITS));
        let by_recovery = open_wrapped(
            &recovery,
            &account.attributes.master_key_encrypted_with_recovery_key,
            &account.attributes.master_key_decryption_nonce,
            "",
        );
        assert_eq!(by_recovery.unwrap().as_slice(), account.master.bytes());
    }

    #[test]
    fn a_wrong_password_is_told_from_damage() {
        let (kek, account, token) = made();
        assert!(matches!(unlock(&Kek::random(), &account.attributes, &token), Err(AccountError::WrongPassword)));
        let mut damaged = account.attributes.clone();
        damaged.encrypted_secret_key = B64::of([0; 48]);
        assert!(matches!(unlock(&kek, &damaged, &token), Err(AccountError::Unreadable { .. })));
        damaged = account.attributes.clone();
        damaged.public_key = B64::of([1; 32]);
        assert!(matches!(unlock(&kek, &damaged, &token), Err(AccountError::Unreadable { .. })));
        damaged = account.attributes.clone();
        damaged.encrypted_key = B64("not base64".into());
        assert!(matches!(unlock(&kek, &damaged, &token), Err(AccountError::Malformed { .. })));
        assert!(unlock(&kek, &account.attributes, &B64::of([0; 80])).is_err());
    }

    #[test]
    fn an_account_without_recovery_key_says_so() {
        let (_, mut account, _) = made();
        account.attributes.recovery_key_encrypted_with_master_key = B64::default();
        let refused = open_recovery_key(&account.master, &account.attributes);
        assert!(matches!(refused, Err(AccountError::NoRecoveryKey)));
    }

    #[test]
    fn a_servers_nonsense_limits_are_refused() {
        assert!(kdf_of(&B64::of([0; 16]), -1, 2).is_err());
        assert!(kdf_of(&B64::of([0; 15]), 1, 2).is_err());
    }
}
