//! `GET /users/details/v2` (protocol notes, auth 2.9): sizes in bytes, times in microseconds.

use super::nullable::nullable;
use crate::base::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserDetails {
    pub email: String,
    /// This user's ciphertext, trash included.
    pub usage: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_count: Option<i64>,
    pub shared_collections_count: i64,
    pub subscription: Subscription,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_data: Option<FamilyData>,
    #[serde(deserialize_with = "nullable")]
    pub storage_bonus: i64,
    #[serde(deserialize_with = "nullable")]
    pub profile_data: ProfileData,
    #[serde(deserialize_with = "nullable")]
    pub bonus_data: BonusData,
}

#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subscription {
    pub id: i64,
    #[serde(rename = "userID")]
    pub user_id: UserId,
    #[serde(rename = "productID")]
    pub product_id: String,
    pub storage: i64,
    #[serde(rename = "originalTransactionID")]
    pub original_transaction_id: String,
    pub expiry_time: Timestamp,
    pub payment_provider: String,
    pub attributes: serde_json::Map<String, serde_json::Value>,
    pub price: String,
    pub period: String,
}

#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FamilyData {
    #[serde(deserialize_with = "nullable")]
    pub members: Vec<FamilyMember>,
    /// 0 once the family plan has expired.
    pub storage: i64,
    pub expiry_time: Timestamp,
    #[serde(deserialize_with = "nullable")]
    pub admin_bonus: i64,
}

#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FamilyMember {
    pub email: String,
    pub status: String,
    pub storage_limit: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub usage: i64,
    #[serde(deserialize_with = "nullable")]
    pub is_admin: bool,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileData {
    #[serde(rename = "canDisableEmailMFA")]
    pub can_disable_email_mfa: bool,
    #[serde(rename = "isEmailMFAEnabled")]
    pub is_email_mfa_enabled: bool,
    #[serde(rename = "isTwoFactorEnabled")]
    pub is_two_factor_enabled: bool,
    #[serde(rename = "passkeyCount")]
    pub passkey_count: i64,
}

#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BonusData {
    #[serde(deserialize_with = "nullable")]
    pub storage_bonuses: Vec<serde_json::Value>,
}

/// What the account holds and may hold.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Quota {
    pub used: u64,
    pub total: u64,
}

impl UserDetails {
    /// As Ente's clients compute it (auth 2.9): family plan, bonus and the member's own limit.
    pub fn quota(&self) -> Quota {
        let bytes = |value: i64| u64::try_from(value).unwrap_or(0);
        let Some(family) = &self.family_data else {
            return Quota {
                used: bytes(self.usage),
                total: bytes(self.subscription.storage) + bytes(self.storage_bonus),
            };
        };
        let own_limit = family.members.iter().find(|member| member.email == self.email).and_then(|m| m.storage_limit);
        match own_limit {
            Some(limit) => Quota { used: bytes(self.usage), total: bytes(limit) },
            None => Quota {
                used: family.members.iter().map(|member| bytes(member.usage)).sum(),
                total: bytes(family.storage) + bytes(self.storage_bonus),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(email: &str, usage: i64, storage_limit: Option<i64>) -> FamilyMember {
        FamilyMember { email: email.into(), usage, storage_limit, ..FamilyMember::default() }
    }

    #[test]
    fn the_quota_is_the_plan_or_the_familys_or_the_own_limit() {
        let mut details = UserDetails { email: "a@b".into(), usage: 7, storage_bonus: 5, ..UserDetails::default() };
        details.subscription.storage = 10;
        assert_eq!(details.quota(), Quota { used: 7, total: 15 });
        let members = vec![member("a@b", 7, None), member("c@d", 20, None)];
        details.family_data = Some(FamilyData { members, storage: 100, ..FamilyData::default() });
        assert_eq!(details.quota(), Quota { used: 27, total: 105 });
        details.family_data =
            Some(FamilyData { members: vec![member("a@b", 7, Some(9))], storage: 100, ..FamilyData::default() });
        assert_eq!(details.quota(), Quota { used: 7, total: 9 });
    }
}
