//! Who calls, where, and under which conditions: everything a request says beside its body.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use medorder::{Actor, Error, ErrorCode, OrderId, Result, Rule, Session, TerritoryId};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::answer::{Problem, both};
use crate::app::App;

const TERRITORY: HeaderName = HeaderName::from_static("territory-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The longest body of a request about one order: 64 KiB of notes, each character escaped, and the rest.
pub(crate) const ONE: usize = 1 << 20;
/// The room that a body gets before it has come.
const FIRST: usize = 64 << 10;
/// The longest body of a batch.
pub(crate) const MANY: usize = 32 << 20;

/// The id of a request, in each log line, audit entry and answer.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Where the connection comes from.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The authenticated caller of one request.
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    headers: HeaderMap,
}

impl Caller {
    /// The session in the territory that the header `Territory-Id` names.
    pub(crate) fn session(&self, app: &App) -> Result<Session> {
        Ok(app.service.session(self.actor.clone(), self.territory()?))
    }

    fn territory(&self) -> Result<TerritoryId> {
        let text = text(&self.headers, &TERRITORY, "Territory-Id")?;
        let text = text.ok_or_else(|| Error::fault("Territory-Id", Rule::Required))?;
        text.parse().map_err(|_| Error::fault("Territory-Id", Rule::Format))
    }

    /// The key and the version that the headers `Idempotency-Key` and `If-Match` say; what the body says otherwise is
    /// a fault.
    pub(crate) fn conditions(&self, body: &[u8]) -> Result<Conditions> {
        if !self.headers.contains_key(&IDEMPOTENCY_KEY) && !self.headers.contains_key(header::IF_MATCH) {
            return Ok(Conditions::default());
        }
        // The wire judges the body; here only what it says of these two is looked at.
        let body: Conditions = serde_json::from_slice(body).unwrap_or_default();
        let key = text(&self.headers, &IDEMPOTENCY_KEY, "Idempotency-Key")
            .and_then(|header| one_of(header.map(str::to_owned), body.idempotency_key, "Idempotency-Key"));
        let version =
            self.matched_version().and_then(|header| one_of(header, body.expected_version, "If-Match"));
        both(key, version)
            .map(|(idempotency_key, expected_version)| Conditions { idempotency_key, expected_version })
    }

    /// Refuses a key for a batch as a whole: an item has a key of its own, or a retry would store it twice.
    pub(crate) fn has_no_key(&self) -> Result<()> {
        if self.headers.contains_key(&IDEMPOTENCY_KEY) {
            return Err(Error::fault("Idempotency-Key", Rule::NotAllowed));
        }
        Ok(())
    }

    fn matched_version(&self) -> Result<Option<u64>> {
        let Some(tag) = text(&self.headers, &header::IF_MATCH, "If-Match")?.filter(|tag| *tag != "*") else {
            return Ok(None);
        };
        let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        // One way to write a version: a tag is compared byte by byte.
        let version =
            version.and_then(|text| text.parse().ok().filter(|number: &u64| number.to_string() == text));
        version.map(Some).ok_or_else(|| Error::fault("If-Match", Rule::Format))
    }
}

/// What a change must find, and the number it is remembered by.
#[derive(Default, Deserialize)]
pub(crate) struct Conditions {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) expected_version: Option<u64>,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> std::result::Result<Self, Problem> {
        let token = bearer(&parts.headers)
            .ok_or_else(|| Problem::unauthenticated("the request has no bearer token"))?;
        let actor = authenticate(app, parts, token).await?;
        Ok(Self { actor, headers: parts.headers.clone() })
    }
}

/// Who the bearer of `token` is, if they have not asked too much lately.
pub(crate) async fn authenticate(
    app: &App,
    parts: &Parts,
    token: &str,
) -> std::result::Result<Actor, Problem> {
    let address = address(app, parts);
    let actor = match app.identity.actor(token).await {
        Ok(actor) => actor,
        Err(error) => {
            // That the key set cannot be read is not the caller's fault.
            if error.code() == ErrorCode::Unauthenticated {
                app.limits.failed(address)?;
            }
            return Err(error.into());
        }
    };
    app.limits.called(actor.user_id().as_str())?;
    let id = parts.extensions.get::<RequestId>().map(|id| id.0.as_str()).unwrap_or_default();
    let source = address.map(|address| address.to_string()).unwrap_or_default();
    Ok(actor.request_id(id.parse()?).source(source.parse()?))
}

/// The one bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = once(headers, &header::AUTHORIZATION).ok()??.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The address of the client; behind a proxy that is trusted, the one the proxy saw.
fn address(app: &App, parts: &Parts) -> Option<IpAddr> {
    let forwarded = || {
        let header = parts.headers.get_all("x-forwarded-for").iter().next_back()?;
        header.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
    };
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    if app.trust_proxy { forwarded().or(peer) } else { peer }
}

/// The body of a request, at most `LIMIT` bytes of `application/json`, wiped when dropped.
pub(crate) struct Json<const LIMIT: usize>(Zeroizing<Vec<u8>>);

