//! Accounts in memory, for tests of the domain.

use super::{Hold, Store, StoreError};
use contract::accounting::{Balance, Usage};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// A store that lives as long as its process. One mutex makes each operation atomic.
#[derive(Debug, Default)]
pub struct Memory {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    accounts: BTreeMap<Uuid, Balance>,
    holds: BTreeMap<Uuid, Hold>,
    usage: Vec<(Uuid, Usage)>,
}

impl Memory {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn account(&mut self, user: Uuid) -> &mut Balance {
        self.accounts.entry(user).or_insert(Balance { user, balance_micros: 0, held_micros: 0 })
    }

    /// Takes an open hold off the books and gives back what it didn't cost.
    fn close(&mut self, hold: Uuid, cost_micros: i64) -> Option<Balance> {
        let hold = self.holds.remove(&hold)?;
        let account = self.account(hold.user);
        account.held_micros -= hold.amount_micros;
        account.balance_micros += hold.amount_micros - cost_micros;
        Some(account.clone())
    }
}

impl Store for Memory {
    async fn account(&self, user: Uuid) -> Result<Balance, StoreError> {
        Ok(self.books().account(user).clone())
    }

    async fn credit(&self, user: Uuid, amount_micros: i64, _: &str, _: Uuid) -> Result<Balance, StoreError> {
        let mut books = self.books();
        let account = books.account(user);
        account.balance_micros += amount_micros;
        Ok(account.clone())
    }

    async fn hold(&self, user: Uuid, session: Uuid, amount_micros: i64) -> Result<Option<Hold>, StoreError> {
        let mut books = self.books();
        let account = books.account(user);
        if account.balance_micros < amount_micros {
            return Ok(None);
        }
        account.balance_micros -= amount_micros;
        account.held_micros += amount_micros;
        let hold = Hold { id: Uuid::new_v4(), user, session, amount_micros };
        books.holds.insert(hold.id, hold.clone());
        Ok(Some(hold))
    }

    async fn open_hold(&self, hold: Uuid) -> Result<Option<Hold>, StoreError> {
        Ok(self.books().holds.get(&hold).cloned())
    }

    async fn charge(&self, hold: &Hold, usage: &Usage) -> Result<Option<Balance>, StoreError> {
        let mut books = self.books();
        let balance = books.close(hold.id, usage.cost_micros);
        if balance.is_some() {
            books.usage.push((hold.user, usage.clone()));
        }
        Ok(balance)
    }

    async fn release(&self, hold: &Hold) -> Result<Option<Balance>, StoreError> {
        Ok(self.books().close(hold.id, 0))
    }

    async fn usage(&self, user: Uuid, session: Option<Uuid>) -> Result<Vec<Usage>, StoreError> {
        let wanted =
            |owner: Uuid, usage: &Usage| owner == user && session.is_none_or(|session| usage.session == session);
        let books = self.books();
        Ok(books.usage.iter().rev().filter(|(owner, usage)| wanted(*owner, usage)).map(|(_, u)| u.clone()).collect())
    }
}
