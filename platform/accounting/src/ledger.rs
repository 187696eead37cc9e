//! The rules of the books: who may do what, and what a charge comes to. Knows no web framework and no database.

use crate::store::{Hold, Store};
use crate::{AccountingError, cost};
use contract::accounting::{Balance, Charge, Charged, Credit, Held, HoldRequest, Usage, UsageQuery};
use contract::{Claims, Role};
use uuid::Uuid;

/// The most that one credit may be, in micros; above it a slip of the hand is likelier than a wish.
pub const CREDIT_MICROS_MAX: i64 = 1_000_000_000_000;

/// The books of one store.
#[derive(Debug, Clone)]
pub struct Ledger<S> {
    store: S,
}

impl<S: Store> Ledger<S> {
    /// Opens the books of a store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Allocates credit to a user; for admins.
    ///
    /// # Errors
    /// `Forbidden`, `InvalidAmount`, or the store's.
    pub async fn allocate(&self, by: &Claims, user: Uuid, credit: &Credit) -> Result<Balance, AccountingError> {
        if !by.has(Role::Admin) {
            return Err(AccountingError::Forbidden { action: "allocate credit" });
        }
        if !(1..=CREDIT_MICROS_MAX).contains(&credit.amount_micros) {
            return Err(AccountingError::InvalidAmount { amount_micros: credit.amount_micros });
        }
        Ok(self.store.credit(user, credit.amount_micros, &credit.reason, by.sub).await?)
    }

    /// Reads an account: one's own, or any as an admin or a supervisor.
    ///
    /// # Errors
    /// `Forbidden`, or the store's.
    pub async fn balance(&self, by: &Claims, user: Uuid) -> Result<Balance, AccountingError> {
        may_read(by, user)?;
        Ok(self.store.account(user).await?)
    }

    /// Sets credit of the caller's own aside.
    ///
    /// # Errors
    /// `InvalidAmount`, `InsufficientCredit`, or the store's.
    pub async fn hold(&self, by: &Claims, request: &HoldRequest) -> Result<Held, AccountingError> {
        let wanted = request.amount_micros;
        if wanted <= 0 {
            return Err(AccountingError::InvalidAmount { amount_micros: wanted });
        }
        if let Some(hold) = self.store.hold(by.sub, request.session, wanted).await? {
            return Ok(Held { hold: hold.id });
        }
        let available = self.store.account(by.sub).await?.balance_micros;
        Err(AccountingError::InsufficientCredit { wanted_micros: wanted, available_micros: available })
    }

    /// Charges a hold of the caller's own at `at_ms`, milliseconds since the Unix epoch.
    ///
    /// A charge never takes more than was held, so a balance can't fall below zero.
    ///
    /// # Errors
    /// `UnknownHold`, `UnknownModel`, `ExceedsHold` (the hold stays open), or the store's.
    pub async fn charge(
        &self,
        by: &Claims,
        hold: Uuid,
        charge: &Charge,
        at_ms: i64,
    ) -> Result<Charged, AccountingError> {
        let hold = self.own_hold(by, hold).await?;
        let cost_micros = cost::cost_micros(&charge.model, charge.tokens_in, charge.tokens_out)?;
        if cost_micros > hold.amount_micros {
            return Err(AccountingError::ExceedsHold { cost_micros, held_micros: hold.amount_micros });
        }
        let usage = Usage {
            id: Uuid::new_v4(),
            session: hold.session,
            model: charge.model.clone(),
            tokens_in: charge.tokens_in,
            tokens_out: charge.tokens_out,
            cost_micros,
            partial: charge.partial,
            at_ms,
        };
        let balance = self.store.charge(&hold, &usage).await?.ok_or(AccountingError::UnknownHold { hold: hold.id })?;
        Ok(Charged { usage, balance })
    }

