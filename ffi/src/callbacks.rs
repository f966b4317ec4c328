//! Functions of the host: keys, directory, anchor. They run on threads of the library, with a deadline.

use std::ffi::{c_char, c_void};
use std::mem::{MaybeUninit, offset_of, size_of};

use medorder::{
    AnchorSink, CareDirectory, Error, ErrorCode, KeyError, KeyProvider, PatientId, ProviderId, Result, Rule,
    TerritoryId, Zeroizing,
};

use crate::constants::{MEDORDER_KEY_MISMATCH, MEDORDER_OK};

/// The longest wrapped key that a host may answer with.
const BLOB: usize = 8192;
/// The longest note that a host may answer with; the library's are below 300 bytes.
const NOTE: usize = 4096;

/// Wraps and unwraps keys for a key service of the host: AWS KMS, Vault, an HSM.
///
/// Set `struct_size` to `sizeof(medorder_key_callbacks)`, or start from `MEDORDER_KEY_CALLBACKS_INIT`.
/// Both functions are called from any thread, several at once, and have 5 seconds; a longer wait is
/// MEDORDER_KEY_UNAVAILABLE for the caller. They must not call the library, and no exception and no `longjmp` may leave
/// them. `destroy` is called once, when nobody uses `user_data` any more, also after a failure; it may be NULL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct medorder_key_callbacks {
    /// The size of this struct where the program was compiled.
    pub struct_size: u32,
    /// Set to 0.
    pub reserved: u32,
    /// Wraps the 32 bytes of `key`, bound to `context`, which must be authenticated with it. Writes at most
    /// `*blob_length` bytes to `blob` and their number to `*blob_length`. Answers MEDORDER_OK, or anything else if it
    /// cannot. The key is gone when the function returns: keep no pointer to it.
    pub wrap: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            key: *const u8,
            context: *const u8,
            context_length: usize,
            blob: *mut u8,
            blob_length: *mut usize,
        ) -> i32,
    >,
    /// Writes the 32 bytes of the key in `blob` to `key`. Answers MEDORDER_OK; MEDORDER_KEY_MISMATCH if the blob is not
    /// of this key service and this context; anything else if it cannot tell now.
    pub unwrap: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            blob: *const u8,
            blob_length: usize,
            context: *const u8,
            context_length: usize,
            key: *mut u8,
        ) -> i32,
    >,
    /// Passed to each function as it is.
    pub user_data: *mut c_void,
    /// Frees `user_data`.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
}

/// Answers who may order for whom, from the hospital's own directory. Both functions NULL: the registry in the
/// database is asked.
///
/// They are called from any thread, several at once, and have 5 seconds; a failure or a longer wait is
/// MEDORDER_STORAGE_UNAVAILABLE for the caller, never a default answer. They must not call the library, and no exception
/// and no `longjmp` may leave them. Each writes 1 or 0 to `*exists` and answers MEDORDER_OK, or anything else if it
/// cannot tell. A host that has checked before writes 1 in both. Texts end with a NUL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct medorder_directory {
    /// Whether a territory is in use. It must be registered once with `register_territory` all the same.
    pub territory_exists: Option<
        unsafe extern "C" fn(user_data: *mut c_void, territory_id: *const c_char, exists: *mut i32) -> i32,
    >,
    /// Whether this provider may order for this patient in this territory.
    pub relationship_exists: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            patient_id: *const c_char,
            provider_id: *const c_char,
            territory_id: *const c_char,
            exists: *mut i32,
        ) -> i32,
    >,
    /// Passed to each function as it is.
    pub user_data: *mut c_void,
    /// Frees `user_data`: called once, when nobody uses it any more, also if `medorder_open` fails. It may be NULL.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
}

/// Keeps signed checkpoints outside the database, so that a database that was put back as a whole shows. Both functions
/// NULL: there is no anchor, or the file of the setting `anchor_file`.
///
/// Threads, deadline and prohibitions are those of `medorder_directory`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct medorder_anchor {
    /// Keeps `note` durably; the same may come twice. Answers MEDORDER_OK, or anything else if it is not kept.
    pub keep:
        Option<unsafe extern "C" fn(user_data: *mut c_void, note: *const c_char, note_length: usize) -> i32>,
    /// Writes the newest note of `chain` (a territory, or empty for the system chain) to `note`, at most `*note_length`
    /// bytes, and its length to `*note_length`; 0 if there is none. Answers MEDORDER_OK, or anything else if it cannot
    /// tell.
    pub newest: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            chain: *const c_char,
            note: *mut c_char,
            note_length: *mut usize,
        ) -> i32,
    >,
    /// Passed to each function as it is.
    pub user_data: *mut c_void,
    /// Frees `user_data`: called once, when nobody uses it any more, also if `medorder_open` fails. It may be NULL.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
}

