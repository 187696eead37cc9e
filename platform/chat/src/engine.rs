//! The reply engine: the same words always give the same reply, token by token. Pure.

use std::time::Duration;

/// A model that replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// How many times the interval passes before each token.
    pub slowness: u32,
}

/// Every model.
pub const MODELS: [Model; 3] =
    [Model { name: "small", slowness: 1 }, Model { name: "large", slowness: 1 }, Model { name: "slow", slowness: 10 }];

/// The longest reply, in tokens.
pub const REPLY_TOKENS_MAX: usize = 400;

/// Finds a model by its name.
pub fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// Counts the tokens of a text: its words.
pub fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Replies to a text, token by token; all tokens put together are the reply.
///
/// The reply names the scenario and takes up the user's words, so a longer text has a longer reply, up to
/// [`REPLY_TOKENS_MAX`].
pub fn reply(scenario: &str, text: &str) -> Vec<String> {
    let words = ["About", "the", scenario].into_iter().map(str::to_owned);
    let taken_up = text.split_whitespace().map(str::to_lowercase);
    let mut tokens: Vec<String> = words.chain(taken_up).take(REPLY_TOKENS_MAX).collect();
    let last = tokens.len() - 1;
    for (index, token) in tokens.iter_mut().enumerate() {
        token.push_str(match index {
            2 if index < last => ": ",
            _ if index == last => ".",
            _ => " ",
        });
    }
    tokens
}

/// Returns how long a model takes for one token.
pub fn pace(model: &Model, interval: Duration) -> Duration {
    interval * model.slowness
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        assert_eq!(reply("refund", text), expect, "{text}");
    }

    #[test]
    fn a_reply_takes_up_the_words_it_answers() {
        check("My ORDER", &["About ", "the ", "refund: ", "my ", "order."]);
        check("  my\n order ", &["About ", "the ", "refund: ", "my ", "order."]);
        check("", &["About ", "the ", "refund."]);
    }

    #[test]
    fn tokens_put_together_read_as_a_sentence() {
        assert_eq!(reply("greeting", "Hello there").concat(), "About the greeting: hello there.");
    }

    #[test]
    fn the_same_text_has_the_same_reply_and_another_scenario_another() {
        assert_eq!(reply("refund", "a b"), reply("refund", "a b"));
        assert_ne!(reply("refund", "a b"), reply("greeting", "a b"));
    }

    #[test]
    fn a_reply_is_never_longer_than_the_limit() {
        let long = "word ".repeat(5000);
        assert_eq!(reply("refund", &long).len(), REPLY_TOKENS_MAX);
        assert_eq!(reply("refund", &long).last().unwrap(), "word.");
    }

    #[test]
    fn tokens_are_counted_as_words() {
        assert_eq!((count(""), count(" one "), count("one two\tthree")), (0, 1, 3));
    }

    #[test]
    fn the_slow_model_takes_ten_times_as_long_for_a_token() {
        let interval = Duration::from_millis(20);
        let paces = MODELS.map(|model| pace(&model, interval).as_millis());
        assert_eq!(paces, [20, 20, 200]);
        assert_eq!(find("slow").map(|model| model.slowness), Some(10));
        assert_eq!(find("huge"), None);
    }
}
