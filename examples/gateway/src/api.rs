//! The routes of the API and the document that describes them.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::{audit, describe, orders, schema};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "medorder",
        description = "Medical orders: created, verified, tracked, finished; PHI shown by role, every access audited.\n\n\
            Every answer is `{status: \"success\", data}` or `{status: \"error\", error: {code, message, details}}`. \
            Live updates are WebSocket connections to `/orders?territory=` and `/orders/{order_id}?territory=`.",
    ),
    modifiers(&Bearer),
    components(schemas(schema::Subscribed, schema::OrderStatusEvent)),
    tags(
        (name = "orders", description = "Orders and their life"),
        (name = "audit", description = "Who did and saw what"),
        (name = "registry", description = "Which patients and providers belong together"),
        (name = "session", description = "Who the caller is"),
    )
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi()).merge(orders::routes()).merge(audit::routes())
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn document() -> String {
    text(routes().into_openapi())
}

pub(crate) fn text(document: utoipa::openapi::OpenApi) -> String {
    describe::completed(document).to_pretty_json().unwrap_or_default()
}
