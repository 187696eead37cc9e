//! What a reply costs: whole micros per token, by model. Pure.

use crate::AccountingError;

/// The price of one model, in micros per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The model's name.
    pub model: &'static str,
    /// A token read.
    pub per_token_in: i64,
    /// A token written.
    pub per_token_out: i64,
}

/// Every model that can be charged. `slow` is `small` at a tenth of its pace, so it costs the same.
pub const PRICES: [Price; 3] = [
    Price { model: "small", per_token_in: 1, per_token_out: 2 },
    Price { model: "large", per_token_in: 10, per_token_out: 30 },
    Price { model: "slow", per_token_in: 1, per_token_out: 2 },
];

/// Returns what a reply costs, in micros.
///
/// # Errors
/// `UnknownModel` for a model without a price; `OutOfRange` where the cost can't be counted in micros.
pub fn cost_micros(model: &str, tokens_in: u64, tokens_out: u64) -> Result<i64, AccountingError> {
    let price = PRICES
        .iter()
        .find(|price| price.model == model)
        .ok_or_else(|| AccountingError::UnknownModel { model: model.to_owned() })?;
    let part = |tokens: u64, each: i64| i64::try_from(tokens).ok()?.checked_mul(each);
    let input = part(tokens_in, price.per_token_in);
    let output = part(tokens_out, price.per_token_out);
    input.zip(output).and_then(|(input, output)| input.checked_add(output)).ok_or(AccountingError::OutOfRange)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(model: &str, tokens_in: u64, tokens_out: u64, expect: i64) {
        assert_eq!(cost_micros(model, tokens_in, tokens_out).unwrap(), expect, "{model} {tokens_in} {tokens_out}");
    }

    #[test]
    fn a_reply_costs_its_tokens_times_the_models_price() {
        check("small", 1, 0, 1);
        check("small", 0, 1, 2);
        check("small", 7, 12, 31);
        check("large", 7, 12, 430);
        check("large", 0, 0, 0);
        check("slow", 7, 12, 31);
    }

    #[test]
    fn a_model_without_a_price_is_refused_by_name() {
        let error = cost_micros("huge", 1, 1).unwrap_err();
        assert_eq!(error.to_string(), "no model is called `huge`; there are small, large, slow");
        assert!(cost_micros("Small", 1, 1).is_err());
    }

    #[test]
    fn a_cost_beyond_what_can_be_counted_is_refused_instead_of_wrapping() {
        let most = u64::try_from(i64::MAX).unwrap();
        check("small", most, 0, i64::MAX);
        for (tokens_in, tokens_out) in [(u64::MAX, 0), (most, 1), (0, most), (most / 2, most / 2)] {
            let error = cost_micros("small", tokens_in, tokens_out).unwrap_err();
            assert!(matches!(error, AccountingError::OutOfRange), "{tokens_in} {tokens_out}: {error}");
        }
    }
}
