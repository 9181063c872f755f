//! Museum's account half, in memory: what the protocol notes, auth 2 and 5.2, say of each call.

use super::EMAIL;
use crate::base::sync::Mutex;
use crate::base::{B64, UserId, decode_url_safe, encode_url_safe};
use crate::crypto::{SrpServer, random, seal_sealed_box};
use crate::remote::{LoginApi, RemoteError, RemoteResult};
use crate::wire::{
    Authorization, KeyAttributes, OttRequest, SecondFactor, SessionValidity, SetKeyAttributes, SrpAttributes,
    SrpCompleteAnswer, SrpCompleteRequest, SrpCreateSessionAnswer, SrpCreateSessionRequest, SrpSetupAnswer,
    SrpSetupRequest, SrpVerifySessionRequest, TotpVerifyRequest, TwoFactorRecovery, TwoFactorRemoveRequest,
    VerifyEmailRequest, code,
};
use async_trait::async_trait;
use std::collections::{HashMap, VecDeque};

/// When a call fails: before or after it has had its effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Lost,
    AnswerLost,
    Status(u16, &'static str),
}

#[derive(Default)]
pub struct Server(pub Mutex<State>);

#[derive(Default)]
pub struct State {
    pub account: Option<Account>,
    pub calls: Vec<&'static str>,
    pub faults: HashMap<&'static str, VecDeque<Fault>>,
    /// Sealed in place of the right proof, as by a server that does not know the account.
    pub wrong_m2: bool,
    ott: Option<&'static str>,
    srp: HashMap<String, SrpSession>,
}

struct SrpSession {
    server: SrpServer,
    a: Vec<u8>,
    pending: Option<SrpSetupRequest>,
}

/// The one account there can be, of [`EMAIL`].
#[derive(Clone, Default)]
pub struct Account {
    pub id: i64,
    pub tokens: Vec<String>,
    pub keys: Option<KeyAttributes>,
    pub srp: Option<(String, B64, Vec<u8>)>,
    pub email_mfa: bool,
    pub totp: Option<&'static str>,
    /// How many polls the browser takes.
    pub passkey: Option<usize>,
}

fn refused(status: u16, code: &str) -> RemoteError {
    RemoteError::Status { endpoint: "/users/fake", status, code: code.into(), retry_after: None }
}

impl Server {
    /// Notes the call, and whether it fails before or after its effect.
    fn enter(&self, call: &'static str) -> RemoteResult<Option<RemoteError>> {
        let mut state = self.0.lock();
        state.calls.push(call);
        let lost = RemoteError::Network { endpoint: "/users/fake", detail: "reset".into() };
        match state.faults.get_mut(call).and_then(VecDeque::pop_front) {
            None => Ok(None),
            Some(Fault::Lost) => Err(lost),
            Some(Fault::Status(status, code)) => Err(refused(status, code)),
            Some(Fault::AnswerLost) => Ok(Some(lost)),
        }
    }

    /// One call: its effect, unless it is to fail before or after.
    fn call<T>(&self, name: &'static str, effect: impl FnOnce(&mut State) -> RemoteResult<T>) -> RemoteResult<T> {
        let late = self.enter(name)?;
        let outcome = effect(&mut self.0.lock());
        late.map_or(outcome, Err)
    }

    pub fn fail(&self, call: &'static str, fault: Fault) {
        self.0.lock().faults.entry(call).or_default().push_back(fault);
    }

    pub fn change(&self, change: impl FnOnce(&mut Account)) {
        change(self.0.lock().account.as_mut().expect("there is an account"));
    }

    pub fn account(&self) -> Account {
        self.0.lock().account.clone().expect("there is an account")
    }

    pub fn count(&self, call: &str) -> usize {
        self.0.lock().calls.iter().filter(|made| **made == call).count()
    }
}

impl State {
    fn owner(&mut self, token: &str) -> RemoteResult<&mut Account> {
        let account = self.account.as_mut().filter(|account| account.tokens.iter().any(|known| known == token));
        account.ok_or_else(|| refused(401, ""))
    }

    fn known(&mut self) -> RemoteResult<&mut Account> {
        self.account.as_mut().ok_or_else(|| refused(404, ""))
    }

