//! SRP-6a as Ente speaks it (protocol notes, auth 2.4): the 4096-bit group of RFC 5054 with SHA-256,
//! and proofs of its own. The crate computes the shared secret, the proofs are made here.
//!
//! One step takes about 20 ms: call it on a blocking thread.

use super::error::CryptoError;
use super::key::LoginKey;
use super::random;
use sha2::{Digest, Sha256};
use srp::{ClientG4096, ServerG4096};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The length of N, and of everything padded to it.
const LEN: usize = 512;

/// What the server stores in place of the password: `v`, padded.
pub fn compute_verifier(srp_user_id: &str, salt: &[u8], login_key: &LoginKey) -> [u8; LEN] {
    let v = ClientG4096::<Sha256>::new().compute_verifier(srp_user_id.as_bytes(), login_key.bytes(), salt);
    pad(&v).expect("a residue of N fits")
}

/// The client's side of one log-in.
pub struct SrpClient {
    a: Zeroizing<Vec<u8>>,
    a_public: [u8; LEN],
}

/// The client's proof, and what the server's must be.
pub struct ClientProof {
    pub m1: [u8; 32],
    m2: [u8; 32],
}

impl Default for SrpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl SrpClient {
    pub fn new() -> Self {
        Self::with_secret(&random::<32>())
    }

    fn with_secret(a: &[u8]) -> Self {
        let a_public = ClientG4096::<Sha256>::new().compute_public_ephemeral(a);
        Self { a: Zeroizing::new(a.to_vec()), a_public: pad(&a_public).expect("a residue of N fits") }
    }

    /// A, padded: the server takes exactly 512 bytes.
    pub fn a_public(&self) -> &[u8; LEN] {
        &self.a_public
    }

    /// # Errors
    /// [`CryptoError::SrpParameter`] for a B that is empty, longer than N or a multiple of it.
    pub fn prove(
        &self,
        srp_user_id: &str,
        salt: &[u8],
        login_key: &LoginKey,
        b_public: &[u8],
    ) -> Result<ClientProof, CryptoError> {
        // The crate panics on a longer B (crate facts, SRP).
        let b_public = pad(b_public).ok_or(CryptoError::SrpParameter)?;
        let verifier = ClientG4096::<Sha256>::new()
            .process_reply(&self.a, srp_user_id.as_bytes(), login_key.bytes(), salt, &b_public)
            .map_err(|_| CryptoError::SrpParameter)?;
        let secret = Zeroizing::new(pad(verifier.key()).expect("a residue of N fits"));
        let (m1, m2) = proofs(&self.a_public, &b_public, &secret);
        Ok(ClientProof { m1, m2 })
    }
}

impl ClientProof {
    /// # Errors
    /// [`CryptoError::SrpProof`] where the server does not know the verifier.
    pub fn check_server(&self, m2: &[u8]) -> Result<(), CryptoError> {
        if self.m2.ct_eq(m2).into() { Ok(()) } else { Err(CryptoError::SrpProof) }
    }
}

/// The server's side of one log-in, for the embedded server.
pub struct SrpServer {
    b: Zeroizing<Vec<u8>>,
    verifier: Vec<u8>,
    b_public: [u8; LEN],
}

impl SrpServer {
    pub fn new(verifier: &[u8]) -> Self {
        Self::with_secret(verifier, &random::<64>())
    }

    /// Takes a stored secret up again (see [`Self::secret`]).
    pub fn with_secret(verifier: &[u8], b: &[u8]) -> Self {
        let b_public = ServerG4096::<Sha256>::new().compute_public_ephemeral(b, verifier);
        Self {
            b: Zeroizing::new(b.to_vec()),
            verifier: verifier.to_vec(),
            b_public: pad(&b_public).expect("a residue of N fits"),
        }
    }

    /// b, to be kept until the client's proof arrives.
    pub fn secret(&self) -> &[u8] {
        &self.b
    }

    pub fn b_public(&self) -> &[u8; LEN] {
        &self.b_public
    }

    /// M2 where the client's proof is right, `None` where it is not.
    ///
    /// # Errors
    /// [`CryptoError::SrpParameter`] for an A of another length or a multiple of N.
    pub fn check_client(&self, a_public: &[u8], m1: &[u8]) -> Result<Option<[u8; 32]>, CryptoError> {
        let a_public: &[u8; LEN] = a_public.try_into().map_err(|_| CryptoError::SrpParameter)?;
        let verifier = ServerG4096::<Sha256>::new()
            .process_reply(b"", b"", &self.b, &self.verifier, a_public)
            .map_err(|_| CryptoError::SrpParameter)?;
        let secret = Zeroizing::new(pad(verifier.key()).expect("a residue of N fits"));
        let (expected, m2) = proofs(a_public, &self.b_public, &secret);
        Ok(bool::from(expected.ct_eq(m1)).then_some(m2))
    }
}

