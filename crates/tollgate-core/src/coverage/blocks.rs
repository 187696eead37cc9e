//! Blocks of lines that a diff takes away in one place and adds, unchanged, in another.

use std::{cmp::Reverse, collections::BTreeMap};

/// How many lines with letters a block has at least: of fewer, two places may well have the same by chance, and two
/// uncovered lines are allowed to every change anyway.
const LINES_MIN: usize = 3;

/// How many letters and digits a block has at least, as for `git diff --color-moved=blocks`; here in lines that were taken
/// away only once, so that what is written everywhere makes no block.
const LETTERS_MIN: usize = 20;

/// How many places of a line are tried at most as the beginning of a block.
const PLACES_MAX: usize = 100;

/// One line of a side of a diff, without its white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) path: &'a str,
    pub(super) number: u32,
    text: String,
}

impl<'a> Line<'a> {
    pub(super) fn new(path: &'a str, number: u32, text: &str) -> Self {
        Self { path, number, text: text.split_whitespace().collect() }
    }

    /// Whether it is so many lines below another one of its file.
    fn is_below(&self, first: &Self, lines: usize) -> bool {
        self.path == first.path && u32::try_from(lines).is_ok_and(|lines| self.number == first.number + lines)
    }
}

/// The pairs of a line that was taken away and the added one that it is now. A line is in one pair at most: what is added
/// twice was moved once. Of several places that a block may come from it is the one with most lines in common.
pub(super) fn moved<'a>(removed: &'a [Line<'a>], added: &'a [Line<'a>]) -> Vec<(&'a Line<'a>, &'a Line<'a>)> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, line) in removed.iter().enumerate().filter(|(_, line)| !line.text.is_empty()) {
        places.entry(&line.text).or_default().push(place);
    }
    let mut taken = vec![false; removed.len()];
    let mut pairs = Vec::new();
    let mut next = 0;
    while let Some(line) = added.get(next) {
        let from = places.get(line.text.as_str()).into_iter().flatten().copied().filter(|place| !taken[*place]);
        let lengths =
            from.take(PLACES_MAX).map(|place| (common(&removed[place..], &taken[place..], &added[next..]), place));
        let longest = lengths.max_by_key(|(length, place)| (*length, Reverse(*place)));
        let is_once = |line: &Line| places.get(line.text.as_str()).is_some_and(|places| places.len() == 1);
        match longest.filter(|(length, _)| is_block(&added[next..next + length], is_once)) {
            Some((length, place)) => {
                taken[place..place + length].fill(true);
                pairs.extend(removed[place..place + length].iter().zip(&added[next..]));
                next += length;
            }
            None => next += 1,
        }
    }
    pairs
}

/// How many lines, one below the other on both sides, are the same.
fn common(removed: &[Line], taken: &[bool], added: &[Line]) -> usize {
    let both = removed.iter().zip(taken).zip(added).enumerate();
    let is_same = |(index, ((from, taken), to)): &(usize, ((&Line, &bool), &Line))| {
        !**taken && from.text == to.text && from.is_below(&removed[0], *index) && to.is_below(&added[0], *index)
    };
    both.take_while(is_same).count()
}

fn is_block(lines: &[Line], is_once: impl Fn(&Line) -> bool) -> bool {
    let letters = |line: &Line| line.text.chars().filter(|letter| letter.is_alphanumeric()).count();
    let full = lines.iter().filter(|line| letters(line) > 0).count();
    let own: usize = lines.iter().filter(|line| is_once(line)).map(letters).sum();
    full >= LINES_MIN && own >= LETTERS_MIN
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Lines from 1 of a file each, a file after the other; `&` begins the next one, and `~` is a line that the diff lacks.
    fn lines(text: &str) -> Vec<Line<'static>> {
        let files = ["a", "b", "c"].into_iter().zip(text.split('&'));
        let of_file = |(path, text): (&'static str, &str)| {
            let numbered = (1..).zip(text.split('/')).filter(|(_, text)| *text != "~");
            numbered.map(|(at, text)| Line::new(path, at, text)).collect::<Vec<_>>()
        };
        files.flat_map(of_file).collect()
    }

    fn check(removed: &str, added: &str) -> String {
        let (removed, added) = (lines(removed), lines(added));
        let pair = |(from, to): &(&Line, &Line)| format!("{}{}-{}{}", from.path, from.number, to.path, to.number);
        moved(&removed, &added).iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_block_is_found_wherever_it_went_and_however_it_is_indented() {
        let block = "fn the_price_of_all(/  all: u32,/) -> u32 {";
        assert_eq!(check(block, &block.replace("  ", "        ")), "a1-a1 a2-a2 a3-a3");
        assert_eq!(check(block, &format!("x/y&z/{block}/w")), "a1-b2 a2-b3 a3-b4");
        assert_eq!(check(&format!("q&}}/{block}"), &format!("}}/{block}/{block}")), "b1-a1 b2-a2 b3-a3 b4-a4");
    }

    #[test]
    fn few_lines_and_few_letters_are_the_same_by_chance() {
        assert_eq!(
            check(
                "a_line_of_many_letters/and_another_one_of_them//",
                "a_line_of_many_letters/and_another_one_of_them//"
            ),
            ""
        );
        assert_eq!(check("nineteen/letters/too", "nineteen/letters/too"), "", "18 letters");
        assert_eq!(check("nineteen/letters/four", "nineteen/letters/four"), "", "19 letters");
        assert_eq!(check("nineteen/letters/eight", "nineteen/letters/eight"), "a1-a1 a2-a2 a3-a3", "20 letters");
        let end = "Err(what_went_wrong) => return Err(what_went_wrong),/}/}/}";
        assert_eq!(check(end, end), "", "one line with letters");
        let usual = "let mut everything = Vec::new();/for one in all {/everything.push(one);";
        assert_eq!(check(&format!("{usual}&{usual}"), usual), "", "written everywhere");
    }

    #[test]
    fn lines_of_a_block_stand_one_below_the_other_on_both_sides() {
        let (one, two) = ("a line of many letters/another one of them", "a third one of its kind/and the last");
        assert_eq!(check(&format!("{one}/{two}"), &format!("{one}&{two}")), "");
        assert_eq!(check(&format!("{one}&{two}"), &format!("{one}/{two}")), "");
        assert_eq!(check(&format!("{one}/~/{two}"), &format!("{one}/{two}")), "");
        assert_eq!(check(&format!("{one}/{two}"), &format!("{one}/~/{two}")), "");
    }

    #[test]
    fn what_follows_a_block_is_looked_at_next() {
        let (three, last) = ("the very first one of them all/second/third/fourth", "the_last_one_of_all_of_them();");
        let two = format!("{three}&second/third/fourth/{last}");
        assert_eq!(check(&two, &format!("{three}/{last}")), "a1-a1 a2-a2 a3-a3 a4-a4");
    }

    #[test]
    fn the_place_with_most_lines_in_common_is_the_one_that_it_comes_from() {
        let (head, tail) = ("fn the_price_of(/cents: u32,/) -> u32 {", "the_second_one_has_this_line_too();");
        let two = format!("{head}/first_of_all_things_to_do();&{head}/{tail}");
        assert_eq!(check(&two, &format!("{head}/{tail}")), "b1-a1 b2-a2 b3-a3 b4-a4");
    }
}
