//! The password's proof, both ways (protocol notes, auth 2.4): the server learns nothing of the password
//! and must show that it knows the account.

use super::{AccountFlows, on_blocking_thread};
use crate::account::error::{AccountError, AccountResult};
use crate::base::B64;
use crate::crypto::{ClientProof, Kek, SrpClient, compute_verifier, derive_login_key, random};
use crate::remote::{RemoteError, RemoteResult};
use crate::wire::{
    Authorization, SrpAttributes, SrpCompleteRequest, SrpCreateSessionRequest, SrpSetupRequest, SrpVerifySessionRequest,
};
use std::sync::Arc;

impl AccountFlows {
    /// One proof. What the server grants counts only after its own proof.
    pub(super) async fn prove(
        &self,
        attributes: &SrpAttributes,
        kek: &Arc<Kek>,
    ) -> AccountResult<RemoteResult<Authorization>> {
        let client = on_blocking_thread(|| Ok(SrpClient::new())).await?;
        let srp_user_id = attributes.srp_user_id.clone();
        let request = SrpCreateSessionRequest { srp_user_id: srp_user_id.clone(), srp_a: B64::of(client.a_public()) };
        let session = match self.api.create_srp_session(&request).await {
            Ok(session) => session,
            Err(error) => return Ok(Err(error)),
        };
        let proof = make_proof(client, kek, &srp_user_id, &attributes.srp_salt, &session.srp_b).await?;
        let request =
            SrpVerifySessionRequest { session_id: session.session_id, srp_user_id, srp_m1: B64::of(proof.m1) };
        let granted = match self.api.verify_srp_session(&request).await {
            Ok(granted) => granted,
            Err(error) => return Ok(Err(error)),
        };
        check(&proof, granted.srp_m2.as_ref())?;
        Ok(Ok(granted))
    }

    /// Gives the account its log-in by password. An answer that is lost on the way is resolved by asking
    /// what the server keeps.
    ///
    /// # Errors
    /// [`AccountError::ServerProof`], [`AccountError::AttributesDiffer`].
    pub(super) async fn set_up_srp(
        &self,
        token: &str,
        email: &str,
        kek: &Arc<Kek>,
        kek_salt: &B64,
    ) -> AccountResult<()> {
        // The server gives the UUID back in its canonical form, and the proof hashes its text.
        let (srp_user_id, salt) = (uuid::Uuid::new_v4().hyphenated().to_string(), random::<16>());
        let setup = Setup { srp_user_id, srp_salt: B64::of(salt) };
        if let Err(error) = self.complete_setup(token, &setup, kek).await {
            let AccountError::Remote(RemoteError::Network { .. } | RemoteError::Stalled { .. }) = error else {
                return Err(error);
            };
            tracing::info!(%error, "whether the password log-in was set up is asked of the server");
        }
        let kept = self.api.fetch_srp_attributes(email).await?;
        let same =
            kept.srp_user_id == setup.srp_user_id && kept.srp_salt == setup.srp_salt && kept.kek_salt == *kek_salt;
        if same { Ok(()) } else { Err(AccountError::AttributesDiffer) }
    }

    async fn complete_setup(&self, token: &str, setup: &Setup, kek: &Arc<Kek>) -> AccountResult<()> {
        let (user, salt, key) = (setup.srp_user_id.clone(), setup.srp_salt.clone(), Arc::clone(kek));
        let (client, verifier) = on_blocking_thread(move || {
            let salt = salt.bytes().unwrap_or_default();
            Ok((SrpClient::new(), compute_verifier(&user, &salt, &derive_login_key(&key))))
        })
        .await?;
        let request = SrpSetupRequest {
            srp_user_id: setup.srp_user_id.clone(),
            srp_salt: setup.srp_salt.clone(),
            srp_verifier: B64::of(verifier),
            srp_a: B64::of(client.a_public()),
        };
        let answer = self.api.set_up_srp(token, &request).await?;
        let proof = make_proof(client, kek, &setup.srp_user_id, &setup.srp_salt, &answer.srp_b).await?;
        let request = SrpCompleteRequest { setup_id: answer.setup_id, srp_m1: B64::of(proof.m1) };
        let answer = self.api.complete_srp(token, &request).await?;
        check(&proof, Some(&answer.srp_m2))
    }
}

struct Setup {
    srp_user_id: String,
    srp_salt: B64,
}

/// Looks at the server's proof.
fn check(proof: &ClientProof, m2: Option<&B64>) -> AccountResult<()> {
    let m2 = m2.and_then(B64::bytes).unwrap_or_default();
    proof.check_server(&m2).map_err(|_| AccountError::ServerProof)
}

async fn make_proof(
    client: SrpClient,
    kek: &Arc<Kek>,
    user: &str,
    salt: &B64,
    b_public: &B64,
) -> AccountResult<ClientProof> {
    let what = "the server's part of the password proof";
    let malformed = || AccountError::Malformed { what };
    let (salt, b_public) = (salt.bytes().ok_or_else(malformed)?, b_public.bytes().ok_or_else(malformed)?);
    let (user, kek) = (user.to_owned(), Arc::clone(kek));
    on_blocking_thread(move || {
        client.prove(&user, &salt, &derive_login_key(&kek), &b_public).map_err(|_| AccountError::Malformed { what })
    })
    .await
}