    /// The answer of a call that proved who asks; a second factor comes first.
    fn grant(&mut self) -> RemoteResult<Authorization> {
        let account = self.known()?;
        let mut granted = Authorization { id: UserId(account.id), ..Authorization::default() };
        if account.passkey.is_some() {
            granted.passkey_session_id = "passkey session=".into();
            granted.accounts_url = "https://accounts.example.org".into();
        }
        match (account.totp, account.passkey) {
            (Some(_), Some(_)) => granted.two_factor_session_id_v2 = "totp session".into(),
            (Some(_), None) => granted.two_factor_session_id = "totp session".into(),
            (None, Some(_)) => {}
            (None, None) => return self.grant_all(),
        }
        Ok(granted)
    }

    fn grant_all(&mut self) -> RemoteResult<Authorization> {
        let account = self.known()?;
        let token = encode_url_safe(random::<32>());
        account.tokens.push(token.clone());
        let mut granted = Authorization { id: UserId(account.id), ..Authorization::default() };
        match &account.keys {
            None => granted.token = Some(token),
            Some(keys) => {
                let public = keys.public_key.bytes().unwrap_or_default();
                let raw = decode_url_safe(&token).unwrap_or_default();
                granted.encrypted_token = Some(B64::of(seal_sealed_box(&public, &raw).expect("the key is a key")));
                granted.key_attributes = Some(keys.clone());
            }
        }
        Ok(granted)
    }

    fn open_srp(&mut self, verifier: &[u8], a: &B64, pending: Option<SrpSetupRequest>) -> (String, B64) {
        let server = SrpServer::new(verifier);
        let b = B64::of(server.b_public());
        let id = format!("session {}", self.srp.len());
        self.srp.insert(id.clone(), SrpSession { server, a: a.bytes().unwrap_or_default(), pending });
        (id, b)
    }

    /// M2, and what was pending.
    fn close_srp(&mut self, id: &str, m1: &B64) -> RemoteResult<(B64, Option<SrpSetupRequest>)> {
        let session = self.srp.remove(id).ok_or_else(|| refused(401, ""))?;
        let m1 = m1.bytes().unwrap_or_default();
        let m2 = session.server.check_client(&session.a, &m1).ok().flatten().ok_or_else(|| refused(401, ""))?;
        Ok((B64::of(if self.wrong_m2 { [0; 32] } else { m2 }), session.pending))
    }
}

#[async_trait]
impl LoginApi for Server {
    async fn request_code(&self, request: &OttRequest) -> RemoteResult<()> {
        assert_eq!(request.email, EMAIL);
        self.call("request_code", |state| {
            let keys = state.account.as_ref().map(|account| account.keys.is_some());
            match (request.purpose.as_str(), keys) {
                ("signup", Some(true)) => return Err(refused(409, code::USER_ALREADY_REGISTERED)),
                ("login", None) => return Err(refused(404, code::USER_NOT_REGISTERED)),
                ("login", Some(false)) => return Err(refused(404, code::USER_SIGNUP_INCOMPLETE)),
                _ => state.ott = Some("123456"),
            }
            Ok(())
        })
    }

    async fn verify_email(&self, request: &VerifyEmailRequest) -> RemoteResult<Authorization> {
        self.call("verify_email", |state| {
            let expected = state.ott.ok_or_else(|| refused(410, ""))?;
            if request.ott != expected {
                return Err(refused(401, ""));
            }
            state.ott = None;
            state.account.get_or_insert(Account { id: 1_580_559_962_386_438, ..Account::default() });
            state.grant()
        })
    }

    async fn fetch_srp_attributes(&self, email: &str) -> RemoteResult<SrpAttributes> {
        assert_eq!(email, EMAIL);
        self.call("fetch_srp_attributes", |state| {
            let account = state.known()?;
            let (Some((user, salt, _)), Some(keys)) = (&account.srp, &account.keys) else {
                return Err(refused(404, code::NOT_FOUND));
            };
            Ok(SrpAttributes {
                srp_user_id: user.clone(),
                srp_salt: salt.clone(),
                mem_limit: keys.mem_limit,
                ops_limit: keys.ops_limit,
                kek_salt: keys.kek_salt.clone(),
                is_email_mfa_enabled: account.email_mfa,
            })
        })
    }

