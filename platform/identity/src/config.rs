//! The service's configuration, from the environment.

use std::net::SocketAddr;

use contract::Role;
use contract::Verifier;
use contract::serve::Variables;

/// The memory cost of a password hash, in KiB: the recommendation of OWASP for Argon2id.
const ARGON2_MEMORY_KIB: u32 = 19_456;
/// How long a token is valid, in seconds.
const TOKEN_SECONDS: u64 = 3_600;
/// How many wrong passwords a minute an address is allowed.
const LOGIN_FAILURES_MAX: u32 = 10;

/// A user who exists, verified, from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The e-mail address.
    pub email: String,
    /// The password in the clear.
    pub password: String,
    /// The role beside that of a user.
    pub role: Role,
}

/// Everything that the service is told at its start.
#[derive(Clone)]
pub struct Config {
    /// Where to listen: `LISTEN`.
    pub listen: SocketAddr,
    /// The service's own database: `DATABASE_URL`.
    pub database_url: String,
    /// Redis: `REDIS_URL`.
    pub redis_url: String,
    /// What every key in Redis begins with: `REDIS_PREFIX`, `identity:` by default.
    pub redis_prefix: String,
    /// The shared secret, to sign with: `TOKEN_SECRET`.
    pub token_secret: String,
    /// The verifier made of the secret.
    pub verifier: Verifier,
    /// How long a token is valid, in seconds: `TOKEN_SECONDS`, 3600 by default.
    pub token_seconds: u64,
    /// The memory cost of a password hash, in KiB: `ARGON2_MEMORY_KIB`, 19456 by default.
    pub argon2_memory_kib: u32,
    /// How many wrong passwords a minute an address is allowed: `LOGIN_FAILURES_MAX`, 10 by default.
    pub login_failures_max: u32,
    /// Whether mail is captured instead of sent: `CAPTURE_MAIL=1`.
    pub capture_mail: bool,
    /// Users to begin with: `ADMIN_EMAIL`, `ADMIN_PASSWORD`, `SUPERVISOR_EMAIL`, `SUPERVISOR_PASSWORD`.
    pub seeds: Vec<Seed>,
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
        let read = &mut variables;
        let listen = read.listen();
        let database_url = read.required("DATABASE_URL");
        let redis_url = read.required("REDIS_URL");
        let redis_prefix = read.optional("REDIS_PREFIX").unwrap_or_else(|| "identity:".to_owned());
        let secret = read.token_secret();
        let token_seconds = read.parsed("TOKEN_SECONDS", TOKEN_SECONDS);
        let argon2_memory_kib = read.parsed("ARGON2_MEMORY_KIB", ARGON2_MEMORY_KIB);
        let login_failures_max = read.parsed("LOGIN_FAILURES_MAX", LOGIN_FAILURES_MAX);
        let capture_mail = read.switch("CAPTURE_MAIL");
        let seeds = [seed(read, "ADMIN", Role::Admin), seed(read, "SUPERVISOR", Role::Supervisor)];
        let config = || {
            let (token_secret, verifier) = secret?;
            Some(Self {
                listen: listen?,
                database_url: database_url?,
                redis_url: redis_url?,
                redis_prefix,
                token_secret,
                verifier,
                token_seconds: token_seconds?,
                argon2_memory_kib: argon2_memory_kib?,
                login_failures_max: login_failures_max?,
                capture_mail: capture_mail?,
                seeds: seeds.into_iter().flatten().collect(),
            })
        };
        variables.finish(config())
    }
}

/// Reads a seed user; both variables or none.
fn seed(variables: &mut Variables, who: &str, role: Role) -> Option<Seed> {
    let (email, password) = (format!("{who}_EMAIL"), format!("{who}_PASSWORD"));
    if variables.optional(&email).is_none() && variables.optional(&password).is_none() {
        return None;
    }
    let (email, password) = (variables.required(&email), variables.required(&password));
    Some(Seed { email: email?, password: password?, role })
}

#[cfg(test)]
mod unit {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const LEAST: [(&str, &str); 3] =
        [("DATABASE_URL", "postgres://db/identity"), ("REDIS_URL", "redis://redis"), ("TOKEN_SECRET", SECRET)];

    fn config(more: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        Config::from_variables(LEAST.iter().chain(more).copied().collect())
    }

    #[test]
    fn the_least_configuration_takes_the_defaults() {
        let config = config(&[]).ok().unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!((config.token_seconds, config.argon2_memory_kib, config.login_failures_max), (3_600, 19_456, 10));
        assert_eq!(config.redis_prefix, "identity:");
        assert!(!config.capture_mail && config.seeds.is_empty());
    }

    #[test]
    fn seeds_are_read_with_their_roles() {
        let config =
            config(&[("ADMIN_EMAIL", "a@x.test"), ("ADMIN_PASSWORD", "p"), ("CAPTURE_MAIL", "1")]).ok().unwrap();
        let admin = Seed { email: "a@x.test".to_owned(), password: "p".to_owned(), role: Role::Admin };
        assert_eq!(config.seeds, [admin]);
        assert!(config.capture_mail);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let variables = [
            ("LISTEN", "8080"),
            ("TOKEN_SECRET", "short"),
            ("TOKEN_SECONDS", "soon"),
            ("CAPTURE_MAIL", "maybe"),
            ("ADMIN_EMAIL", "a@x.test"),
            ("SUPERVISOR_PASSWORD", "p"),
        ];
        assert_eq!(
            Config::from_variables(variables.into_iter().collect()).err().unwrap(),
            [
                "LISTEN has the value \"8080\": invalid socket address syntax",
                "DATABASE_URL is not set",
                "REDIS_URL is not set",
                "TOKEN_SECRET must be at least 32 bytes long, has 5",
                "TOKEN_SECONDS has the value \"soon\": invalid digit found in string",
                "CAPTURE_MAIL has the value \"maybe\": expected 0 or 1",
                "ADMIN_PASSWORD is not set",
                "SUPERVISOR_EMAIL is not set",
            ]
        );
    }
}
