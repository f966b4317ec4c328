//! Pages of orders, newest first, each order with its view entry in one commit.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::guard::{Session, busy};
use super::keyring::Territory;
use super::{ROUNDS, integrity};
use crate::audit::{Action, Cursor};
use crate::crypto::ct_eq;
use crate::error::{Error, ErrorCode, Result, Rule};
use crate::model::{FieldSet, OrderFilter, OrderId, OrderPage, Permission, limits};
use crate::storage::{Outcome, TerritoryRow};

/// Where a page starts, and where the feed stood at the first page.
#[derive(Clone, Copy)]
struct Place {
    before: Option<OrderId>,
    seq: u64,
    hash: [u8; 8],
}

const TOKEN: u8 = 1;
const TOKEN_LEN: usize = 1 + 16 + 8 + 8 + 32;

impl Session {
    /// A page of at most `limit` (1 to 500) orders that `filter` matches, newest first, disclosed as by
    /// [`order`](Session::order). `cursor` is the `next_cursor` of the page before, with the same filter.
    ///
    /// `feed_cursor` was read before the first page's rows: a subscription from there misses nothing.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `INVALID_CURSOR`, and as [`order`](Session::order).
    pub async fn orders(
        &self,
        filter: &OrderFilter,
        cursor: Option<&str>,
        limit: usize,
        fields: Option<FieldSet>,
    ) -> Result<OrderPage> {
        if !(1..=limits::PAGE_MAX).contains(&limit) {
            return Err(Error::fault("limit", Rule::Format));
        }
        let mut territory = self.enter(Permission::OrderView, Action::View, None).await?;
        let (shown, withheld) = self.disclosure(fields);
        for _ in 0..ROUNDS {
            let (generation, place) = match cursor {
                Some(token) => {
                    let generation = self.core.generation().await?;
                    (generation, decode(&territory, &generation, filter, token)?)
                }
                None => {
                    let TerritoryRow { generation, head, .. } = self.core.head_row(&territory.chain).await?;
                    let at = Cursor::at(generation, territory.id.as_str(), head.seq, &head.hash);
                    (generation, Place { before: None, seq: at.seq, hash: at.hash8 })
                }
            };
            let rows = self.core.storage.orders(&territory.id, filter, place.before, limit).await?;
            let mut checked = Vec::with_capacity(rows.len());
            for row in &rows {
                checked.push(self.core.check(&territory, row).await?);
            }
            let orders = checked.iter().map(|one| one.disclose(&territory, shown, withheld));
            let orders = orders.collect::<Result<Vec<_>>>()?;
            let next = rows.last().filter(|_| rows.len() == limit).map(|last| {
                encode(&territory, &generation, filter, Place { before: Some(last.order_id), ..place })
            });
            let feed = Cursor {
                generation,
                chain: territory.id.as_str().to_owned(),
                seq: place.seq,
                hash8: place.hash,
            };
            let page = OrderPage::new(orders, next, feed.encode());
            if rows.is_empty() {
                // Nothing is disclosed and nothing committed, so nothing else would notice a revocation.
                self.current(territory).await?;
                return Ok(page);
            }
            let views: Vec<_> = checked.iter().map(|one| (one, shown)).collect();
            let unit = self.view_unit(&territory, &views);
            match self.core.commit(self.inline, unit, &territory.audit).await? {
                Outcome::Done { .. } => return Ok(page),
                Outcome::Refused => return Err(integrity()),
                // One was deleted meanwhile: the page is read again.
                Outcome::Conflict { .. } => {}
                _ => territory = self.refresh().await?,
            }
        }
        Err(busy())
    }
}

/// An opaque token: version, position, feed position, and a MAC that binds it to database, territory and
/// filter.
fn encode(territory: &Territory, generation: &[u8; 16], filter: &OrderFilter, place: Place) -> String {
    let mut token = Vec::with_capacity(TOKEN_LEN);
    token.push(TOKEN);
    token.extend(place.before.map_or([0; 16], |id| *id.as_bytes()));
    token.extend(place.seq.to_be_bytes());
    token.extend(place.hash);
    let tag = tag(territory, generation, filter, &token);
    token.extend(tag);
    URL_SAFE_NO_PAD.encode(token)
}

fn decode(territory: &Territory, generation: &[u8; 16], filter: &OrderFilter, token: &str) -> Result<Place> {
    let invalid =
        || Error::new(ErrorCode::InvalidCursor, "the cursor is not of this database, territory and filter");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let (body, mac) = bytes.split_at_checked(TOKEN_LEN - 32).ok_or_else(invalid)?;
    if !ct_eq(mac, &tag(territory, generation, filter, body)) {
        return Err(invalid());
    }
    let part = |from: usize, to: usize| body.get(from..to).ok_or_else(invalid);
    let place = Place {
        before: Some(OrderId::from_bytes(part(1, 17)?.try_into().map_err(|_| invalid())?)),
        seq: u64::from_be_bytes(part(17, 25)?.try_into().map_err(|_| invalid())?),
        hash: part(25, 33)?.try_into().map_err(|_| invalid())?,
    };
    if body.first() == Some(&TOKEN) { Ok(place) } else { Err(invalid()) }
}

fn tag(territory: &Territory, generation: &[u8; 16], filter: &OrderFilter, body: &[u8]) -> [u8; 32] {
    let mut statuses: Vec<&str> = filter.status.iter().map(|status| status.name()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let status = statuses.join(",");
    let text = |present: Option<&str>| present.map_or_else(|| "-".to_owned(), |text| format!("={text}"));
    let time = |present: Option<crate::model::Timestamp>| {
        text(present.map(|t| t.as_micros().to_string()).as_deref())
    };
    territory.audit.page_tag(&[
        body,
        generation,
        status.as_bytes(),
        text(filter.patient_id.as_ref().map(AsRef::as_ref)).as_bytes(),
        text(filter.provider_id.as_ref().map(AsRef::as_ref)).as_bytes(),
        time(filter.created_from).as_bytes(),
        time(filter.created_to).as_bytes(),
    ])
}