    async fn create_srp_session(&self, request: &SrpCreateSessionRequest) -> RemoteResult<SrpCreateSessionAnswer> {
        self.call("create_srp_session", |state| {
            let account = state.known()?.clone();
            if account.email_mfa {
                return Err(refused(409, code::EMAIL_MFA_ENABLED));
            }
            // An unknown user ID gets a session that never verifies.
            let known = account.srp.filter(|(user, _, _)| *user == request.srp_user_id);
            let verifier = known.map_or(vec![7; 512], |(_, _, verifier)| verifier);
            let (session_id, srp_b) = state.open_srp(&verifier, &request.srp_a, None);
            Ok(SrpCreateSessionAnswer { session_id, srp_b })
        })
    }

    async fn verify_srp_session(&self, request: &SrpVerifySessionRequest) -> RemoteResult<Authorization> {
        self.call("verify_srp_session", |state| {
            let (m2, _) = state.close_srp(&request.session_id, &request.srp_m1)?;
            Ok(Authorization { srp_m2: Some(m2), ..state.grant()? })
        })
    }

    async fn verify_totp(&self, request: &TotpVerifyRequest) -> RemoteResult<Authorization> {
        self.call("verify_totp", |state| {
            assert_eq!(request.session_id, "totp session");
            if state.known()?.totp != Some(request.code.as_str()) {
                return Err(refused(401, ""));
            }
            state.grant_all()
        })
    }

    async fn fetch_passkey_token(&self, session: &str) -> RemoteResult<Authorization> {
        self.call("fetch_passkey_token", |state| {
            assert_eq!(session, "passkey session=");
            match &mut state.known()?.passkey {
                Some(0) => state.grant_all(),
                Some(polls) => {
                    *polls = polls.saturating_sub(1);
                    Err(refused(400, code::SESSION_NOT_VERIFIED))
                }
                None => Err(refused(404, "")),
            }
        })
    }

    async fn fetch_two_factor_recovery(&self, _: &str, _: SecondFactor) -> RemoteResult<TwoFactorRecovery> {
        Err(refused(404, ""))
    }

    async fn remove_two_factor(&self, _: &TwoFactorRemoveRequest) -> RemoteResult<Authorization> {
        Err(refused(404, ""))
    }

    async fn put_key_attributes(&self, token: &str, request: &SetKeyAttributes) -> RemoteResult<()> {
        self.call("put_key_attributes", |state| {
            let account = state.owner(token)?;
            if account.keys.is_some() {
                return Err(refused(403, ""));
            }
            let keys = &request.key_attributes;
            let work = keys.mem_limit * keys.ops_limit;
            assert!(work == 1 << 32 && keys.mem_limit >= 1 << 27, "museum's check of the limits");
            account.keys = Some(keys.clone());
            Ok(())
        })
    }

    async fn set_up_srp(&self, token: &str, request: &SrpSetupRequest) -> RemoteResult<SrpSetupAnswer> {
        self.call("set_up_srp", |state| {
            state.owner(token)?;
            let canonical = uuid::Uuid::parse_str(&request.srp_user_id).map(|id| id.hyphenated().to_string());
            assert_eq!(canonical.as_deref(), Ok(request.srp_user_id.as_str()), "the server gives it back canonical");
            let verifier = request.srp_verifier.bytes().unwrap_or_default();
            let (setup_id, srp_b) = state.open_srp(&verifier, &request.srp_a, Some(request.clone()));
            Ok(SrpSetupAnswer { setup_id, srp_b })
        })
    }

    async fn complete_srp(&self, token: &str, request: &SrpCompleteRequest) -> RemoteResult<SrpCompleteAnswer> {
        self.call("complete_srp", |state| {
            let (srp_m2, pending) = state.close_srp(&request.setup_id, &request.srp_m1)?;
            let setup = pending.ok_or_else(|| refused(404, ""))?;
            let account = state.owner(token)?;
            if account.srp.is_some() {
                return Err(refused(400, code::BAD_REQUEST));
            }
            account.srp = Some((setup.srp_user_id, setup.srp_salt, setup.srp_verifier.bytes().unwrap_or_default()));
            Ok(SrpCompleteAnswer { setup_id: request.setup_id.clone(), srp_m2 })
        })
    }

    async fn fetch_session_validity(&self, token: &str) -> RemoteResult<SessionValidity> {
        self.call("fetch_session_validity", |state| {
            let keys = state.owner(token)?.keys.clone();
            Ok(SessionValidity { has_set_keys: keys.is_some(), key_attributes: keys })
        })
    }

    async fn logout(&self, token: &str) -> RemoteResult<()> {
        self.call("logout", |state| {
            state.owner(token)?.tokens.retain(|known| known != token);
            Ok(())
        })
    }
}
