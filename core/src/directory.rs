//! Who may order for whom: the question to the hospital's directory.

use crate::error::Result;
use crate::model::{PatientId, ProviderId, TerritoryId};

/// The hospital's own directory. Without one, the service asks the registry in its database, which
/// `admin.register_territory` and `admin.register_relationship` fill.
///
/// With a directory of the host, too, each territory must be registered once with `admin.register_territory`:
/// that makes its keys and its audit chain. Until then its orders are refused with `TERRITORY_NOT_FOUND`,
/// whatever the directory says. Relationships need no registration then.
///
/// There is no permissive default. A host that checks upstream says so in two lines:
///
/// ```
/// use medorder::{CareDirectory, PatientId, ProviderId, Result, TerritoryId};
///
/// struct CheckedUpstream;
///
/// impl CareDirectory for CheckedUpstream {
///     fn territory_exists(&self, _: &TerritoryId) -> Result<bool> { Ok(true) }
///     fn relationship_exists(&self, _: &PatientId, _: &ProviderId, _: &TerritoryId) -> Result<bool> { Ok(true) }
/// }
/// ```
///
/// Calls come on any thread, before the transaction and with no lock held, and have 5 seconds. A failure, a
/// panic or a longer wait is `STORAGE_UNAVAILABLE` for the caller, never a default answer. Calling the service
/// from inside is refused.
pub trait CareDirectory: Send + Sync + 'static {
    /// True if the territory is in use.
    ///
    /// # Errors
    /// Any error means that the directory can't tell.
    fn territory_exists(&self, territory: &TerritoryId) -> Result<bool>;

    /// True if this provider may order for this patient here.
    ///
    /// # Errors
    /// Any error means that the directory can't tell.
    fn relationship_exists(
        &self,
        patient: &PatientId,
        provider: &ProviderId,
        territory: &TerritoryId,
    ) -> Result<bool>;
}
