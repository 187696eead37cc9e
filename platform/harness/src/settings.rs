//! What a test learns from its environment.

/// Reads a variable that the tier provides.
///
/// # Panics
///
/// Names the variable, and the command that sets it, when it is absent.
pub fn setting(name: &str) -> String {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.unwrap_or_else(|| panic!("{}", absent(name)))
}

fn absent(name: &str) -> String {
    format!("{name} is not set: this test needs running servers; `cargo xtask test` starts them and sets the variable")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_variable_that_is_set_is_read() {
        assert!(!setting("PATH").is_empty());
    }

    #[test]
    #[should_panic(expected = "HARNESS_ABSENT is not set: this test needs running servers; `cargo xtask test` starts")]
    fn an_absent_variable_is_named_together_with_the_command() {
        setting("HARNESS_ABSENT");
    }
}
