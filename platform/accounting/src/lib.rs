//! The accounting service: credits, holds, charges and usage records.
//!
//! The rules are in [`Ledger`], which knows neither the web nor the database; [`Store`] is what it keeps its books in.
//! [`Books`] adds what several processes of the service share through Redis: locks and counters.

mod app;
mod books;
mod config;
mod cost;
mod counters;
mod error;
mod ledger;
mod lock;
pub mod store;

pub use app::{State, app};
pub use books::Books;
pub use config::{Config, MIGRATOR, connect, start};
pub use cost::{PRICES, Price, cost_micros};
pub use counters::{Counters, TenantUsage, day_of};
pub use error::AccountingError;
pub use ledger::{CREDIT_MICROS_MAX, Ledger};
pub use lock::{Lock, Locks};
pub use store::Store;