    /// Releases a hold of the caller's own.
    ///
    /// # Errors
    /// `UnknownHold`, or the store's.
    pub async fn release(&self, by: &Claims, hold: Uuid) -> Result<Balance, AccountingError> {
        let hold = self.own_hold(by, hold).await?;
        self.store.release(&hold).await?.ok_or(AccountingError::UnknownHold { hold: hold.id })
    }

    /// Lists usage records, newest first: the caller's own, or a named user's as an admin or a supervisor.
    ///
    /// # Errors
    /// `Forbidden`, or the store's.
    pub async fn usage(&self, by: &Claims, query: &UsageQuery) -> Result<Vec<Usage>, AccountingError> {
        let user = query.user.unwrap_or(by.sub);
        may_read(by, user)?;
        Ok(self.store.usage(user, query.session).await?)
    }

    /// Somebody else's hold is as unknown as one that never was: an id is no secret to be guessed at.
    async fn own_hold(&self, by: &Claims, hold: Uuid) -> Result<Hold, AccountingError> {
        let found = self.store.open_hold(hold).await?;
        found.filter(|found| found.user == by.sub).ok_or(AccountingError::UnknownHold { hold })
    }
}

fn may_read(by: &Claims, user: Uuid) -> Result<(), AccountingError> {
    let may = by.sub == user || by.has(Role::Admin) || by.has(Role::Supervisor);
    if may { Ok(()) } else { Err(AccountingError::Forbidden { action: "read the account of another user" }) }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::store::Memory;

    const AT_MS: i64 = 1_750_000_000_000;

    fn claims(roles: &[Role]) -> Claims {
        Claims {
            sub: Uuid::new_v4(),
            email: "someone@example.org".to_owned(),
            roles: roles.to_vec(),
            tenant: "tenant".to_owned(),
            iss: "identity".to_owned(),
            iat: 0,
            exp: u64::MAX,
        }
    }

    fn ledger() -> Ledger<Memory> {
        Ledger::new(Memory::default())
    }

    /// Books with one user who has that much credit.
    async fn with_credit(micros: i64) -> (Ledger<Memory>, Claims) {
        let (ledger, user) = (ledger(), claims(&[Role::User]));
        ledger.allocate(&claims(&[Role::Admin]), user.sub, &credit(micros)).await.unwrap();
        (ledger, user)
    }

    fn credit(amount_micros: i64) -> Credit {
        Credit { amount_micros, reason: "test".to_owned() }
    }

    fn wanting(amount_micros: i64) -> HoldRequest {
        HoldRequest { session: Uuid::new_v4(), amount_micros }
    }

    fn small(tokens_in: u64, tokens_out: u64) -> Charge {
        Charge { model: "small".to_owned(), tokens_in, tokens_out, partial: false }
    }

    async fn balance(ledger: &Ledger<Memory>, of: &Claims) -> (i64, i64) {
        let balance = ledger.balance(of, of.sub).await.unwrap();
        (balance.balance_micros, balance.held_micros)
    }

    #[tokio::test]
    async fn an_account_is_created_when_it_is_first_looked_for_and_found_afterwards() {
        let (ledger, user) = (ledger(), claims(&[Role::User]));
        assert_eq!(balance(&ledger, &user).await, (0, 0));
        ledger.allocate(&claims(&[Role::Admin]), user.sub, &credit(40)).await.unwrap();
        assert_eq!(balance(&ledger, &user).await, (40, 0));
    }

    #[tokio::test]
    async fn credits_add_up() {
        let (ledger, user) = with_credit(100).await;
        let after = ledger.allocate(&claims(&[Role::Admin]), user.sub, &credit(11)).await.unwrap();
        assert_eq!((after.user, after.balance_micros), (user.sub, 111));
    }

    #[tokio::test]
    async fn only_an_admin_allocates_credit() {
        let ledger = ledger();
        for role in [Role::User, Role::Supervisor] {
            let other = claims(&[role]);
            let error = ledger.allocate(&other, other.sub, &credit(1)).await.unwrap_err();
            assert!(matches!(error, AccountingError::Forbidden { action: "allocate credit" }), "{role:?}: {error}");
            assert_eq!(balance(&ledger, &other).await, (0, 0));
        }
    }

    #[tokio::test]
    async fn an_amount_must_be_above_zero_and_below_the_limit() {
        let (ledger, user) = with_credit(10).await;
        for micros in [0, -5, i64::MIN, CREDIT_MICROS_MAX + 1] {
            let error = ledger.allocate(&claims(&[Role::Admin]), user.sub, &credit(micros)).await.unwrap_err();
            assert!(matches!(error, AccountingError::InvalidAmount { amount_micros } if amount_micros == micros));
        }
        for micros in [0, -5] {
            let error = ledger.hold(&user, &wanting(micros)).await.unwrap_err();
            assert!(matches!(error, AccountingError::InvalidAmount { .. }), "{error}");
        }
        assert_eq!(balance(&ledger, &user).await, (10, 0));
    }

    #[tokio::test]
    async fn an_account_is_read_by_its_user_an_admin_and_a_supervisor_alone() {
        let (ledger, user) = with_credit(7).await;
        for reader in [claims(&[Role::Admin]), claims(&[Role::User, Role::Supervisor])] {
            assert_eq!(ledger.balance(&reader, user.sub).await.unwrap().balance_micros, 7);
        }
        let error = ledger.balance(&claims(&[Role::User]), user.sub).await.unwrap_err();
        assert!(matches!(error, AccountingError::Forbidden { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_streaming_session_holds_then_pays_what_it_used_and_gets_the_rest_back() {
        let (ledger, user) = with_credit(100).await;
        let request = wanting(60);
        let held = ledger.hold(&user, &request).await.unwrap();
        assert_eq!(balance(&ledger, &user).await, (40, 60));
        let charged = ledger.charge(&user, held.hold, &small(5, 10), AT_MS).await.unwrap();
        assert_eq!((charged.balance.balance_micros, charged.balance.held_micros), (75, 0));
        let usage = charged.usage;
        assert_eq!((usage.session, usage.model.as_str(), usage.at_ms), (request.session, "small", AT_MS));
        assert_eq!((usage.tokens_in, usage.tokens_out, usage.cost_micros, usage.partial), (5, 10, 25, false));
    }

    #[tokio::test]
    async fn a_hold_beyond_the_balance_is_refused_and_moves_nothing() {
        let (ledger, user) = with_credit(100).await;
        ledger.hold(&user, &wanting(70)).await.unwrap();
        let error = ledger.hold(&user, &wanting(31)).await.unwrap_err();
        assert_eq!(error.to_string(), "the balance is 30 micros, 31 are needed");
        assert_eq!(balance(&ledger, &user).await, (30, 70));
        ledger.hold(&user, &wanting(30)).await.unwrap();
        assert_eq!(balance(&ledger, &user).await, (0, 100));
    }

    #[tokio::test]
    async fn a_charge_beyond_its_hold_is_refused_and_the_hold_stays_open() {
        let (ledger, user) = with_credit(100).await;
        let held = ledger.hold(&user, &wanting(10)).await.unwrap();
        let error = ledger.charge(&user, held.hold, &small(1, 5), AT_MS).await.unwrap_err();
        assert_eq!(error.to_string(), "the charge of 11 micros exceeds the 10 that are held");
        let charged = ledger.charge(&user, held.hold, &small(0, 5), AT_MS).await.unwrap();
        assert_eq!(charged.balance.balance_micros, 90);
    }

    #[tokio::test]
    async fn a_hold_is_charged_or_released_once() {
        let (ledger, user) = with_credit(100).await;
        let charged = ledger.hold(&user, &wanting(20)).await.unwrap().hold;
        let released = ledger.hold(&user, &wanting(20)).await.unwrap().hold;
        ledger.charge(&user, charged, &small(20, 0), AT_MS).await.unwrap();
        assert_eq!(ledger.release(&user, released).await.unwrap().balance_micros, 80);
        for hold in [charged, released, Uuid::new_v4()] {
            let error = ledger.charge(&user, hold, &small(1, 0), AT_MS).await.unwrap_err();
            assert!(matches!(error, AccountingError::UnknownHold { hold: named } if named == hold), "{error}");
            let error = ledger.release(&user, hold).await.unwrap_err();
            assert!(matches!(error, AccountingError::UnknownHold { .. }), "{error}");
        }
        assert_eq!(balance(&ledger, &user).await, (80, 0));
    }

    #[tokio::test]
    async fn a_hold_of_somebody_else_is_unknown_even_to_an_admin() {
        let (ledger, user) = with_credit(50).await;
        let held = ledger.hold(&user, &wanting(20)).await.unwrap();
        for other in [claims(&[Role::User]), claims(&[Role::Admin])] {
            let error = ledger.charge(&other, held.hold, &small(1, 0), AT_MS).await.unwrap_err();
            assert!(matches!(error, AccountingError::UnknownHold { .. }), "{error}");
            assert!(ledger.release(&other, held.hold).await.is_err());
        }
        assert_eq!(balance(&ledger, &user).await, (30, 20));
    }

    #[tokio::test]
    async fn a_model_without_a_price_is_not_charged() {
        let (ledger, user) = with_credit(50).await;
        let held = ledger.hold(&user, &wanting(20)).await.unwrap();
        let charge = Charge { model: "huge".to_owned(), ..small(1, 1) };
        let error = ledger.charge(&user, held.hold, &charge, AT_MS).await.unwrap_err();
        assert!(matches!(error, AccountingError::UnknownModel { .. }), "{error}");
        assert_eq!(balance(&ledger, &user).await, (30, 20));
    }

    #[tokio::test]
    async fn usage_is_listed_newest_first_and_by_session() {
        let (ledger, user) = with_credit(100).await;
        let mut sessions = Vec::new();
        for (tokens, at_ms) in [(1, AT_MS), (2, AT_MS + 1), (3, AT_MS + 2)] {
            let request = wanting(10);
            let held = ledger.hold(&user, &request).await.unwrap();
            ledger.charge(&user, held.hold, &small(tokens, 0), at_ms).await.unwrap();
            sessions.push(request.session);
        }
        let tokens = |usage: Vec<Usage>| usage.iter().map(|usage| usage.tokens_in).collect::<Vec<_>>();
        let all = ledger.usage(&user, &UsageQuery::default()).await.unwrap();
        assert_eq!(tokens(all), [3, 2, 1]);
        let one = UsageQuery { user: None, session: Some(sessions[1]) };
        assert_eq!(tokens(ledger.usage(&user, &one).await.unwrap()), [2]);
    }

    #[tokio::test]
    async fn another_users_usage_is_for_admins_and_supervisors() {
        let (ledger, user) = with_credit(100).await;
        let held = ledger.hold(&user, &wanting(10)).await.unwrap();
        let interrupted = Charge { partial: true, ..small(1, 0) };
        ledger.charge(&user, held.hold, &interrupted, AT_MS).await.unwrap();
        let query = UsageQuery { user: Some(user.sub), session: None };
        let seen = ledger.usage(&claims(&[Role::Supervisor]), &query).await.unwrap();
        assert!(seen.len() == 1 && seen[0].partial, "{seen:?}");
        let error = ledger.usage(&claims(&[Role::User]), &query).await.unwrap_err();
        assert!(matches!(error, AccountingError::Forbidden { .. }), "{error}");
        let own = ledger.usage(&claims(&[Role::Supervisor]), &UsageQuery::default()).await.unwrap();
        assert_eq!(own, []);
    }
}
