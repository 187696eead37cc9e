//! Many mutants in one text, each behind a switch (mutant schemata; Untch, Offutt and Harrold, 1993).
//!
//! A mutated expression becomes a choice between what was there and its mutants, a mutated function begins with one, and a
//! deleted arm of a `match` gets a condition. A file, whose path is in the text, says which mutant is on, so that every process
//! is told, also one whose environment was cleared; one that can't read it aborts, since nobody would know what it did. While
//! none is on the text does what it did. So many mutants cost one build.
//!
//! A test that fails while a mutant is on, and passes while none is, has noticed it, since it ran the mutated code (but for one that
//! looks at lines in a mutant of several lines, which are one in it). A mutant that no test notices here may still be one that the switch
//! does not reach, in a constant, at compile time. The first time that a process comes to the mutant that is on, it makes a file that
//! the switch names: with it, it is known that tests ran the mutant and passed. The switch is read at once, also where none
//! is on: a test may count what is allocated, and that must be no difference.
//!
//! No line moves: a text has its line breaks where it had them, so that panics, `line!` and what coverage counts speak of the same
//! lines. Columns do move.

mod sites;
#[cfg(test)]
mod unit;

use sites::{Kind, Site, sites};
use std::fmt::Write as _;
use std::ops::Range;
use tollgate_model::Mutant;

/// Lints that what is written here would set off, and that a crate may have made errors.
const ALLOW: &str = "#![allow(warnings, unused, unused_extern_crates, unused_qualifications)] ";

/// The function that every rewritten file ends with: which of the mutants that are here is on, 0 where none is. It needs nothing
/// of its crate, also where that does without `std`, and reads the same in every edition. What reads the file may call a mutated allocator, in which no
/// mutant is on meanwhile, and nobody waits for it. `SWITCH` is the path of the file.
const CHOICE: &str = "#[doc(hidden)] fn __tollgate_mutant(here: &[u32]) -> u32 { extern crate std as tollgate_std; \
    static ON: tollgate_std::sync::OnceLock<(u32, tollgate_std::string::String)> = tollgate_std::sync::OnceLock::new(); \
    static REACHED: tollgate_std::sync::atomic::AtomicBool = tollgate_std::sync::atomic::AtomicBool::new(false); \
    tollgate_std::thread_local! { static READS: tollgate_std::cell::Cell<bool> = const { tollgate_std::cell::Cell::new(false) }; } \
    if READS.with(|reads| reads.replace(true)) { return 0; } \
    let (on, text) = if let tollgate_std::option::Option::Some(known) = ON.get() { known } else { \
    let tollgate_std::result::Result::Ok(text) = tollgate_std::fs::read_to_string(SWITCH) else { tollgate_std::process::abort() }; \
    let tollgate_std::option::Option::Some(tollgate_std::result::Result::Ok(on)) = text.lines().next().map(str::parse) else { \
    tollgate_std::process::abort() }; ON.get_or_init(move || (on, text)) }; READS.with(|reads| reads.set(false)); \
    if *on == 0 || !here.contains(on) { return 0; } \
    if !REACHED.swap(true, tollgate_std::sync::atomic::Ordering::Relaxed) { \
    if let tollgate_std::option::Option::Some(mark) = text.lines().nth(1) { let _ = tollgate_std::fs::write(mark, \"\"); } } *on }";

/// The name of that function.
pub const SWITCH_FUNCTION: &str = "__tollgate_mutant";

/// What the file says that is the switch: which mutant is on, 0 for none, and which file a process makes that comes to it.
pub fn switch(on: u32, mark: &str) -> String {
    format!("{on}\n{mark}\n")
}

/// A text with mutants behind switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemata {
    /// The text.
    pub text: String,
    /// The mutants that are in it.
    pub ids: Vec<u32>,
    places: Vec<Place>,
}

/// Bytes of the text that are there for these mutants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    bytes: Range<usize>,
    ids: Vec<u32>,
}

impl Schemata {
    /// The mutants that a compiler's error at these places is about, its own first and then those of macros around it: the
    /// mutants of the innermost site around the first that is in one, of the function where it is in none; none outside of
    /// functions that have mutants.
    pub fn blamed<'a>(&self, places: impl IntoIterator<Item = &'a Range<usize>>) -> Option<&[u32]> {
        let found = places.into_iter().find_map(|bytes| {
            let holds = |place: &&Place| place.bytes.start <= bytes.start && bytes.end <= place.bytes.end;
            self.places.iter().filter(holds).min_by_key(|place| place.bytes.len())
        });
        found.map(|place| place.ids.as_slice())
    }
}

/// Puts mutants of a file into its text, each under its number, which is not 0; the file at `switch`, an absolute path, says which
/// is on, as [`switch`] writes it. Those that can't be expressed are left out; none is there where none can be.
pub fn schemata(source: &str, mutants: &[(u32, &Mutant)], switch: &str) -> Option<Schemata> {
    let file = parsed(source)?;
    let sites = sites(&file, source, mutants);
    let mut ids: Vec<u32> = sites.iter().flat_map(Site::ids).collect();
    ids.sort_unstable();
    let mut writer = Writer::new(source, &file);
    writer.sites(&sites);
    if !source.ends_with('\n') {
        // A comment may be the last thing that is said.
        writer.text.push('\n');
    }
    writer.text += &choice(switch);
    (!ids.is_empty()).then_some(Schemata { text: writer.text, ids, places: writer.places })
}

