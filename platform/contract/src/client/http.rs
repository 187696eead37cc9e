//! One HTTP exchange of a typed client: bounded in time, with token and request id, errors told apart.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ErrorBody;
use crate::request_id;

/// How long a connection may take to open.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long a whole exchange may take; a streamed reply is bounded by `SILENCE_MAX` instead.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);
/// How long a service may keep silent within an exchange.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service can't be reached, or stopped answering.
    #[error("{service} is unreachable at {url}")]
    Unreachable {
        /// The service.
        service: &'static str,
        /// What was called.
        url: String,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// The service refused the call.
    #[error("{service} answered {status} {}: {}", body.code, body.message)]
    Refused {
        /// The service.
        service: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the service said.
        body: ErrorBody,
    },
    /// The service's answer doesn't follow the contract.
    #[error("{service} gave an answer that can't be read: {detail}")]
    Unreadable {
        /// The service.
        service: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl ClientError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { body, .. } => Some(&body.code),
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }
}

/// A service at a base URL.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    service: &'static str,
    base: String,
    client: reqwest::Client,
}

/// One call: where, for whom, with what.
pub(crate) struct Call<'a, B: Serialize> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) token: Option<&'a str>,
    pub(crate) body: Option<&'a B>,
}

/// A call without a body.
pub(crate) fn bare(method: Method, path: impl Into<String>, token: Option<&str>) -> Call<'_, ()> {
    Call { method, path: path.into(), token, body: None }
}

/// A `POST` with a JSON body.
pub(crate) fn post<'a, B: Serialize>(path: impl Into<String>, token: Option<&'a str>, body: &'a B) -> Call<'a, B> {
    Call { method: Method::POST, path: path.into(), token, body: Some(body) }
}

impl Http {
    pub(crate) fn new(service: &'static str, base: &str) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENCE_MAX)
            .build()
            .expect("a client without TLS and without a proxy of its own has nothing that can fail to load");
        Self { service, base: base.trim_end_matches('/').to_owned(), client }
    }

    /// The same service under a path of the base URL, with the same connections.
    pub(crate) fn under(&self, service: &'static str, path: &str) -> Self {
        Self { service, base: format!("{}{path}", self.base), client: self.client.clone() }
    }

    /// Calls and reads the JSON answer.
    pub(crate) async fn json<T: DeserializeOwned, B: Serialize>(&self, call: Call<'_, B>) -> Result<T, ClientError> {
        self.json_with(call, |request| request).await
    }

    /// Like `json`, with something added to the request, such as a query.
    pub(crate) async fn json_with<T: DeserializeOwned, B: Serialize>(
        &self,
        call: Call<'_, B>,
        add: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let response = self.send(add(self.request(&call).timeout(EXCHANGE_MAX)), &call).await?;
        let bytes = response.bytes().await.map_err(|source| self.unreachable(&call.path, source))?;
        serde_json::from_slice(&bytes).map_err(|error| self.unreadable(error.to_string()))
    }

    /// Calls where the answer has no content.
    pub(crate) async fn empty<B: Serialize>(&self, call: Call<'_, B>) -> Result<(), ClientError> {
        self.send(self.request(&call).timeout(EXCHANGE_MAX), &call).await.map(drop)
    }

    /// Calls where the answer's body is a stream, which may last longer than an exchange.
    pub(crate) async fn stream<B: Serialize>(&self, call: Call<'_, B>) -> Result<Response, ClientError> {
        self.send(self.request(&call), &call).await
    }

    pub(crate) fn unreachable(&self, path: &str, source: reqwest::Error) -> ClientError {
        // The address is in the message already; the source need not repeat it.
        ClientError::Unreachable {
            service: self.service,
            url: format!("{}{path}", self.base),
            source: source.without_url(),
        }
    }

    pub(crate) fn unreadable(&self, detail: String) -> ClientError {
        ClientError::Unreadable { service: self.service, detail }
    }

    fn request<B: Serialize>(&self, call: &Call<'_, B>) -> RequestBuilder {
        let mut request = self.client.request(call.method.clone(), format!("{}{}", self.base, call.path));
        if let Some(token) = call.token {
            request = request.bearer_auth(token);
        }
        if let Some(id) = request_id::current() {
            request = request.header(request_id::HEADER, id);
        }
        match call.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    async fn send<B: Serialize>(&self, request: RequestBuilder, call: &Call<'_, B>) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| self.unreachable(&call.path, source))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    async fn refused(&self, response: Response) -> ClientError {
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        // Something between the services may answer in another shape; its text is worth more than its absence.
        let body = serde_json::from_str(&text).unwrap_or_else(|_| ErrorBody::new("unknown", text));
        ClientError::Refused { service: self.service, status: status.as_u16(), body }
    }
}