/// Something of the host's that goes with what it was given for.
pub(crate) struct UserData {
    data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: the header says that functions get it on any thread, several at once.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(
        data: *mut c_void,
        destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    ) -> Self {
        Self { data, destroy }
    }

    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host gave both for each other, and this is the one call.
            unsafe { destroy(self.data) };
        }
    }
}

/// A struct of C that may grow: it says its size first.
///
/// # Safety
/// The struct is `repr(C)`, begins with a `u32` that is its size, and is valid when all its bytes are zero.
pub(crate) unsafe trait Versioned: Copy {
    /// The least size: that of the first version.
    const FIRST: usize;
}

// SAFETY: `struct_size` is first; NULL and absent functions are zero.
unsafe impl Versioned for medorder_key_callbacks {
    const FIRST: usize = offset_of!(medorder_key_callbacks, destroy) + size_of::<usize>();
}

/// A copy of a versioned struct. A shorter one, of an older program, has zero at its end; a longer one, of a newer
/// program, must have zero in what this library does not know.
///
/// # Safety
/// `given` is NULL, or the number of bytes that it says at its start can be read.
pub(crate) unsafe fn versioned<T: Versioned>(name: &str, given: *const T) -> Result<T> {
    const MOST: usize = 4096;
    if given.is_null() {
        return Err(Error::fault(name, Rule::Required));
    }
    // SAFETY: the caller says so; every versioned struct begins with its size.
    let size = unsafe { given.cast::<u32>().read() } as usize;
    let wrong = || Error::fault(format!("{name}.struct_size"), Rule::Format);
    if !(T::FIRST..=MOST).contains(&size) {
        return Err(wrong());
    }
    let known = size.min(size_of::<T>());
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller says that `size` bytes can be read, and `known` bytes fit into the copy, for which all zero is
    // valid.
    let (copy, rest) = unsafe {
        std::ptr::copy_nonoverlapping(given.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), known);
        (copy.assume_init(), std::slice::from_raw_parts(given.cast::<u8>().add(known), size - known))
    };
    if rest.iter().all(|byte| *byte == 0) { Ok(copy) } else { Err(wrong()) }
}

/// A key service of the host.
pub(crate) struct HostKeys {
    wrap: WrapFunction,
    unwrap: UnwrapFunction,
    user_data: UserData,
}

type WrapFunction =
    unsafe extern "C" fn(*mut c_void, *const u8, *const u8, usize, *mut u8, *mut usize) -> i32;
type UnwrapFunction = unsafe extern "C" fn(*mut c_void, *const u8, usize, *const u8, usize, *mut u8) -> i32;

impl HostKeys {
    pub(crate) fn new(given: &medorder_key_callbacks) -> Result<Self> {
        // Taken first: it is destroyed also if the rest is refused.
        let user_data = UserData::new(given.user_data, given.destroy);
        let missing = |name| Error::fault(name, Rule::Required);
        Ok(Self {
            wrap: given.wrap.ok_or_else(|| missing("callbacks.wrap"))?,
            unwrap: given.unwrap.ok_or_else(|| missing("callbacks.unwrap"))?,
            user_data,
        })
    }
}

impl KeyProvider for HostKeys {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (mut blob, mut length) = (vec![0; BLOB], BLOB);
        let (data, from, to) = (self.user_data.as_ptr(), context.as_ptr(), blob.as_mut_ptr());
        // SAFETY: the host's function, with what the header promises it.
        let status = unsafe { (self.wrap)(data, key.as_ptr(), from, context.len(), to, &mut length) };
        if status != MEDORDER_OK || !(1..=BLOB).contains(&length) {
            return Err(KeyError::Unavailable);
        }
        blob.truncate(length);
        Ok(blob)
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        let (data, to) = (self.user_data.as_ptr(), key.as_mut_ptr());
        let (blob, context) = ((blob.as_ptr(), blob.len()), (context.as_ptr(), context.len()));
        // SAFETY: the host's function, with what the header promises it.
        match unsafe { (self.unwrap)(data, blob.0, blob.1, context.0, context.1, to) } {
            MEDORDER_OK => Ok(key),
            MEDORDER_KEY_MISMATCH => Err(KeyError::Refused),
            _ => Err(KeyError::Unavailable),
        }
    }
}

/// The host's directory.
pub(crate) struct HostDirectory {
    territory: unsafe extern "C" fn(*mut c_void, *const c_char, *mut i32) -> i32,
    relationship: RelationshipFunction,
    user_data: UserData,
}

type RelationshipFunction =
    unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, *mut i32) -> i32;

