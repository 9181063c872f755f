//! A keyring in memory, with moods.

use crate::account::{Keyring, KeyringFault};
use crate::base::sync::Mutex;
use crate::crypto::Zeroizing;
use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// As over SSH.
    #[default]
    Absent,
    Works,
    /// Takes everything and keeps nothing.
    Forgetful,
}

#[derive(Default)]
pub struct FakeKeyring {
    pub mood: Mutex<Mood>,
    pub secrets: Mutex<HashMap<String, Vec<u8>>>,
}

impl FakeKeyring {
    fn answer(&self) -> Result<Mood, KeyringFault> {
        let mood = *self.mood.lock();
        if mood == Mood::Absent { Err(KeyringFault::Absent) } else { Ok(mood) }
    }
}

impl Keyring for FakeKeyring {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringFault> {
        self.answer()?;
        Ok(self.secrets.lock().get(name).cloned().map(Zeroizing::new))
    }

    fn write(&self, name: &str, secret: &[u8]) -> Result<(), KeyringFault> {
        if self.answer()? == Mood::Works {
            self.secrets.lock().insert(name.into(), secret.to_vec());
        }
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), KeyringFault> {
        self.answer()?;
        self.secrets.lock().remove(name);
        Ok(())
    }
}
