//! The terminal: talk goes to standard error, data to standard output, both through here.
//!
//! In a step of GitHub Actions the runner reads along on both and acts on what looks like one of its commands, and much of
//! what is shown was written by tests. So nothing but [`Console::command`] can issue one.

use crate::project::masks;
use anstyle::{AnsiColor, Style};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    io::{IsTerminal as _, Write as _},
    sync::{Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};
use tollgate_github::{add_mask, neutralise, neutralise_json};
use tollgate_model::Masks;

/// Narrowest and widest line that is written for people.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

/// A live line is redrawn at most this often; more is flicker.
const REDRAW_EVERY: Duration = Duration::from_millis(50);

/// How a status line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Plain,
    Warning,
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        let color = match self {
            Self::Good => AnsiColor::Green,
            Self::Plain => AnsiColor::Cyan,
            Self::Warning => AnsiColor::Yellow,
            Self::Bad => AnsiColor::Red,
        };
        Style::new().bold().fg_color(Some(color.into()))
    }
}

#[derive(Debug, Default)]
struct Live {
    shown: bool,
    drawn_at: Option<Instant>,
}

/// Where people read.
#[derive(Debug)]
pub(crate) struct Console {
    width: usize,
    live: Option<Mutex<Live>>,
    masks: RwLock<Masks>,
    /// Whether a runner of GitHub Actions reads along.
    runner: bool,
}

impl Console {
    /// Looks at the terminal: its width, and whether a line can be redrawn.
    pub(crate) fn detect() -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        let live = (terminal && std::env::var("TERM").is_ok_and(|term| term != "dumb")).then(Mutex::default);
        let runner = std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
        Self { width: columns(), live, masks: RwLock::new(masks(&[])), runner }
    }

    /// From here on, shows these secrets to nobody, and neither does the runner.
    pub(crate) fn mask(&self, masks: Masks) {
        let told = self.masks().clone();
        self.tell_runner(&masks, Some(&told));
        *self.masks.write().unwrap_or_else(PoisonError::into_inner) = masks;
    }

    /// Lets the runner mask what is masked here, in the steps to come too.
    pub(crate) fn register_masks(&self) {
        let masks = self.masks().clone();
        self.tell_runner(&masks, None);
    }

    /// Standard output may be for JSON; the runner reads both.
    fn tell_runner(&self, masks: &Masks, told: Option<&Masks>) {
        let told: BTreeSet<&str> = told.into_iter().flat_map(Masks::forms).collect();
        for form in masks.forms().filter(|form| self.runner && !told.contains(form)) {
            let _ = writeln!(anstream::stderr(), "{}", add_mask(form));
        }
    }

    /// Text that the runner finds no command in.
    fn harmless<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match text.trim_start().chars().next() {
            _ if !self.runner => Cow::Borrowed(text),
            // What only begins like JSON may have other lines behind.
            Some('{' | '[') => Cow::Owned(neutralise(&neutralise_json(text))),
            _ => Cow::Owned(neutralise(text)),
        }
    }

    /// A command for the runner.
    pub(crate) fn command(&self, command: &str) {
        self.write(&format!("{}\n", self.masks().apply(command)));
    }

    /// What is shown to nobody.
    pub(crate) fn masks(&self) -> RwLockReadGuard<'_, Masks> {
        self.masks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a line can be redrawn.
    pub(crate) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Columns of a line.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Whether colours may be used on standard output.
    pub(crate) fn color() -> bool {
        anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
    }

    /// A line with a right-aligned verb of at most twelve columns, as cargo and nextest write them.
    pub(crate) fn status(&self, tone: Tone, verb: &str, text: &str) {
        let style = tone.style();
        self.talk(&format!("{style}{verb:>12}{style:#} {text}"));
    }

    /// A line of talk.
    pub(crate) fn talk(&self, line: &str) {
        self.erase();
        // A closed standard error must not end a run.
        let _ = writeln!(anstream::stderr(), "{}", self.harmless(&self.masks().apply(line)));
    }

    /// Redraws the live line, where there is one.
    pub(crate) fn live(&self, verb: &str, text: &str) {
        let Some(live) = &self.live else { return };
        let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.drawn_at.is_some_and(|at| at.elapsed() < REDRAW_EVERY) {
            return;
        }
        *live = Live { shown: true, drawn_at: Some(Instant::now()) };
        let room = self.width.saturating_sub(13);
        let text: String = self.masks().apply(text).chars().take(room).collect();
        let style = Tone::Plain.style();
        let _ = write!(anstream::stderr(), "\r\x1b[K{style}{verb:>12}{style:#} {text}");
        let _ = std::io::stderr().flush();
    }

    fn erase(&self) {
        let Some(live) = &self.live else { return };
        let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut live.shown) {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
        live.drawn_at = None;
    }

    /// Data: what a command is asked for, without secrets.
    pub(crate) fn data(&self, text: &str) {
        self.whole_data(&self.masks().apply(text));
    }

    /// Data with the secrets in it, for a caller who works with them.
    pub(crate) fn whole_data(&self, text: &str) {
        self.write(&self.harmless(text));
    }

    fn write(&self, text: &str) {
        self.erase();
        // A reader that has gone away (`| head`) is no failure of the run.
        let _ = write!(anstream::stdout(), "{text}");
        let _ = std::io::stdout().flush();
    }

    /// An error with its causes and hints.
    pub(crate) fn error(&self, error: &(dyn std::error::Error + 'static), hints: &[String]) {
        let style = Tone::Bad.style();
        let text = error.to_string();
        // Many mistakes at once each bring their own heading.
        self.talk(&if text.starts_with("error") { text } else { format!("{style}error:{style:#} {text}") });
        let mut cause = error.source();
        while let Some(error) = cause {
            self.talk(&format!("caused by: {error}"));
            cause = error.source();
        }
        if !hints.is_empty() {
            self.talk("");
        }
        for hint in hints {
            self.talk(&format!("hint: {hint}"));
        }
    }
}

fn columns() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || rustix::termios::tcgetwinsize(std::io::stderr()).ok().map(|size| usize::from(size.ws_col));
    asked.or_else(seen).filter(|columns| *columns > 0).unwrap_or(80).clamp(*WIDTHS.start(), *WIDTHS.end())
}