impl HostDirectory {
    /// None if the host has none.
    pub(crate) fn new(given: &medorder_directory) -> Result<Option<Self>> {
        let user_data = UserData::new(given.user_data, given.destroy);
        match (given.territory_exists, given.relationship_exists) {
            (None, None) => Ok(None),
            (Some(territory), Some(relationship)) => Ok(Some(Self { territory, relationship, user_data })),
            (None, _) => Err(Error::fault("options.directory.territory_exists", Rule::Required)),
            (_, None) => Err(Error::fault("options.directory.relationship_exists", Rule::Required)),
        }
    }
}

impl CareDirectory for HostDirectory {
    fn territory_exists(&self, territory: &TerritoryId) -> Result<bool> {
        let (territory, mut exists) = (terminated(territory.as_str()), 0);
        // SAFETY: the host's function, with what the header promises it.
        let status = unsafe { (self.territory)(self.user_data.as_ptr(), territory.as_ptr(), &mut exists) };
        answered(status).map(|()| exists != 0)
    }

    fn relationship_exists(
        &self,
        patient: &PatientId,
        provider: &ProviderId,
        territory: &TerritoryId,
    ) -> Result<bool> {
        let (patient, provider) = (terminated(patient.as_str()), terminated(provider.as_str()));
        let (territory, mut exists) = (terminated(territory.as_str()), 0);
        let (data, patient, provider) = (self.user_data.as_ptr(), patient.as_ptr(), provider.as_ptr());
        // SAFETY: the host's function, with what the header promises it.
        let status = unsafe { (self.relationship)(data, patient, provider, territory.as_ptr(), &mut exists) };
        answered(status).map(|()| exists != 0)
    }
}

/// The host's place for checkpoints.
pub(crate) struct HostAnchor {
    keep: unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> i32,
    newest: unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_char, *mut usize) -> i32,
    user_data: UserData,
}

impl HostAnchor {
    /// None if the host has none.
    pub(crate) fn new(given: &medorder_anchor) -> Result<Option<Self>> {
        let user_data = UserData::new(given.user_data, given.destroy);
        match (given.keep, given.newest) {
            (None, None) => Ok(None),
            (Some(keep), Some(newest)) => Ok(Some(Self { keep, newest, user_data })),
            (None, _) => Err(Error::fault("options.anchor.keep", Rule::Required)),
            (_, None) => Err(Error::fault("options.anchor.newest", Rule::Required)),
        }
    }
}

impl AnchorSink for HostAnchor {
    fn keep(&self, note: &str) -> Result<()> {
        let text = terminated(note);
        // SAFETY: the host's function, with what the header promises it.
        answered(unsafe { (self.keep)(self.user_data.as_ptr(), text.as_ptr(), note.len()) })
    }

    fn newest(&self, chain: &str) -> Result<Option<String>> {
        let (chain, mut note, mut length) = (terminated(chain), vec![0_u8; NOTE], NOTE);
        let (data, to) = (self.user_data.as_ptr(), note.as_mut_ptr().cast());
        // SAFETY: the host's function, with what the header promises it.
        answered(unsafe { (self.newest)(data, chain.as_ptr(), to, &mut length) })?;
        if length > NOTE {
            return Err(unanswered());
        }
        note.truncate(length);
        if note.is_empty() { Ok(None) } else { String::from_utf8(note).map(Some).map_err(|_| unanswered()) }
    }
}

/// The engine's ids hold no NUL, so a text of C says all of them.
fn terminated(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).unwrap_or_default()
}

fn answered(status: i32) -> Result<()> {
    if status == MEDORDER_OK { Ok(()) } else { Err(unanswered()) }
}

fn unanswered() -> Error {
    Error::new(ErrorCode::StorageUnavailable, "a function of the host did not answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Two {
        struct_size: u32,
        first: u32,
        second: u64,
    }

    // SAFETY: the size is first, and numbers may be zero.
    unsafe impl Versioned for Two {
        const FIRST: usize = 8;
    }

    #[test]
    fn a_struct_of_another_version_is_read_as_far_as_both_know_it() {
        #[repr(C)]
        struct Newer(Two, u64);
        let two = |size| Two { struct_size: size, first: 1, second: 2 };
        // SAFETY: the sizes are true, or refused before anything else is read.
        unsafe {
            assert_eq!(versioned("t", &two(16)).map(|read| read.second).unwrap(), 2);
            assert_eq!(versioned("t", &two(8)).map(|read| (read.first, read.second)).unwrap(), (1, 0));
            let newer = Newer(two(24), 0);
            assert!(versioned("t", (&raw const newer).cast::<Two>()).is_ok());
            let newer = Newer(two(24), 1 << 40);
            assert!(versioned("t", (&raw const newer).cast::<Two>()).is_err(), "a setting that is not known");
            for size in [0, 7, 4097, u32::MAX] {
                let error = versioned("t", &two(size)).map(|_| ()).unwrap_err();
                assert_eq!(error.faults()[0].path, "t.struct_size", "{size}");
            }
            assert!(versioned::<Two>("t", std::ptr::null()).is_err());
        }
    }
}
