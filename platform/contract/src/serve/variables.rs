//! Configuration from the environment: reads every variable, and reports all mistakes at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::token::Verifier;

/// Where a service listens when nothing else is said.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Environment variables, and what was wrong with those read so far. An empty variable counts as absent.
///
/// A reader gives `None` after noting a mistake; `finish` turns the mistakes into the result.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    values: BTreeMap<String, String>,
    mistakes: Vec<String>,
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, mistakes: Vec::new() }
    }
}

impl Variables {
    /// Takes the variables of the process; those that are not Unicode count as absent.
    pub fn from_env() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Reads a variable that may be absent.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.values.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Reads a variable that must be there.
    pub fn required(&mut self, name: &str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.mistakes.push(format!("{name} is not set"));
        }
        value
    }

    /// Reads and parses a variable, with a default for an absent one.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T) -> Option<T>
    where
        T::Err: Display,
    {
        match self.optional(name) {
            None => Some(default),
            Some(text) => {
                let parsed = text.parse();
                self.noted(name, parsed.map_err(|error| format!("has the value {text:?}: {error}")))
            }
        }
    }

    /// Reads a switch: `1` is on; `0` and absence are off.
    pub fn switch(&mut self, name: &str) -> Option<bool> {
        match self.optional(name).as_deref() {
            Some("1") => Some(true),
            None | Some("0") => Some(false),
            Some(other) => self.noted(name, Err(format!("has the value {other:?}: expected 0 or 1"))),
        }
    }

    /// Reads the address to listen on, `LISTEN`.
    pub fn listen(&mut self) -> Option<SocketAddr> {
        self.parsed("LISTEN", LISTEN_DEFAULT)
    }

    /// Reads the base URL of another service; without TLS, which the platform's services don't speak among each other.
    pub fn service_url(&mut self, name: &str) -> Option<String> {
        let url = self.required(name)?;
        let expected = "expected http://host:port";
        let known = url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty());
        self.noted(name, if known { Ok(url) } else { Err(format!("has the value {url:?}: {expected}")) })
    }

    /// Reads the shared secret, `TOKEN_SECRET`, with the verifier made of it.
    pub fn token_secret(&mut self) -> Option<(String, Verifier)> {
        let secret = self.required("TOKEN_SECRET")?;
        let verifier = Verifier::new(&secret).map_err(|error| error.to_string());
        self.noted("TOKEN_SECRET", verifier).map(|verifier| (secret, verifier))
    }

    /// Gives the configuration, or everything that was wrong.
    ///
    /// # Errors
    ///
    /// One sentence a mistake, each naming its variable.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, Vec<String>> {
        match config {
            Some(config) if self.mistakes.is_empty() => Ok(config),
            _ => Err(self.mistakes),
        }
    }

    fn noted<T>(&mut self, name: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|mistake| self.mistakes.push(format!("{name} {mistake}"))).ok()
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn mistakes(pairs: &[(&str, &str)], read: impl FnOnce(&mut Variables)) -> Vec<String> {
        let mut variables: Variables = pairs.iter().copied().collect();
        read(&mut variables);
        variables.finish(Some(())).err().unwrap_or_default()
    }

    #[test]
    fn every_mistake_is_reported_and_names_its_variable() {
        let pairs = [
            ("LISTEN", "nowhere"),
            ("CHAT_URL", "https://chat"),
            ("IDENTITY_URL", "http://"),
            ("TOKEN_SECRET", "short"),
            ("CAPTURE_MAIL", "yes"),
            ("COUNT", "-1"),
            ("EMPTY", ""),
        ];
        let found = mistakes(&pairs, |variables| {
            variables.listen();
            variables.service_url("CHAT_URL");
            variables.service_url("IDENTITY_URL");
            variables.service_url("ACCOUNTING_URL");
            variables.token_secret();
            variables.switch("CAPTURE_MAIL");
            variables.parsed::<u32>("COUNT", 1);
            variables.required("EMPTY");
        });
        assert_eq!(
            found,
            [
                "LISTEN has the value \"nowhere\": invalid socket address syntax",
                "CHAT_URL has the value \"https://chat\": expected http://host:port",
                "IDENTITY_URL has the value \"http://\": expected http://host:port",
                "ACCOUNTING_URL is not set",
                "TOKEN_SECRET must be at least 32 bytes long, has 5",
                "CAPTURE_MAIL has the value \"yes\": expected 0 or 1",
                "COUNT has the value \"-1\": invalid digit found in string",
                "EMPTY is not set",
            ]
        );
    }

    #[test]
    fn good_values_are_read_and_absent_ones_take_their_default() {
        let secret = "0123456789abcdef0123456789abcdef";
        let mut variables: Variables =
            [("TOKEN_SECRET", secret), ("CHAT_URL", "http://chat:1"), ("ON", "1")].into_iter().collect();
        assert_eq!(variables.listen().map(|address| address.to_string()).as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(variables.token_secret().map(|(secret, _)| secret).as_deref(), Some(secret));
        assert_eq!(variables.service_url("CHAT_URL").as_deref(), Some("http://chat:1"));
        assert_eq!((variables.switch("ON"), variables.switch("OFF")), (Some(true), Some(false)));
        assert_eq!(variables.parsed("COUNT", 7), Some(7));
        assert_eq!(variables.optional("ABSENT"), None);
        assert_eq!(variables.finish(Some("config")), Ok("config"));
    }

    #[test]
    fn the_environment_of_the_process_is_read() {
        assert!(Variables::from_env().optional("PATH").is_some());
    }
}
