//! Accounts: signing up, logging in, unlocking, as the protocol notes (auth 2) have it. Few are made:
//! servers limit how many codes they send.

use crate::client::Client;
use crate::world::world;
use entefs::base::{B64, UserId, encode_url_safe};
use entefs::crypto::{
    self, KdfLimits, Kek, KeyPair, LoginKey, MasterKey, RecoveryKey, SecretKey, SrpClient, compute_verifier,
    derive_kek, derive_login_key, open_box, open_sealed_box, seal_box,
};
use entefs::wire::{
    Authorization, KeyAttributes, SetKeyAttributes, SrpAttributes, SrpAttributesAnswer, SrpCompleteAnswer,
    SrpCompleteRequest, SrpCreateSessionAnswer, SrpCreateSessionRequest, SrpSetupAnswer, SrpSetupRequest,
    SrpVerifySessionRequest, path,
};
use serde_json::json;
use std::sync::LazyLock;
use tokio::sync::OnceCell;

/// The cheapest derivation that servers take.
pub const LIMITS: KdfLimits = KdfLimits { mem_limit: 134_217_728, ops_limit: 32 };
const PASSWORD: &[u8] = b"correct horse battery staple";
const KEK_SALT: [u8; 16] = *b"contract-tests-0";

/// Derived once for all accounts.
pub static KEK: LazyLock<Kek> =
    LazyLock::new(|| derive_kek(PASSWORD, &KEK_SALT, LIMITS).expect("the memory for one derivation"));

pub struct Account {
    pub email: String,
    pub id: UserId,
    pub token: String,
    pub master: MasterKey,
    pub pair: KeyPair,
    pub recovery: RecoveryKey,
    pub keys: KeyAttributes,
    pub srp: Srp,
}

/// What SRP needs of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srp {
    pub user_id: String,
    pub salt: Vec<u8>,
}

/// An address that nobody has.
pub fn fresh_email() -> String {
    let random: [u8; 8] = crypto::random();
    format!("contract-{}{}", u64::from_le_bytes(random), world().suffix)
}

/// Owner of most albums.
pub async fn ada() -> &'static Account {
    static ADA: OnceCell<Account> = OnceCell::const_new();
    ADA.get_or_init(sign_up).await
}

/// The one that things are shared with.
pub async fn ben() -> &'static Account {
    static BEN: OnceCell<Account> = OnceCell::const_new();
    BEN.get_or_init(sign_up).await
}

/// The third in a shared album.
pub async fn cyd() -> &'static Account {
    static CYD: OnceCell<Account> = OnceCell::const_new();
    CYD.get_or_init(sign_up).await
}

impl Account {
    pub fn client(&self) -> Client {
        Client::new().with_token(&self.token)
    }
}

/// Asks for a code and uses it.
pub async fn verify_email(client: &Client, email: &str, purpose: &str) -> Authorization {
    client.post(path::OTT, &json!({"email": email, "purpose": purpose})).await.empty();
    client.post(path::VERIFY_EMAIL, &json!({"email": email, "ott": world().code})).await.json()
}

/// A complete new account with a session.
pub async fn sign_up() -> Account {
    let (client, email) = (Client::new(), fresh_email());
    let authorization = verify_email(&client, &email, "signup").await;
    let token = authorization.token.expect("a new account's token comes in clear");
    complete_sign_up(&client.with_token(&token), email, authorization.id, token).await
}

/// Sets keys and password of an account that has none.
pub async fn complete_sign_up(client: &Client, email: String, id: UserId, token: String) -> Account {
    let (master, recovery, pair) = (MasterKey::random(), RecoveryKey::random(), KeyPair::random());
    let keys = wrap_keys(&KEK, &master, &recovery, &pair);
    client.put(path::KEY_ATTRIBUTES, &SetKeyAttributes { key_attributes: keys.clone() }).await.empty();
    let (setup, srp) = set_up_srp(client, &derive_login_key(&KEK)).await;
    let answer: SrpCompleteAnswer = client.post(path::SRP_COMPLETE, &setup.proof).await.json();
    setup.check(&answer.srp_m2);
    Account { email, id, token, master, pair, recovery, keys, srp }
}

pub fn wrap_keys(kek: &Kek, master: &MasterKey, recovery: &RecoveryKey, pair: &KeyPair) -> KeyAttributes {
    let sealed_master = seal_box(kek, master.bytes());
    let sealed_secret = seal_box(master, pair.secret.bytes());
    let for_recovery = (seal_box(recovery, master.bytes()), seal_box(master, recovery.bytes()));
    KeyAttributes {
        kek_salt: B64::of(KEK_SALT),
        kek_hash: String::new(),
        encrypted_key: B64::of(sealed_master.ciphertext),
        key_decryption_nonce: B64::of(sealed_master.nonce),
        public_key: B64::of(pair.public),
        encrypted_secret_key: B64::of(sealed_secret.ciphertext),
        secret_key_decryption_nonce: B64::of(sealed_secret.nonce),
        mem_limit: LIMITS.mem_limit as i64,
        ops_limit: LIMITS.ops_limit as i64,
        master_key_encrypted_with_recovery_key: B64::of(for_recovery.0.ciphertext),
        master_key_decryption_nonce: B64::of(for_recovery.0.nonce),
        recovery_key_encrypted_with_master_key: B64::of(for_recovery.1.ciphertext),
        recovery_key_decryption_nonce: B64::of(for_recovery.1.nonce),
    }
}

