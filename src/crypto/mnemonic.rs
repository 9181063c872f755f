//! The recovery key as 24 words (protocol notes, auth 2.7).

use super::error::CryptoError;
use super::key::RecoveryKey;
use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

/// The 24 English BIP-39 words of a recovery key.
pub fn recovery_words(key: &RecoveryKey) -> Zeroizing<String> {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, key.bytes()).expect("32 bytes make 24 words");
    Zeroizing::new(mnemonic.words().collect::<Vec<_>>().join(" "))
}

/// Reads 24 words (any case and spacing) or 64 hexadecimal digits.
///
/// # Errors
/// [`CryptoError::RecoveryKey`] for anything else, a wrong checksum included.
pub fn parse_recovery_key(text: &str) -> Result<RecoveryKey, CryptoError> {
    let words = Zeroizing::new(text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" "));
    if !words.contains(' ') {
        return parse_hex(&words);
    }
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words).map_err(|_| CryptoError::RecoveryKey)?;
    let entropy = Zeroizing::new(mnemonic.to_entropy());
    RecoveryKey::from_slice(&entropy).map_err(|_| CryptoError::RecoveryKey)
}

fn parse_hex(text: &str) -> Result<RecoveryKey, CryptoError> {
    let digits: Zeroizing<Vec<u8>> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect::<Vec<_>>().into();
    if text.len() != 64 || digits.len() != 64 {
        return Err(CryptoError::RecoveryKey);
    }
    let bytes: Zeroizing<Vec<u8>> =
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>().into();
    RecoveryKey::from_slice(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "abandon amount liar amount expire adjust cage candy arch gather drum bullet absurd math era \
                         live bid rhythm alien crouch range attend journey unaware";

    #[test]
    fn mnemonic_vector_of_the_protocol_notes() {
        let key = RecoveryKey::from_bytes(std::array::from_fn(|i| i as u8));
        assert_eq!(recovery_words(&key).as_str(), WORDS);
    }

    #[test]
    fn words_and_digits_read_back_as_people_type_them() {
        let expected: [u8; 32] = std::array::from_fn(|i| i as u8);
        let digits: String = expected.iter().map(|b| format!("{b:02X}")).collect();
        for text in [WORDS.into(), format!("  {}\n", WORDS.to_uppercase().replace(' ', "  ")), digits] {
            assert_eq!(parse_recovery_key(&text).unwrap().bytes(), &expected);
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_noticed() {
        let swapped = WORDS.replace("abandon amount", "amount abandon");
        for text in ["", "abandon", &swapped, &WORDS[..WORDS.len() - 8], &"é".repeat(32), &"0".repeat(63)] {
            assert!(parse_recovery_key(text).is_err(), "{text}");
        }
    }
}