/// The function that says which mutant is on, by the file at this path.
fn choice(switch: &str) -> String {
    CHOICE.replace("SWITCH", &format!("{switch:?}"))
}

/// Puts the first of each function's mutants into it, in place of what was there and without a switch; none where none can be.
///
/// An error of the compiler's own (`E0308`, not a lint's) in such a function is its mutant's: bodies are checked one by one. What
/// of a body is seen from elsewhere is left out: that of a constant function, of one that is asynchronous or returns a type
/// which it does not name, and one with items in it.
pub fn applied(source: &str, mutants: &[(u32, &Mutant)]) -> Option<Schemata> {
    let file = parsed(source)?;
    let sites = sites(&file, source, mutants);
    let mut writer = Writer::new(source, &file);
    let mut ids = Vec::new();
    for function in sites.iter().filter(|site| site.kind == Kind::Function { is_sealed: true }) {
        let is_within = |site: &&Site| function.range.start <= site.range.start && site.range.end <= function.range.end;
        let replaced = sites.iter().filter(is_within).filter(|site| matches!(site.kind, Kind::Body | Kind::Expression));
        let mutants = replaced.flat_map(|site| site.alternatives.iter().map(|one| (&site.range, one)));
        if let Some((range, mutant)) = mutants.min_by_key(|(_, mutant)| mutant.id) {
            writer.copy(function.range.start);
            let began = writer.text.len();
            writer.copy(range.start);
            writer.text += &mutant.text;
            writer.at = range.end;
            writer.copy(function.range.end);
            writer.place(began, vec![mutant.id]);
            ids.push(mutant.id);
        }
    }
    writer.copy(source.len());
    (!ids.is_empty()).then_some(Schemata { text: writer.text, ids, places: writer.places })
}

/// The file, where places in it are counted in one way.
fn parsed(source: &str) -> Option<syn::File> {
    if source.starts_with('\u{feff}') || (source.starts_with("#!") && !source.starts_with("#![")) {
        return None;
    }
    syn::parse_file(source).ok()
}

/// Copies a text and writes sites in it.
struct Writer<'a> {
    source: &'a str,
    /// So far it is copied.
    at: usize,
    text: String,
    places: Vec<Place>,
}

/// A site whose end is not written yet.
struct Open<'a> {
    site: &'a Site,
    /// Where it begins in the new text.
    began: usize,
    /// Places that were there before it.
    places: usize,
}

impl<'a> Writer<'a> {
    /// One that has written what comes before all code, and that no lint is to refuse it.
    fn new(source: &'a str, file: &syn::File) -> Self {
        let mut writer = Self { source, at: 0, text: String::new(), places: Vec::new() };
        writer.copy(sites::preamble_end(file));
        writer.text += ALLOW;
        writer
    }

    /// Copies up to there.
    fn copy(&mut self, to: usize) {
        self.text += &self.source[self.at..to];
        self.at = to;
    }

    /// Writes sites, which come in order and either don't touch or lie within each other, and the rest of the text.
    fn sites(&mut self, sites: &'a [Site]) {
        let mut open: Vec<Open<'_>> = Vec::new();
        for site in sites {
            while let Some(outer) = open.pop_if(|outer| outer.site.range.end <= site.range.start) {
                self.close(&outer);
            }
            self.copy(site.range.start);
            open.push(Open { site, began: self.text.len(), places: self.places.len() });
            self.open(site);
        }
        while let Some(outer) = open.pop() {
            self.close(&outer);
        }
        self.copy(self.source.len());
    }

    fn open(&mut self, site: &Site) {
        let (head, how, tail) = match site.kind {
            Kind::Body => ("match ", " => return (", " _ => {} } "),
            // An arm ends where something with braces does, so it has parentheses.
            Kind::Expression => ("(match ", " => (", " _ => ("),
            Kind::Pattern | Kind::Function { .. } => return,
        };
        // Writing to a string can't fail.
        let _ = write!(self.text, "{head}{} {{", site.call());
        for alternative in &site.alternatives {
            let began = self.text.len();
            let _ = write!(self.text, " {}{how}{}),", alternative.id, alternative.text);
            self.place(began, vec![alternative.id]);
        }
        self.text += tail;
    }

    fn close(&mut self, open: &Open<'_>) {
        let site = open.site;
        self.copy(site.range.end);
        let mut ids: Vec<u32> = site.ids().collect();
        match site.kind {
            Kind::Body => {}
            Kind::Expression => self.text += ") })",
            Kind::Pattern => {
                let _ = write!(self.text, " if {} == 0", site.call());
            }
            Kind::Function { .. } => {
                ids.extend(self.places[open.places..].iter().flat_map(|place| &place.ids));
                ids.sort_unstable();
                ids.dedup();
            }
        }
        if !ids.is_empty() {
            self.place(open.began, ids);
        }
    }

    fn place(&mut self, began: usize, ids: Vec<u32>) {
        self.places.push(Place { bytes: began..self.text.len(), ids });
    }
}
