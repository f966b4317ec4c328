//! The messages of live updates. They are in the document for the types that clients make of it; OpenAPI has no word
//! for the connection itself.

use serde::Serialize;
use utoipa::ToSchema;

use super::OrderStatus;

/// What a watcher hears first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Subscribed {
    #[schema(inline)]
    r#type: SubscribedWord,
    territory_id: String,
    /// The one order that is watched; null for all of the territory.
    #[schema(required, format = Uuid)]
    order_id: Option<String>,
    /// Events from here on follow.
    cursor: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SubscribedWord {
    Subscribed,
}

/// A change of an order, once it is durable. Holds no PHI.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderStatusEvent {
    #[schema(inline)]
    r#type: EventWord,
    #[schema(format = Uuid)]
    order_id: String,
    territory_id: String,
    /// Null when the order was created.
    #[schema(required)]
    old_status: Option<OrderStatus>,
    /// Of a deleted order its last.
    new_status: OrderStatus,
    #[schema(format = DateTime)]
    timestamp: String,
    #[schema(inline)]
    context: EventContext,
    #[schema(minimum = 1)]
    version: u64,
    /// Live updates with `since=` this go on after this event.
    cursor: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum EventWord {
    OrderStatusChanged,
    OrderDeleted,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EventContext {
    user_id: String,
    /// Operational text, not PHI.
    #[serde(default)]
    reason: String,
}
