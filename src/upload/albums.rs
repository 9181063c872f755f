//! Making on the server the albums that were made here. The wrapped key is stored first: an unknown outcome is
//! resolved by looking for it (architecture 5.1).

use super::answers::{Answer, Call, on_answer};
use crate::account::{AccountError, AccountKeys};
use crate::base::{AlbumId, AlbumKind, AlbumNo, Clock, Timestamp};
use crate::namespace::{Namespace, Origin};
use crate::remote::{RemoteApi, RemoteError};
use crate::store::{AlbumRow, AlbumState, StoreError};
use crate::wire::{Collection, CreateCollection};
use std::sync::Arc;
use thiserror::Error;

/// Why an album could not be made.
#[derive(Debug, Error)]
pub enum AlbumMakingError {
    #[error("{0}")]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the server's answer: {0}")]
    Account(#[from] AccountError),
    #[error("the album was removed meanwhile")]
    Gone,
}

/// Makes albums, one at a time: two makers of one album would make two.
pub struct AlbumMaker {
    remote: Arc<dyn RemoteApi>,
    namespace: Arc<Namespace>,
    keys: Arc<AccountKeys>,
    clock: Arc<dyn Clock>,
    turn: tokio::sync::Mutex<()>,
}

impl AlbumMaker {
    pub fn new(
        remote: Arc<dyn RemoteApi>,
        namespace: Arc<Namespace>,
        keys: Arc<AccountKeys>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { remote, namespace, keys, clock, turn: tokio::sync::Mutex::new(()) }
    }

    /// The album's number on the server, which makes it if it has none.
    ///
    /// # Errors
    /// [`AlbumMakingError`]; the same call later goes on where this one stopped.
    pub async fn make_remote(&self, no: AlbumNo) -> Result<AlbumId, AlbumMakingError> {
        if let Some(id) = self.load(no)?.remote {
            return Ok(id);
        }
        let _turn = self.turn.lock().await;
        let album = self.load(no)?;
        if let Some(id) = album.remote {
            return Ok(id);
        }
        if album.state != AlbumState::Local {
            return Err(AlbumMakingError::Gone);
        }
        let (request, is_new) = self.request(&album)?;
        // A stored one may have been sent by a process that was killed before the answer came.
        let found = if is_new { None } else { self.find(&request).await? };
        let made = match found {
            Some(found) => found,
            None => self.create(&request).await?,
        };
        self.keep(&album, &request, &made)?;
        Ok(made.id)
    }

    async fn create(&self, request: &CreateCollection) -> Result<Collection, AlbumMakingError> {
        match self.remote.create_album(request).await {
            Ok(made) => Ok(made),
            // The outcome is not known: it may be there all the same.
            Err(error) if on_answer(Call::CreateAlbum, &error, 0) == Answer::PullAndCompare => {
                self.find(request).await?.ok_or(AlbumMakingError::Remote(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The album that this very request made, known by its wrapped key.
    async fn find(&self, request: &CreateCollection) -> Result<Option<Collection>, AlbumMakingError> {
        let albums = self.remote.fetch_albums(Timestamp::ZERO).await?;
        Ok(albums.rows.into_iter().find(|album| album.encrypted_key == request.encrypted_key && !album.is_deleted))
    }

    fn load(&self, no: AlbumNo) -> Result<AlbumRow, AlbumMakingError> {
        let album = self.namespace.store().read(|rows| rows.load_album(no))?;
        album.filter(AlbumRow::is_present).ok_or(AlbumMakingError::Gone)
    }

    /// The stored request, made and stored where there is none yet, and whether it was. Durable before it is sent.
    fn request(&self, album: &AlbumRow) -> Result<(CreateCollection, bool), AlbumMakingError> {
        let store = self.namespace.store();
        let (stored, key) =
            store.read(|rows| Ok((rows.load_create_request(album.no)?, rows.load_album_key(album.no)?)))?;
        if let Some(request) = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok((request, false));
        }
        let key = key.ok_or(AlbumMakingError::Gone)?;
        let request = self.keys.wrap_new_collection(album.name.as_bytes(), album.kind, &key);
        let bytes = serde_json::to_vec(&request).map_err(|_| AlbumMakingError::Gone)?;
        store.write(|tx| tx.save_create_request(album.no, &bytes))?;
        store.sync()?;
        Ok((request, true))
    }

    /// Of a special kind the server answers the one that was there, with its own key.
    fn keep(&self, album: &AlbumRow, request: &CreateCollection, made: &Collection) -> Result<(), AlbumMakingError> {
        let other_key = (made.encrypted_key != request.encrypted_key
            && matches!(album.kind, AlbumKind::Favorites | AlbumKind::Uncategorized))
        .then(|| self.keys.open_collection_key(&Collection { owner: own(made, self.keys.user), ..made.clone() }))
        .transpose()?;
        let now = self.clock.now_nanos();
        self.namespace.commit(Origin::Elsewhere, |tx, dirty| {
            if let Some(key) = &other_key {
                tx.save_album_key(album.no, key)?;
            }
            tx.save_album_made(album.no, made.id)?;
            tx.save_album_mtime(album.no, now)?;
            dirty.album(album.no);
            Ok::<_, StoreError>(())
        })?;
        self.namespace.store().sync()?;
        Ok(())
    }
}

/// The answer to a creation names no owner's address, but it is ours.
fn own(made: &Collection, user: crate::base::UserId) -> crate::wire::Member {
    crate::wire::Member { id: user, ..made.owner.clone() }
}
