//! Where the root key lives: providers that wrap and unwrap the key rows of a database (FORMAT.md section 1).

mod file;

use std::fmt;

pub use file::{EnvKey, KeyFile, generate_key_file};
pub use zeroize::Zeroizing;

use crate::env::{Entropy, SystemEntropy};
use crate::error::Result;
use crate::phi::key::{Key32, provider_unwrap, provider_wrap};

/// Wraps and unwraps 32-byte keys under a root key that this library need not see.
///
/// `context` is associated data that the provider must authenticate (AWS KMS: encryption context; Vault:
/// associated data). A provider that ignores it is refused when the database is opened.
///
/// Calls run outside every transaction and lock, on any thread, with a deadline of 5 s unless
/// [`is_local`](KeyProvider::is_local).
pub trait KeyProvider: Send + Sync + 'static {
    /// `key` as an opaque blob that only this root key and `context` open.
    ///
    /// # Errors
    /// [`KeyError`] if the key was not wrapped.
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// The key in a blob of [`wrap`](KeyProvider::wrap).
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the blob is not of this root key and context; any other failure is
    /// [`KeyError::Unavailable`].
    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError>;

    /// True if both calls are pure computation, which is then done inline without a deadline.
    fn is_local(&self) -> bool {
        false
    }
}

/// For hosts that choose their provider at run time.
impl<P: KeyProvider + ?Sized> KeyProvider for Box<P> {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        (**self).wrap(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        (**self).unwrap(blob, context)
    }

    fn is_local(&self) -> bool {
        (**self).is_local()
    }
}

/// Why a key provider gave no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The blob does not authenticate under this root key and context.
    #[error("the key provider refused the key")]
    Refused,
    /// The provider could not be asked; trying again may help.
    #[error("the key provider did not answer")]
    Unavailable,
}

type Wrap = dyn Fn(&[u8; 32], &[u8]) -> Result<Vec<u8>, KeyError> + Send + Sync;
type Unwrap = dyn Fn(&[u8], &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> + Send + Sync;

/// A key provider made of two functions of the host, for AWS KMS, Vault or an HSM.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use medorder::{CallbackKeys, KeyError, KeyProvider, keys::Zeroizing};
///
/// // Stands for the machine that keeps keys: a blob is the number of what it keeps.
/// type Kept = (Vec<u8>, [u8; 32]);
/// let hsm = Arc::new(Mutex::new(Vec::<Kept>::new()));
/// let asked = Arc::clone(&hsm);
/// let keys = CallbackKeys::new(
///     move |key, context| {
///         let mut kept = hsm.lock().map_err(|_| KeyError::Unavailable)?;
///         kept.push((context.to_vec(), *key));
///         Ok((kept.len() as u64 - 1).to_be_bytes().to_vec())
///     },
///     move |blob, context| {
///         let kept = asked.lock().map_err(|_| KeyError::Unavailable)?;
///         let number = u64::from_be_bytes(blob.try_into().map_err(|_| KeyError::Refused)?);
///         match kept.get(number as usize) {
///             Some((bound, key)) if bound == context => Ok(Zeroizing::new(*key)),
///             _ => Err(KeyError::Refused),
///         }
///     },
/// );
/// let blob = keys.wrap(&[7; 32], b"context")?;
/// assert_eq!(*keys.unwrap(&blob, b"context")?, [7; 32]);
/// assert_eq!(keys.unwrap(&blob, b"another").unwrap_err(), KeyError::Refused);
/// # Ok::<(), KeyError>(())
/// ```
pub struct CallbackKeys {
    wrap: Box<Wrap>,
    unwrap: Box<Unwrap>,
}

impl CallbackKeys {
    /// Calls `wrap(key, context)` and `unwrap(blob, context)`, from any thread and several at once.
    pub fn new(
        wrap: impl Fn(&[u8; 32], &[u8]) -> Result<Vec<u8>, KeyError> + Send + Sync + 'static,
        unwrap: impl Fn(&[u8], &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> + Send + Sync + 'static,
    ) -> Self {
        Self { wrap: Box::new(wrap), unwrap: Box::new(unwrap) }
    }
}

impl KeyProvider for CallbackKeys {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        (self.wrap)(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        (self.unwrap)(blob, context)
    }
}

impl fmt::Debug for CallbackKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackKeys")
    }
}

/// A root key in the program text, for tests alone: it protects nothing.
#[cfg(any(test, feature = "test-util"))]
#[derive(Clone, Debug)]
pub struct TestKey(Root);

#[cfg(any(test, feature = "test-util"))]
impl TestKey {
    /// The one fixed root key.
    #[must_use]
    pub fn new() -> Self {
        Self::with_root([0x42; 32])
    }

    /// Another root key, for tests of `change_root` and of wrong keys.
    #[must_use]
    pub fn with_root(root: [u8; 32]) -> Self {
        Self(Root(Key32::from_bytes(root)))
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Default for TestKey {
    fn default() -> Self {
        Self::new()
    }
}

/// A root key in this process: what the key file, the environment variable and the test key come down to.
#[derive(Clone, Debug)]
struct Root(Key32);

impl Root {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 12]);
        SystemEntropy.fill(&mut salt).map_err(|_| KeyError::Unavailable)?;
        SystemEntropy.fill(&mut nonce).map_err(|_| KeyError::Unavailable)?;
        provider_wrap(&self.0, context, salt, nonce, &Key32::from_bytes(*key)).map_err(|_| KeyError::Refused)
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let key = provider_unwrap(&self.0, context, blob).ok_or(KeyError::Refused)?;
        Ok(Zeroizing::new(*key.expose()))
    }
}

macro_rules! local_provider {
    ($($(#[$attribute:meta])* $name:ident;)*) => { $(
        $(#[$attribute])*
        impl KeyProvider for $name {
            fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
                self.0.wrap(key, context)
            }

            fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
                self.0.unwrap(blob, context)
            }

            fn is_local(&self) -> bool {
                true
            }
        }
    )* };
}
local_provider! {
    KeyFile;
    EnvKey;
    #[cfg(any(test, feature = "test-util"))]
    TestKey;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_root_binds_the_context_and_repeats_no_blob() {
        let keys = TestKey::new();
        let blob = keys.wrap(&[1; 32], b"a").unwrap();
        assert_ne!(blob, keys.wrap(&[1; 32], b"a").unwrap());
        assert_eq!(*keys.unwrap(&blob, b"a").unwrap(), [1; 32]);
        assert_eq!(keys.unwrap(&blob, b"b").unwrap_err(), KeyError::Refused);
        assert_eq!(keys.unwrap(&[], b"a").unwrap_err(), KeyError::Refused);
        assert_eq!(TestKey::with_root([1; 32]).unwrap(&blob, b"a").unwrap_err(), KeyError::Refused);
        assert!(keys.is_local());
        assert_eq!(format!("{keys:?}"), "TestKey(Root(Key32(..)))");
    }

    #[test]
    fn callbacks_get_key_blob_and_context() {
        let keys = CallbackKeys::new(
            |key, context| Ok([&key[..], context].concat()),
            |blob, context| match blob.split_first_chunk() {
                Some((key, rest)) if rest == context => Ok(Zeroizing::new(*key)),
                _ => Err(KeyError::Refused),
            },
        );
        let blob = keys.wrap(&[1; 32], b"a").unwrap();
        assert_eq!(*keys.unwrap(&blob, b"a").unwrap(), [1; 32]);
        assert_eq!(keys.unwrap(&blob, b"b").unwrap_err(), KeyError::Refused);
    }
}
