//! Why a token is refused.

use medorder::{Error, ErrorCode};

/// The classes of faults. They tell an integrator where to look, and quote neither the token nor a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Long,
    Form,
    Critical,
    Type,
    Algorithm,
    KeyNotNamed,
    KeyUnknown,
    Signature,
    Expired,
    Early,
    Audience,
    Issuer,
    Claims,
}

impl Refusal {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Long => "the token is too long",
            Self::Form => "the token is not a signed JWT of a known algorithm",
            Self::Critical => "the token's header demands an extension that is not understood",
            Self::Type => "the token is of a type that is not for access",
            Self::Algorithm => "the token's algorithm is not the one of its key",
            Self::KeyNotNamed => "the token does not name its key",
            Self::KeyUnknown => "the token's key is not known",
            Self::Signature => "the token's signature does not hold",
            Self::Expired => "the token is expired",
            Self::Early => "the token is not valid yet",
            Self::Audience => "the token is not for this audience",
            Self::Issuer => "the token is not of the expected issuer",
            Self::Claims => "the claims do not name user, roles, territories, purpose and expiry",
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorCode::Unauthenticated, refusal.message())
    }
}
