//! Text from outside, made fit to be shown: freed of control sequences, wrapped, cut.

use jiff::Timestamp;
use std::borrow::Cow;

/// Bytes of one test's output, or one log, in a report; JUnit has all of it.
pub(super) const OUTPUT_MAX: usize = 16_384;

/// Removes escape sequences and control characters, except for line ends and tabs; test output may hold anything.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // A control sequence ends at its first letter, or at `@` to `~` in general.
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // An operating system command ends at a bell or at an escape with what follows.
                Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
                _ => {}
            },
            '\n' | '\t' => cleaned.push(c),
            // What XML can't hold can't be shown either.
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// A line of a log with the time of day only where it begins with a whole date and time; a terminal is narrow.
pub(super) fn time_of_day(line: &str) -> Cow<'_, str> {
    let parts = line.split_once(' ').and_then(|(at, rest)| Some((at.parse::<Timestamp>().ok()?, rest)));
    parts.map_or(Cow::Borrowed(line), |(at, rest)| Cow::Owned(format!("{} {rest}", at.strftime("%H:%M:%S%.3f"))))
}

/// Cuts a text to `max` characters, the last of them an ellipsis.
pub(super) fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The head and the tail of a text of at most `max` bytes together, with a note of what was cut between them.
pub(super) fn head_and_tail(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let (head, tail) = (text.floor_char_boundary(max / 2), text.ceil_char_boundary(text.len() - max / 2));
    format!("{}\n[{} bytes cut]\n{}", &text[..head], tail - head, &text[tail..])
}

/// Breaks a text into lines of at most `width` characters, at spaces where it has some.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let fits = used > 0 && used + 1 + length <= width;
        if fits {
            lines.last_mut().into_iter().for_each(|line| *line += " ");
            used += 1;
        } else if used > 0 {
            lines.push(String::new());
            used = 0;
        }
        for c in word.chars() {
            if used == width {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().into_iter().for_each(|line| line.push(c));
            used += 1;
        }
    }
    lines
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_sequences_are_removed() {
        let check = |text: &str, expect: &str| assert_eq!(clean(text), expect);
        check("\u{1b}[1;31mred\u{1b}[0m\r\nnext\tcell\u{0}", "red\nnext\tcell");
        check("\u{1b}]8;;http://x\u{7}link\u{1b}(B", "linkB");
        check("\u{1b}", "");
        check("\u{1b}[", "");
    }

    #[test]
    fn only_a_whole_date_and_time_is_shortened() {
        assert_eq!(time_of_day("2026-11-21T09:21:08.071977543Z it is 9"), "09:21:08.071 it is 9");
        assert_eq!(time_of_day("2026-11-21 it is 9"), "2026-11-21 it is 9");
        assert_eq!(time_of_day("nine"), "nine");
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüx", 3), "äö…");
        assert_eq!(head_and_tail("0123456789", 4), "01\n[6 bytes cut]\n89");
        assert_eq!(head_and_tail("ääääää", 6), "ä\n[8 bytes cut]\nä");
        assert_eq!(head_and_tail("0123", 4), "0123");
    }

    #[test]
    fn text_is_wrapped_at_spaces() {
        assert_eq!(wrap("a bc  def\nghij", 4), ["a bc", "def", "ghij"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_the_width_and_no_character_is_lost(text in "[a-z ä]{0,60}", width in 0usize..20) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width.max(1)));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }

        #[test]
        fn any_text_can_be_cleaned_and_cut(text: String, max in 0usize..50) {
            let cleaned = clean(&text);
            prop_assert!(cleaned.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            prop_assert!(clip(&cleaned, max).chars().count() <= max.max(1));
            head_and_tail(&text, max);
        }
    }
}