impl<const LIMIT: usize> std::ops::Deref for Json<LIMIT> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const LIMIT: usize> FromRequest<App> for Json<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> std::result::Result<Self, Problem> {
        let headers = request.headers();
        let media = single(headers, &header::CONTENT_TYPE)?.unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let rule = if media.is_empty() { Rule::Required } else { Rule::OneOf };
            return Err(unsupported(&header::CONTENT_TYPE, rule));
        }
        let coding = single(headers, &header::CONTENT_ENCODING)?.unwrap_or("identity");
        if !coding.eq_ignore_ascii_case("identity") {
            return Err(unsupported(&header::CONTENT_ENCODING, Rule::OneOf));
        }
        let read = tokio::time::timeout(BODY_TIME, read(request.into_body(), LIMIT)).await;
        read.unwrap_or_else(|_| Err(Problem::http(StatusCode::REQUEST_TIMEOUT, "", Rule::Required))).map(Self)
    }
}

fn unsupported(name: &HeaderName, rule: Rule) -> Problem {
    let shown = if name == header::CONTENT_ENCODING { "Content-Encoding" } else { "Content-Type" };
    Problem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, shown, rule)
}

/// What a header says of the body; one that stands twice means two things to two readers.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> std::result::Result<Option<&'h str>, Problem> {
    let value = once(headers, name).map_err(|rule| unsupported(name, rule))?;
    value.map(|value| value.to_str().map_err(|_| unsupported(name, Rule::Format))).transpose()
}

async fn read(body: Body, limit: usize) -> std::result::Result<Zeroizing<Vec<u8>>, Problem> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > limit {
        return Err(Problem::http(StatusCode::PAYLOAD_TOO_LARGE, "", Rule::TooLong));
    }
    let mut body = Limited::new(body, limit);
    // What is promised by Content-Length; never more than a client has to send to get it.
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected.min(FIRST)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Problem::http(StatusCode::PAYLOAD_TOO_LARGE, "", Rule::TooLong)
            } else {
                Problem::http(StatusCode::BAD_REQUEST, "", Rule::Format)
            }
        })?;
        if let Some(data) = frame.data_ref() {
            append(&mut bytes, data);
        }
    }
    Ok(bytes)
}

/// As `extend_from_slice`, but what is left behind when the bytes move to a larger place is wiped.
fn append(bytes: &mut Zeroizing<Vec<u8>>, data: &[u8]) {
    if bytes.capacity() - bytes.len() < data.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity((bytes.len() + data.len()) * 2));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(data);
}

/// The order that the path names, as text.
pub(crate) struct InPath(pub(crate) String);

impl InPath {
    pub(crate) fn id(&self) -> Result<OrderId> {
        self.0.parse()
    }
}

impl FromRequestParts<App> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> std::result::Result<Self, Problem> {
        // Only bytes that are no UTF-8 are refused.
        let path = Path::<String>::from_request_parts(parts, app).await;
        path.map(|path| Self(path.0)).map_err(|_| Error::fault("order_id", Rule::Utf8).into())
    }
}

/// The text of a header that may stand once.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName, shown: &str) -> Result<Option<&'h str>> {
    let value = once(headers, name).map_err(|rule| Error::fault(shown, rule))?;
    let text = |value: &'h HeaderValue| {
        std::str::from_utf8(value.as_bytes()).map_err(|_| Error::fault(shown, Rule::Utf8))
    };
    value.map(text).transpose()
}

/// The value of a header that may stand once.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> std::result::Result<Option<&'h HeaderValue>, Rule> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(Rule::Duplicate) } else { Ok(value) }
}

fn one_of<T: PartialEq>(header: Option<T>, body: Option<T>, shown: &str) -> Result<Option<T>> {
    match (header, body) {
        (Some(header), Some(body)) if header != body => Err(Error::fault(shown, Rule::NotAllowed)),
        (header, body) => Ok(header.or(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_stands_once_and_alone() {
        assert_eq!(bearer(&headers(&[("authorization", "bearer abc")])), Some("abc"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic abc")])), None);
        assert_eq!(bearer(&headers(&[("authorization", "Bearer")])), None);
        assert_eq!(bearer(&headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")])), None);
    }

    #[test]
    fn header_and_body_may_say_the_same() {
        assert_eq!(one_of(Some(1), Some(1), "x").unwrap(), Some(1));
        assert_eq!(one_of(None, Some(2), "x").unwrap(), Some(2));
        assert_eq!(one_of(Some(1), Some(2), "If-Match").unwrap_err().faults()[0].rule, Rule::NotAllowed);
    }

    #[test]
    fn a_header_that_stands_twice_is_a_fault() {
        let twice = headers(&[("territory-id", "a"), ("territory-id", "b")]);
        let error = text(&twice, &TERRITORY, "Territory-Id").unwrap_err();
        assert_eq!(error.faults()[0].to_string(), "Territory-Id duplicate");
    }
}
