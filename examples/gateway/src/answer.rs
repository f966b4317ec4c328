//! What goes back: the envelope of the engine's wire around an answer or an error.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use medorder::{Error, ErrorCode, Rule, wire};
use zeroize::Zeroizing;

/// What a handler comes to.
pub(crate) type Handled = Result<Answer, Problem>;

/// A success.
pub(crate) struct Answer {
    status: StatusCode,
    data: Zeroizing<Vec<u8>>,
    headers: Vec<(HeaderName, String)>,
}

impl Answer {
    /// `{status: "success", data}` around JSON that the wire wrote.
    pub(crate) fn data(json: &[u8]) -> Self {
        Self { status: StatusCode::OK, data: wire::success_json(json), headers: Vec::new() }
    }

    /// The same with another status.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The version of the order in the answer, to be given back in `If-Match`.
    pub(crate) fn version(self, version: u64) -> Self {
        self.header(header::ETAG, format!("\"{version}\""))
    }

    pub(crate) fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = json(self.status, self.data);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A failure: one error of the engine's table, with the HTTP status that the table or HTTP itself gives it.
#[derive(Debug)]
pub(crate) struct Problem {
    error: Error,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The code of a failure, left with the response for the log.
#[derive(Clone, Copy)]
pub(crate) struct Failed(pub(crate) ErrorCode);

impl Problem {
    /// A request that HTTP has a status of its own for: `path` and `rule` say what is wrong with it.
    pub(crate) fn http(status: StatusCode, path: &str, rule: Rule) -> Self {
        Self { error: Error::fault(path, rule), status, headers: Vec::new() }
    }

    /// Nobody knows who is calling.
    pub(crate) fn unauthenticated(message: &'static str) -> Self {
        Error::new(ErrorCode::Unauthenticated, message).into()
    }

    /// Too many requests; nothing happened, so the code is one of those that may be tried again.
    pub(crate) fn too_many(wait: std::time::Duration) -> Self {
        let error = Error::new(ErrorCode::StorageUnavailable, "too many requests; nothing happened");
        let seconds = wait.as_secs().saturating_add(1);
        Self {
            error,
            status: StatusCode::TOO_MANY_REQUESTS,
            headers: vec![(header::RETRY_AFTER, HeaderValue::from(seconds))],
        }
    }

    /// The same with another status.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = error.code();
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = Vec::new();
        if code == ErrorCode::Unauthenticated {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if error.retryable() {
            headers.push((header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        Self { error, status, headers }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json(self.status, wire::error_json(&self.error));
        response.headers_mut().extend(self.headers);
        response.extensions_mut().insert(Failed(self.error.code()));
        response
    }
}

/// The two results, or the faults of both.
pub(crate) fn both<A, B>(
    first: medorder::Result<A>,
    second: medorder::Result<B>,
) -> medorder::Result<(A, B)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(first), Err(second)) if !first.faults().is_empty() && !second.faults().is_empty() => {
            Err(Error::validation([first.faults(), second.faults()].concat()))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn json(status: StatusCode, body: Zeroizing<Vec<u8>>) -> Response {
    // The bytes are wiped when the connection has sent them.
    let mut response = (status, Body::from(Bytes::from_owner(Wiped(body)))).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_two_parts_stand_in_one_error() {
        let fault = |path| Err::<(), _>(Error::fault(path, Rule::Required));
        let error = both(fault("Territory-Id"), fault("status")).unwrap_err();
        let paths: Vec<_> = error.faults().iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["Territory-Id", "status"]);
        let other = Err::<(), _>(Error::new(ErrorCode::InvalidCursor, "no"));
        assert_eq!(both(other, fault("status")).unwrap_err().code(), ErrorCode::InvalidCursor);
    }

    #[test]
    fn a_failure_keeps_the_status_of_the_table() {
        for code in ErrorCode::ALL {
            let problem = Problem::from(Error::new(*code, "no"));
            assert_eq!(problem.into_response().status().as_u16(), code.http_status());
        }
    }
}
