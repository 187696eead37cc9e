//! The gateway's configuration, from the environment.

use std::net::SocketAddr;

use contract::Verifier;
use contract::serve::Variables;

/// Everything that the gateway is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen: `LISTEN`.
    pub listen: SocketAddr,
    /// The verifier made of the shared secret: `TOKEN_SECRET`.
    pub verifier: Verifier,
    /// The identity service: `IDENTITY_URL`.
    pub identity_url: String,
    /// The accounting service: `ACCOUNTING_URL`.
    pub accounting_url: String,
    /// The chat service: `CHAT_URL`.
    pub chat_url: String,
}

impl Config {
    /// Reads the environment of the process.
    ///
    /// # Errors
    ///
    /// All mistakes, one sentence each.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::from_variables(Variables::from_env())
    }

    /// Reads the given variables.
    ///
    /// # Errors
    ///
    /// All mistakes, one sentence each.
    pub fn from_variables(mut variables: Variables) -> Result<Self, Vec<String>> {
        let listen = variables.listen();
        let secret = variables.token_secret();
        let identity_url = variables.service_url("IDENTITY_URL");
        let accounting_url = variables.service_url("ACCOUNTING_URL");
        let chat_url = variables.service_url("CHAT_URL");
        let config = || {
            Some(Self {
                listen: listen?,
                verifier: secret?.1,
                identity_url: identity_url?,
                accounting_url: accounting_url?,
                chat_url: chat_url?,
            })
        };
        variables.finish(config())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_whole_configuration_is_read() {
        let variables = [
            ("LISTEN", "127.0.0.1:0"),
            ("TOKEN_SECRET", "0123456789abcdef0123456789abcdef"),
            ("IDENTITY_URL", "http://identity:1"),
            ("ACCOUNTING_URL", "http://accounting:2"),
            ("CHAT_URL", "http://chat:3"),
        ];
        let config = Config::from_variables(variables.into_iter().collect()).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:0");
        let urls = [config.identity_url, config.accounting_url, config.chat_url];
        assert_eq!(urls, ["http://identity:1", "http://accounting:2", "http://chat:3"]);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let variables = [("LISTEN", ":80"), ("CHAT_URL", "chat:3"), ("IDENTITY_URL", "")];
        assert_eq!(
            Config::from_variables(variables.into_iter().collect()).unwrap_err(),
            [
                "LISTEN has the value \":80\": invalid socket address syntax",
                "TOKEN_SECRET is not set",
                "IDENTITY_URL is not set",
                "ACCOUNTING_URL is not set",
                "CHAT_URL has the value \"chat:3\": expected http://host:port",
            ]
        );
    }
}
