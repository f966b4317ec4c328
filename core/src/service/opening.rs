//! From a stored row to one whose key, seal and MAC were checked. No other code looks at a row's status.

use zeroize::Zeroizing;

use super::keyring::Territory;
use super::{Core, integrity};
use crate::error::{Error, Result};
use crate::model::{FieldSet, Order, OrderStatus, OrderSummary, PhiField, Timestamp};
use crate::phi::key::{OrderKey, TerritoryKey, wrapped_version};
use crate::phi::record::{self, Opened, RowView};
use crate::storage::OrderRow;
use crate::wire::stored;

/// A row that is what this library wrote.
pub(super) struct Checked<'a> {
    pub(super) row: &'a OrderRow,
    pub(super) status: OrderStatus,
    pub(super) key: OrderKey,
    opened: Opened<'a>,
}

/// Plaintext of the PHI fields, by field id minus one.
pub(super) type Plaintext = [Option<Zeroizing<Vec<u8>>>; 5];

impl Core {
    /// Unwraps the order's key and checks commitment and row MAC; decrypts nothing.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` for every kind of damage, `KEY_UNAVAILABLE`.
    pub(super) async fn check<'a>(&self, territory: &Territory, row: &'a OrderRow) -> Result<Checked<'a>> {
        let version = wrapped_version(row.wrapped.as_ref().ok_or_else(integrity)?)?;
        let key = self.keyring.version(territory, version, &self.background).await?;
        check_under(territory, &key, row)
    }
}

/// The same once the key of the row's version is there.
///
/// # Errors
/// `INTEGRITY_VIOLATION` for every kind of damage.
pub(super) fn check_under<'a>(
    territory: &Territory,
    key: &TerritoryKey,
    row: &'a OrderRow,
) -> Result<Checked<'a>> {
    let (Some(wrapped), Some(seal)) = (&row.wrapped, &row.seal) else { return Err(integrity()) };
    let key = key.unwrap(row.order_id.as_bytes(), wrapped)?;
    let opened = record::open(&key, &view(territory, row), seal, &row.fields)?;
    let status = OrderStatus::parse(&row.status).map_err(|_| integrity())?;
    Ok(Checked { row, status, key, opened })
}

impl Checked<'_> {
    pub(super) fn row_mac(&self) -> [u8; 32] {
        self.opened.row_mac()
    }

    /// The seal of the same ciphertext for new plain columns.
    pub(super) fn restamp(&self, row: &RowView<'_>) -> Vec<u8> {
        self.opened.restamp(row).to_vec()
    }

    pub(super) fn decrypt(&self, field: PhiField) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.opened.decrypt(field.id())
    }

    /// Every field, to be sealed anew.
    pub(super) fn plaintext(&self) -> Result<Plaintext> {
        let mut all = Plaintext::default();
        for (slot, field) in all.iter_mut().zip(PhiField::ALL) {
            *slot = self.decrypt(*field)?;
        }
        Ok(all)
    }

    /// Until when the verification holds, if it says so.
    pub(super) fn valid_until(&self) -> Result<Option<Timestamp>> {
        let stored = self.decrypt(PhiField::InsuranceVerification)?;
        let verification = stored.map(|bytes| stored::decode_insurance_verification(&bytes)).transpose()?;
        Ok(verification.and_then(|verification| verification.expose().valid_until))
    }

    pub(super) fn summary(&self, territory: &Territory) -> Result<OrderSummary> {
        summary(territory, self.row)
    }

    /// The order as seen by somebody who may see `shown`; decrypts these fields and no other.
    pub(super) fn disclose(
        &self,
        territory: &Territory,
        shown: FieldSet,
        withheld: FieldSet,
    ) -> Result<Order> {
        let mut order = Order::plain(self.summary(territory)?);
        order.withheld = withheld;
        for field in shown.iter() {
            let bytes = self.decrypt(field)?;
            stored::disclose(&mut order, field, bytes.as_ref().map(|bytes| bytes.as_slice()))?;
        }
        Ok(order)
    }
}

/// The row's columns as the seal binds them.
pub(super) fn view<'a>(territory: &'a Territory, row: &'a OrderRow) -> RowView<'a> {
    RowView {
        territory: territory.id.as_str(),
        order_id: row.order_id.as_bytes(),
        version: row.version,
        patient_id: &row.patient_id,
        provider_id: &row.provider_id,
        status: &row.status,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

pub(super) fn summary(territory: &Territory, row: &OrderRow) -> Result<OrderSummary> {
    let foreign = |_: Error| integrity();
    Ok(OrderSummary {
        id: row.order_id,
        territory_id: territory.id.clone(),
        patient_id: row.patient_id.parse().map_err(foreign)?,
        provider_id: row.provider_id.parse().map_err(foreign)?,
        status: OrderStatus::parse(&row.status).map_err(|_| integrity())?,
        version: row.version,
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
    })
}