/// A setup that waits for its proof.
pub struct Setup {
    pub proof: SrpCompleteRequest,
    client: SrpClient,
    srp: Srp,
    b_public: Vec<u8>,
    login: LoginKey,
}

impl Setup {
    #[track_caller]
    pub fn check(&self, m2: &B64) {
        let proof = self.client.prove(&self.srp.user_id, &self.srp.salt, &self.login, &self.b_public);
        let m2 = m2.bytes().expect("base64");
        proof.expect("B is a public value").check_server(&m2).expect("the server knows the verifier");
    }
}

/// Begins to set a password; finishing it is left to the caller.
pub async fn set_up_srp(client: &Client, login: &LoginKey) -> (Setup, Srp) {
    let srp = Srp { user_id: uuid::Uuid::new_v4().to_string(), salt: crypto::random::<16>().to_vec() };
    let srp_client = SrpClient::new();
    let request = SrpSetupRequest {
        srp_user_id: srp.user_id.clone(),
        srp_salt: B64::of(&srp.salt),
        srp_verifier: B64::of(compute_verifier(&srp.user_id, &srp.salt, login)),
        srp_a: B64::of(srp_client.a_public()),
    };
    let answer: SrpSetupAnswer = client.post(path::SRP_SETUP, &request).await.json();
    let b_public = answer.srp_b.bytes().expect("base64");
    let proof = srp_client.prove(&srp.user_id, &srp.salt, login, &b_public).expect("B is a public value");
    let proof = SrpCompleteRequest { setup_id: answer.setup_id, srp_m1: B64::of(proof.m1) };
    let login = LoginKey::from_bytes(*login.bytes());
    (Setup { proof, client: srp_client, srp: srp.clone(), b_public, login }, srp)
}

pub async fn srp_attributes(client: &Client, email: &str) -> SrpAttributes {
    let answer: SrpAttributesAnswer = client.get(&format!("{}?email={email}", path::SRP_ATTRIBUTES)).await.json();
    answer.attributes
}

/// A log-in whose proof has not been sent.
pub struct Attempt {
    pub request: SrpVerifySessionRequest,
    proof: entefs::crypto::ClientProof,
}

impl Attempt {
    #[track_caller]
    pub fn check(&self, answer: &Authorization) {
        let m2 = answer.srp_m2.as_ref().and_then(B64::bytes).expect("a log-in by SRP answers with M2");
        self.proof.check_server(&m2).expect("the server knows the verifier");
    }
}

pub async fn begin_srp(client: &Client, srp: &Srp, login: &LoginKey) -> Attempt {
    let srp_client = SrpClient::new();
    let (srp_user_id, srp_a) = (srp.user_id.clone(), B64::of(srp_client.a_public()));
    let request = SrpCreateSessionRequest { srp_user_id: srp_user_id.clone(), srp_a };
    let answer: SrpCreateSessionAnswer = client.post(path::SRP_CREATE_SESSION, &request).await.json();
    let b_public = answer.srp_b.bytes().expect("base64");
    let proof = srp_client.prove(&srp.user_id, &srp.salt, login, &b_public).expect("B is a public value");
    let request = SrpVerifySessionRequest { session_id: answer.session_id, srp_user_id, srp_m1: B64::of(proof.m1) };
    Attempt { request, proof }
}

/// Logs in by password, as far as the first factor goes.
pub async fn log_in(client: &Client, account: &Account) -> Authorization {
    let attempt = begin_srp(client, &account.srp, &derive_login_key(&KEK)).await;
    let answer: Authorization = client.post(path::SRP_VERIFY_SESSION, &attempt.request).await.json();
    attempt.check(&answer);
    answer
}

/// The token of a complete log-in, by the whole chain from the password's key on.
#[track_caller]
pub fn unlock(answer: &Authorization) -> String {
    let keys = answer.key_attributes.as_ref().expect("a complete log-in has the keys");
    let bytes = |field: &B64| field.bytes().expect("base64");
    let master = open_box(&*KEK, &bytes(&keys.key_decryption_nonce), &bytes(&keys.encrypted_key)).expect("the KEK");
    let master = MasterKey::from_slice(&master).expect("32 bytes");
    let nonce = bytes(&keys.secret_key_decryption_nonce);
    let secret = open_box(&master, &nonce, &bytes(&keys.encrypted_secret_key)).expect("the master key");
    let pair = KeyPair::from_secret(SecretKey::from_slice(&secret).expect("32 bytes"));
    let sealed = bytes(answer.encrypted_token.as_ref().expect("a complete log-in has a token"));
    encode_url_safe(&*open_sealed_box(&pair, &sealed).expect("the token is sealed for this account"))
}
