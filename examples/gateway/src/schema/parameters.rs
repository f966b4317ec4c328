//! What a request says beside its body.

use utoipa::{IntoParams, ToSchema};

use super::{OrderStatus, PhiField};

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct InTerritory {
    /// The territory that the call is about.
    #[param(rename = "Territory-Id", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "emporia")]
    territory_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfOrder {
    /// The order, in lower case as every answer writes it.
    #[param(format = Uuid, pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[1-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    order_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Keyed {
    /// The caller's own number of this request: a second request with it does nothing a second time. The member
    /// `idempotency_key` of the body says the same, and may have any character that is no control character.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        max_length = 128,
        pattern = "^[!-~]([ -~]*[!-~])?$"
    )]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Matched {
    /// The version the caller has seen, as `ETag` gave it; `*` for any. The member `expected_version` of the body says
    /// the same.
    #[param(
        rename = "If-Match",
        nullable = false,
        pattern = "^(\\*|\"[1-9][0-9]{0,17}\")$",
        example = "\"1\""
    )]
    if_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Shown {
    /// Absent: every field that the roles may see; empty: none.
    #[param(style = Form, explode = false)]
    fields: Option<Vec<PhiField>>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersWanted {
    /// Absent or empty: every status.
    #[param(style = Form, explode = false)]
    status: Option<Vec<OrderStatus>>,
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    patient_id: Option<String>,
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    provider_id: Option<String>,
    /// At or after.
    #[param(format = DateTime)]
    created_from: Option<String>,
    /// Before.
    #[param(format = DateTime)]
    created_to: Option<String>,
    /// `next_cursor` of the page before, whose filter must be the same.
    #[param(pattern = "^[A-Za-z0-9_-]{87}$")]
    cursor: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Limited {
    /// The most items of the page; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// `next` of the page before.
    #[param(format = "uint64", maximum = 18446744073709551615_u64)]
    after: Option<u64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntriesWanted {
    #[param(format = Uuid, pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[1-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    order_id: Option<String>,
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    patient_id: Option<String>,
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    user_id: Option<String>,
    /// At or after.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before.
    #[param(format = DateTime)]
    to: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PairsWanted {
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    patient_id: Option<String>,
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    provider_id: Option<String>,
    /// `next.patient_id` of the page before; stands with `after.provider_id`.
    #[param(
        rename = "after.patient_id",
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    after_patient_id: Option<String>,
    /// `next.provider_id` of the page before; stands with `after.patient_id`.
    #[param(
        rename = "after.provider_id",
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    after_provider_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PatientWanted {
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    patient_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyWanted {
    #[param(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    idempotency_key: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersNamed {
    /// At most 100 orders.
    #[param(style = Form, explode = false, min_items = 1, max_items = 100, inline)]
    ids: Vec<OrderId>,
}

#[derive(ToSchema)]
#[schema(format = Uuid, pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[1-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
pub(crate) struct OrderId(String);
