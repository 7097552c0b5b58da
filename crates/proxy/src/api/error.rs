//! The errors of the API: their words and their status, as clients have always known them.

use hyper::StatusCode;

use crate::json::Malformed;
use crate::listen::ListenError;
use crate::registry::RegistryError;
use crate::toxic::{NotAStream, ToxicError};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The body cannot be read.
    #[error("bad request body: {0}")]
    Body(#[from] Malformed),
    /// The body did not arrive.
    #[error("bad request body: {0}")]
    Transfer(String),
    /// The body is larger than any request is.
    #[error("request body too large")]
    TooLarge,
    /// A field that must be there is not, or is empty.
    #[error("missing required field: {field}{}", number.map(|n| format!(" at proxy {n}")).unwrap_or_default())]
    Missing {
        /// The field.
        field: &'static str,
        /// Which proxy of a list, from 1.
        number: Option<usize>,
    },
    /// Not a stream.
    #[error(transparent)]
    Stream(NotAStream),
    /// No such kind of toxic.
    #[error("invalid toxic type")]
    InvalidToxicType,
    /// No proxy of that name.
    #[error("proxy not found")]
    ProxyNotFound,
    /// No toxic of that name.
    #[error("toxic not found")]
    ToxicNotFound,
    /// The proxy's name is taken.
    #[error("proxy already exists")]
    ProxyExists,
    /// The toxic's name is taken.
    #[error("toxic already exists")]
    ToxicExists,
    /// The listen address is wrong or taken.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No certificate can be made.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The token is missing or wrong.
    #[error("missing or wrong bearer token")]
    Unauthorized,
}

impl ApiError {
    /// What is wrong, for those who wrote a file and sent no request.
    pub(crate) fn of_a_file(&self) -> String {
        match self {
            Self::Body(malformed) => malformed.to_string(),
            other => other.to_string(),
        }
    }

    /// The status of the reply.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Body(_)
            | Self::Transfer(_)
            | Self::Missing { .. }
            | Self::Stream(_)
            | Self::InvalidToxicType => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ProxyNotFound | Self::ToxicNotFound => StatusCode::NOT_FOUND,
            Self::ProxyExists | Self::ToxicExists => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Listen(_) | Self::Tls(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Exists => Self::ProxyExists,
            RegistryError::NotFound => Self::ProxyNotFound,
            RegistryError::Listen(error) => Self::Listen(error),
        }
    }
}

impl From<ToxicError> for ApiError {
    fn from(error: ToxicError) -> Self {
        match error {
            ToxicError::Exists => Self::ToxicExists,
            ToxicError::NotFound => Self::ToxicNotFound,
        }
    }
}
