//! What the OpenAPI document says of many calls alike: headers of answers, and where an id in an answer leads.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{ArrayItems, ObjectBuilder, Schema, Type};
use utoipa::openapi::{OpenApi, RefOr};

/// Calls whose answer has the id of an order, and where.
const HAVE_ID: &[(&str, &str, &str)] = &[
    ("create_order", "201", "/data/id"),
    ("order", "200", "/data/id"),
    ("order_by_key", "200", "/data/id"),
    ("update_status", "200", "/data/id"),
];

/// Calls that take the id of an order.
const TAKE_ID: &[&str] = &["order", "update_status", "delete_order", "allowed_transitions", "audit"];

/// The document with its headers and links.
pub(crate) fn completed(mut document: OpenApi) -> OpenApi {
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| [&mut item.get, &mut item.put, &mut item.post, &mut item.delete]);
    for operation in operations.flatten() {
        complete(operation);
    }
    document
}

fn complete(operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    for parameter in operation.parameters.iter_mut().flatten() {
        // A word of a list stands once.
        if let RefOr::T(Parameter { schema: Some(RefOr::T(Schema::Array(list))), .. }) = parameter {
            list.unique_items |=
                matches!(list.items, ArrayItems::RefOrSchema(ref items) if matches!(**items, RefOr::Ref(_)));
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        add_headers(status, response);
        let place = HAVE_ID.iter().find(|(call, answer, _)| *call == id && answer == status);
        let Some((_, _, place)) = place else { continue };
        for call in TAKE_ID.iter().filter(|call| **call != id) {
            response.links.insert((*call).to_owned(), RefOr::T(link(call, place)));
        }
    }
}

fn add_headers(status: &str, response: &mut Response) {
    let mut add = |name: &str, header: Header| {
        response.headers.insert(name.to_owned(), RefOr::T(header));
    };
    add(
        "X-Request-Id",
        text("The id of the request in the log and in the audit; the caller's own if it sent one."),
    );
    match status {
        "401" => add("WWW-Authenticate", text("`Bearer`")),
        "429" => add("Retry-After", seconds("How many seconds to wait.")),
        "503" => add("Retry-After", seconds("How many seconds to wait; absent with `OUTCOME_UNKNOWN`.")),
        _ => {}
    }
}

fn text(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(description))
        .build()
}

fn seconds(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))))
        .description(Some(description))
        .build()
}

fn link(call: &str, place: &str) -> Link {
    LinkBuilder::new()
        .operation_id(call)
        .parameter("order_id", format!("$response.body#{place}"))
        .parameter("Territory-Id", "$request.header.Territory-Id")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_starts_and_ends_at_a_call() {
        let document = completed(crate::api::routes().into_openapi());
        let items = document.paths.paths.values();
        let operations = items.flat_map(|item| [&item.get, &item.put, &item.post, &item.delete]);
        let operations: Vec<_> = operations.flatten().collect();
        let named = |call: &str| {
            operations.iter().find(|operation| operation.operation_id.as_deref() == Some(call)).unwrap()
        };
        for (call, status, _) in HAVE_ID {
            let Some(RefOr::T(response)) = named(call).responses.responses.get(*status) else {
                panic!("{call} answers {status}");
            };
            assert!(!response.links.is_empty(), "{call}");
        }
        for call in TAKE_ID {
            let takes =
                |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(one) if one.name == "order_id");
            assert!(named(call).parameters.iter().flatten().any(takes), "{call}");
        }
    }
}
