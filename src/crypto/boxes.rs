//! Secretbox and sealed box (protocol notes, auth 1.2 and 1.3).

use super::error::CryptoError;
use super::key::{SecretKey, SymmetricKey};
use super::random;
use crypto_box::aead::OsRng;
use crypto_box::{PublicKey, SecretKey as BoxSecretKey};
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use zeroize::Zeroizing;

/// The length of a secretbox nonce.
const NONCE: usize = 24;

/// A secretbox: `MAC ‖ ciphertext`, and its nonce, which travels in a field of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Boxed {
    pub nonce: [u8; NONCE],
    pub ciphertext: Vec<u8>,
}

/// XSalsa20-Poly1305 under a fresh random nonce.
pub fn seal_box(key: &impl SymmetricKey, plain: &[u8]) -> Boxed {
    seal_box_with(key, random(), plain)
}

fn seal_box_with(key: &impl SymmetricKey, nonce: [u8; NONCE], plain: &[u8]) -> Boxed {
    let cipher = XSalsa20Poly1305::new(key.expose().into());
    let ciphertext = cipher.encrypt(Nonce::from_slice(&nonce), plain).expect("memory holds the plaintext twice");
    Boxed { nonce, ciphertext }
}

/// # Errors
/// [`CryptoError::Authentication`] for a wrong key or changed bytes, [`CryptoError::Length`] for a nonce
/// of another length than 24.
pub fn open_box(key: &impl SymmetricKey, nonce: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if nonce.len() != NONCE {
        return Err(CryptoError::Length { what: "nonce", found: nonce.len(), expected: NONCE });
    }
    let cipher = XSalsa20Poly1305::new(key.expose().into());
    let plain = cipher.decrypt(Nonce::from_slice(nonce), ciphertext).map_err(|_| CryptoError::Authentication)?;
    Ok(Zeroizing::new(plain))
}

/// An account's X25519 pair.
pub struct KeyPair {
    pub public: [u8; 32],
    pub secret: SecretKey,
}

impl KeyPair {
    pub fn random() -> Self {
        Self::from_secret(SecretKey::random())
    }

    pub fn from_secret(secret: SecretKey) -> Self {
        let public = *BoxSecretKey::from(*secret.bytes()).public_key().as_bytes();
        Self { public, secret }
    }
}

/// Seals for the holder of `public`'s secret key, anonymously.
///
/// # Errors
/// [`CryptoError::Length`] for a public key that is not 32 bytes, [`CryptoError::Authentication`] for one
/// that makes no shared secret.
pub fn seal_sealed_box(public: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let public: [u8; 32] = public.try_into().map_err(|_| wrong_public_key(public))?;
    refuse_weak_point(&public)?;
    PublicKey::from(public).seal(&mut OsRng, plain).map_err(|_| CryptoError::Authentication)
}

/// # Errors
/// [`CryptoError::Authentication`] for another recipient or changed bytes.
pub fn open_sealed_box(pair: &KeyPair, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let ephemeral = ciphertext.first_chunk::<32>().ok_or(CryptoError::Authentication)?;
    refuse_weak_point(ephemeral)?;
    let secret = BoxSecretKey::from(*pair.secret.bytes());
    secret.unseal(ciphertext).map(Zeroizing::new).map_err(|_| CryptoError::Authentication)
}

/// A point of small order would make an all-zero shared secret, known to everybody.
fn refuse_weak_point(public: &[u8; 32]) -> Result<(), CryptoError> {
    let probe = crypto_box::SalsaBox::new(&PublicKey::from(*public), &BoxSecretKey::from([0x40; 32]));
    let known = crypto_box::SalsaBox::new(&PublicKey::from([0; 32]), &BoxSecretKey::from([0x40; 32]));
    let nonce = crypto_box::Nonce::default();
    let (probe, known) = (probe.encrypt(&nonce, &b""[..]), known.encrypt(&nonce, &b""[..]));
    if probe == known { Err(CryptoError::Authentication) } else { Ok(()) }
}

fn wrong_public_key(public: &[u8]) -> CryptoError {
    CryptoError::Length { what: "public key", found: public.len(), expected: 32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{B64, encode_url_safe};
    use crate::crypto::key::MasterKey;

    fn counting<const N: usize>(from: u8) -> [u8; N] {
        std::array::from_fn(|i| from + i as u8)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn secretbox_vector_of_the_protocol_notes() {
        let key = MasterKey::from_bytes(counting(0));
        let boxed = seal_box_with(&key, counting(0), &counting::<32>(0x64));
        assert_eq!(
            hex(&boxed.ciphertext),
            "a2b8f180bab8de157943368716af3cc13a9a5e28afa3c87bd751e15118fe38e426d030a8f45c45946bdf19ebd5462362"
        );
    }

    #[test]
    fn a_secretbox_opens_with_its_key_alone_and_unchanged() {
        let (key, other) = (MasterKey::random(), MasterKey::random());
        let boxed = seal_box(&key, b"plain");
        assert_eq!(open_box(&key, &boxed.nonce, &boxed.ciphertext).unwrap().as_slice(), b"plain");
        assert!(open_box(&other, &boxed.nonce, &boxed.ciphertext).is_err());
        for bit in 0..boxed.ciphertext.len() * 8 {
            let mut changed = boxed.ciphertext.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open_box(&key, &boxed.nonce, &changed).is_err());
        }
        assert!(open_box(&key, &boxed.nonce[1..], &boxed.ciphertext).is_err());
        assert!(open_box(&key, &boxed.nonce, &[]).is_err());
    }

    #[test]
    fn sealed_box_vector_of_the_protocol_notes() {
        let pair = KeyPair::from_secret(SecretKey::from_bytes([0x77; 32]));
        assert_eq!(B64::of(pair.public).0, "HPV5q6RaELodHvBtkfyiqp7QoRUFFWUxVUBdCxjLmmc=");
        let sealed = B64("e06Qm75//kTEZaIgA31gjuNYl9Me+XLwf3SJLLD3PxP8rFTKZkLQNiUCN97DBkvh1Y9B6BfGXdt4PnStcoqwX42GaNknFt3YWA6ODdkAcjQ=".into());
        let token = open_sealed_box(&pair, &sealed.bytes().unwrap()).unwrap();
        assert_eq!(token.as_slice(), counting::<32>(0));
        assert_eq!(encode_url_safe(&*token), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    }

    #[test]
    fn a_sealed_box_opens_for_its_recipient_alone() {
        let (pair, other) = (KeyPair::random(), KeyPair::random());
        let sealed = seal_sealed_box(&pair.public, b"key").unwrap();
        assert_eq!(sealed.len(), 3 + 48);
        assert_eq!(open_sealed_box(&pair, &sealed).unwrap().as_slice(), b"key");
        assert!(open_sealed_box(&other, &sealed).is_err());
        assert!(open_sealed_box(&pair, &sealed[..31]).is_err());
        assert!(seal_sealed_box(&[1; 31], b"key").is_err());
    }

    #[test]
    fn a_point_of_small_order_is_refused() {
        let pair = KeyPair::random();
        let mut order_one = [0; 32];
        order_one[0] = 1;
        for weak in [[0; 32], order_one] {
            assert!(seal_sealed_box(&weak, b"key").is_err());
            let mut sealed = seal_sealed_box(&pair.public, b"key").unwrap();
            sealed[..32].copy_from_slice(&weak);
            assert!(open_sealed_box(&pair, &sealed).is_err());
        }
    }
}
