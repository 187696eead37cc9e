//! Password hashes: Argon2id, with a memory cost that the configuration sets.

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::Error;

/// Passes over the memory, the least that OWASP recommends.
const PASSES: u32 = 2;
/// Lanes; hashing happens on one thread.
const LANES: u32 = 1;

/// Hashes and checks passwords. Both take as long as they are meant to: call them off the async threads.
#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    /// The hash of no user's password, for checks that must take their time though there is no user.
    nobody: String,
}

impl Passwords {
    /// Makes a hasher with a memory cost in KiB.
    pub(crate) fn new(memory_kib: u32) -> Result<Self, Error> {
        let params = Params::new(memory_kib, PASSES, LANES, None).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, "nobody's password")?;
        Ok(Self { argon2, nobody })
    }

    /// Hashes a password with a salt of its own.
    pub(crate) fn hash(&self, password: &str) -> Result<String, Error> {
        hash(&self.argon2, password)
    }

    /// Whether a password is the one of the hash. Without a hash the answer is no, and takes as long: the time must not
    /// tell whether an address is registered.
    pub(crate) fn matches(&self, password: &str, hash: Option<&str>) -> Result<bool, Error> {
        let parsed = PasswordHash::new(hash.unwrap_or(&self.nobody)).map_err(failed)?;
        let same = self.argon2.verify_password(password.as_bytes(), &parsed).is_ok();
        Ok(same && hash.is_some())
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, Error> {
    let salt = SaltString::generate(&mut OsRng);
    argon2.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Cryptography(error.to_string())
}

#[cfg(test)]
mod unit {
    use super::*;

    /// The least memory that Argon2 takes, so that the test is quick.
    fn passwords() -> Passwords {
        Passwords::new(8).unwrap()
    }

    #[test]
    fn a_password_matches_its_own_hash_alone() {
        let passwords = passwords();
        let hash = passwords.hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=2,p=1$"), "{hash}");
        assert!(passwords.matches("correct horse", Some(&hash)).unwrap());
        assert!(!passwords.matches("Correct horse", Some(&hash)).unwrap());
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        let passwords = passwords();
        assert_ne!(passwords.hash("correct horse").unwrap(), passwords.hash("correct horse").unwrap());
    }

    #[test]
    fn without_a_user_no_password_matches() {
        assert!(!passwords().matches("nobody's password", None).unwrap());
    }

    #[test]
    fn a_broken_hash_and_an_impossible_cost_are_errors() {
        assert!(matches!(passwords().matches("x", Some("plain")), Err(Error::Cryptography(_))));
        assert!(matches!(Passwords::new(1), Err(Error::Cryptography(_))));
    }
}
