//! What makes an e-mail address and a password acceptable, and which tenant an address belongs to.

use crate::error::Error;

/// The least and the greatest length of a password, in characters (NIST SP 800-63B, section 5.1.1.2; the upper bound
/// keeps hashing bounded).
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 10..=128;
/// The greatest length of an address, in bytes (RFC 5321, section 4.5.3.1.3).
const EMAIL_LENGTH_MAX: usize = 254;

/// An e-mail address in the one form that is stored and compared: trimmed, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// Takes an address; whether it exists only a mail can tell, so little is asked of it.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let email = text.trim().to_lowercase();
        let (local, domain) = email.split_once('@').unwrap_or_default();
        let dotted = domain.split('.').count() > 1 && domain.split('.').all(|label| !label.is_empty());
        let legal = email.len() <= EMAIL_LENGTH_MAX && !email.chars().any(|c| c.is_whitespace() || c.is_control());
        if legal && !local.is_empty() && dotted && !domain.contains('@') {
            Ok(Self(email))
        } else {
            Err(Error::InvalidEmail)
        }
    }

    /// The address.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The tenant: users of one domain belong together.
    pub(crate) fn tenant(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Checks a new password: long enough, of more than a few different characters, and not the address itself.
pub(crate) fn check_password(password: &str, email: &Email) -> Result<(), Error> {
    let length = password.chars().count();
    if !PASSWORD_LENGTH.contains(&length) {
        let (min, max) = PASSWORD_LENGTH.into_inner();
        return Err(Error::WeakPassword(format!("it must have {min} to {max} characters, has {length}")));
    }
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < 5 {
        return Err(Error::WeakPassword("it must have at least 5 different characters".to_owned()));
    }
    if password.to_lowercase().contains(email.as_str()) {
        return Err(Error::WeakPassword("it must not contain the e-mail address".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;

    fn email(text: &str) -> Option<String> {
        Email::parse(text).ok().map(|email| email.0)
    }

    fn weakness(password: &str) -> Option<String> {
        let email = Email::parse("ada@example.test").unwrap();
        check_password(password, &email).err().map(|error| error.to_string())
    }

    #[test]
    fn an_address_is_stored_in_one_form() {
        assert_eq!(email(" Ada@Example.TEST ").as_deref(), Some("ada@example.test"));
        assert_eq!(email("ada+tag@mail.example.test").as_deref(), Some("ada+tag@mail.example.test"));
        assert_eq!(Email::parse("ada@example.test").unwrap().tenant(), "example.test");
    }

    #[test]
    fn what_can_not_be_an_address_is_refused() {
        for wrong in ["", "ada", "@example.test", "ada@", "ada@host", "a@b@c.test", "ada@.test", "a da@example.test"] {
            assert_eq!(email(wrong), None, "{wrong}");
        }
        let longest = format!("{}@example.test", "a".repeat(254 - 13));
        assert!(email(&longest).is_some());
        assert_eq!(email(&format!("a{longest}")), None);
    }

    #[test]
    fn a_password_is_weak_for_its_length_its_monotony_or_the_address() {
        assert_eq!(weakness("correct horse"), None);
        assert_eq!(weakness("abcdefghij"), None);
        assert!(weakness("abcdefghi").unwrap().contains("has 9"));
        assert!(weakness(&"abcdefgh".repeat(17)).unwrap().contains("has 136"));
        assert!(weakness("abababababab").unwrap().contains("different"));
        assert!(weakness("my-Ada@Example.test").unwrap().contains("address"));
    }
}