/// M1 = H(A ‖ B ‖ S) and M2 = H(A ‖ M1 ‖ H(S)), everything padded. Not RFC 2945's.
fn proofs(a_public: &[u8; LEN], b_public: &[u8; LEN], secret: &[u8; LEN]) -> ([u8; 32], [u8; 32]) {
    let m1 = Sha256::new().chain_update(a_public).chain_update(b_public).chain_update(secret).finalize();
    let key = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(secret)));
    let m2 = Sha256::new().chain_update(a_public).chain_update(m1).chain_update(key.as_slice()).finalize();
    (m1.into(), m2.into())
}

/// Big-endian, left-padded with zeros to the length of N; `None` for what is empty or longer.
fn pad(number: &[u8]) -> Option<[u8; LEN]> {
    let mut padded = [0; LEN];
    let start = LEN.checked_sub(number.len())?;
    padded[start..].copy_from_slice(number);
    (!number.is_empty()).then_some(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "8f14e45f-ceea-467f-9575-1f0b7c0d5a11";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn sha256(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    fn counting<const N: usize>(from: u8) -> [u8; N] {
        std::array::from_fn(|i| from + i as u8)
    }

    #[test]
    fn vector_of_the_protocol_notes() {
        let (salt, login_key) = (counting::<16>(0), LoginKey::from_bytes(counting(0x20)));
        let verifier = compute_verifier(USER, &salt, &login_key);
        assert_eq!(sha256(&verifier), "ec087632aacc2b73a82244760a9a4c1c63b06198580f330deeb94c434a7538f1");
        let client = SrpClient::with_secret(&counting::<32>(1));
        assert_eq!(sha256(client.a_public()), "9d790e441df56c8822a7b75ecdd18b3d18f8f48bba143d6e7408961613841fdf");
        let server = SrpServer::with_secret(&verifier, &counting::<32>(101));
        assert_eq!(sha256(server.b_public()), "e1f8680c577437dbbb4e262adccc175fd44bb6d7a977b0bab61b08bd43dde474");
        let proof = client.prove(USER, &salt, &login_key, server.b_public()).unwrap();
        assert_eq!(hex(&proof.m1), "f930016068ce6c8800b9da6d20bdff39ddd5c2233fe612b4686e069f33923d30");
        let m2 = server.check_client(client.a_public(), &proof.m1).unwrap().expect("the right proof");
        assert_eq!(hex(&m2), "968e285f0a697aae6d345f7f62a4b6f7da0c7759e4db04a87bcd0ced4d86572d");
        assert_eq!(proof.check_server(&m2), Ok(()));
        assert_eq!(proof.check_server(&[0; 32]), Err(CryptoError::SrpProof));
    }

    #[test]
    fn leading_zero_vector_of_the_protocol_notes() {
        let login_key = LoginKey::from_bytes(*b"1234567890abcdef");
        let client = SrpClient::with_secret(&[0x06, 0xde]);
        assert_eq!(client.a_public()[0], 0);
        let verifier = compute_verifier("repro-user-id", b"0123456789abcdef", &login_key);
        let server = SrpServer::with_secret(&verifier, &[0x42; 64]);
        let proof = client.prove("repro-user-id", b"0123456789abcdef", &login_key, server.b_public()).unwrap();
        assert_eq!(hex(&proof.m1), "c0953b8c74d400fbf664a515deb700d73b65231e7e207a2e2326ff8cf70567ac");
    }

    #[test]
    fn a_wrong_password_proves_nothing() {
        let verifier = compute_verifier(USER, b"salt", &LoginKey::from_bytes([1; 16]));
        let (client, server) = (SrpClient::new(), SrpServer::new(&verifier));
        let proof = client.prove(USER, b"salt", &LoginKey::from_bytes([2; 16]), server.b_public()).unwrap();
        assert_eq!(server.check_client(client.a_public(), &proof.m1), Ok(None));
    }

    #[test]
    fn a_malformed_public_value_is_an_error_and_no_panic() {
        let client = SrpClient::new();
        let key = LoginKey::from_bytes([1; 16]);
        for b in [vec![], vec![0; 512], vec![1; 513], vec![0xff; 4096], vec![0]] {
            let refused = client.prove(USER, b"salt", &key, &b).map(|_| ());
            assert_eq!(refused, Err(CryptoError::SrpParameter), "{} bytes", b.len());
        }
        let server = SrpServer::new(&compute_verifier(USER, b"salt", &key));
        for a in [vec![], vec![0; 512], vec![1; 511], vec![1; 513]] {
            assert_eq!(server.check_client(&a, &[0; 32]), Err(CryptoError::SrpParameter), "{} bytes", a.len());
        }
    }
}
