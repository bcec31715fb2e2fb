//! Debts to payers: money that moved for something that was not delivered. There is one debt for
//! each payment and reason; it ends when the operator pays it back.

use super::{
    Db, LISTED, NewEvent, Store, StoreError,
    change_lock::ChangeLock,
    signed,
    sql::Row,
    sql::{Step, StepTable, owned_values},
    values,
};
use crate::ids::PaymentId;

/// A debt, due or paid back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    /// The payment.
    pub payment_id: PaymentId,
    /// Why it is owed: a short word.
    pub reason: String,
    /// Atomic units.
    pub amount: u64,
    /// `due`, `credited` or `paid`.
    pub state: String,
    /// What the operator wrote when it was settled.
    pub note: Option<String>,
    /// The transaction that paid it back.
    pub transaction: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
}

/// What is open between the operator and customers, as sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenAccounts {
    /// Sum of the debts that are due, atomic units.
    pub due: u64,
    /// The number of unresolved payments.
    pub unresolved: u64,
}

const COLUMNS: &str = "payment_id, reason, amount, state, note, transaction_hash, created_at";

fn read_debt(row: &Row<'_>) -> Result<Debt, StoreError> {
    Ok(Debt {
        payment_id: row.get("payment_id")?,
        reason: row.get("reason")?,
        amount: row.get("amount")?,
        state: row.get("state")?,
        note: row.get("note")?,
        transaction: row.get("transaction_hash")?,
        created_at: row.get("created_at")?,
    })
}

/// Makes a debt, unless the payment has one for this reason. All debts of a payment together are at
/// most its amount.
pub(super) fn owe(
    payment_id: &PaymentId,
    reason: &str,
    amount: u64,
    now: i64,
) -> Result<Step, StoreError> {
    let sql = "INSERT INTO debts (payment_id, reason, amount, state, created_at, updated_at)
         SELECT ?1, ?2, CASE WHEN rest < ?3 THEN rest ELSE ?3 END, 'due', ?4, ?4
         FROM (SELECT amount - CAST(coalesce((SELECT sum(owed.amount) FROM debts AS owed
                 WHERE owed.payment_id = ?1), 0) AS BIGINT) AS rest
             FROM payments WHERE payment_id = ?1) AS payment
         WHERE rest > 0
         ON CONFLICT (payment_id, reason) DO NOTHING";
    let values = owned_values![payment_id, reason, signed(amount)?, now];
    Ok(Step::new(StepTable::Debts, payment_id, sql, values))
}

/// Makes a debt, unless the payment has any debt: one that is owed as a whole is not owed in part
/// as well.
pub(super) fn owe_if_none(
    db: Db<'_>,
    payment_id: &PaymentId,
    reason: &str,
    amount: u64,
    now: i64,
) -> Result<bool, StoreError> {
    // Locks the row: the transition that makes a debt of the whole payment changes it in its
    // transaction.
    let sql = "SELECT 1 AS here FROM payments WHERE payment_id = ?1";
    db.exists(&format!("{sql}{}", db.and_hold()), values![payment_id])?;
    let sql = "SELECT count(*) AS known FROM debts WHERE payment_id = ?1";
    let known: u64 = db.one(sql, values![payment_id], |row| row.get("known"))?;
    if known > 0 {
        return Ok(false);
    }
    db.make(&owe(payment_id, reason, amount, now)?)?;
    Ok(true)
}

impl Store {
    /// The debts of a payment.
    ///
    /// # Errors
    /// The database failed.
    pub async fn debts_of(&self, payment_id: &PaymentId) -> Result<Vec<Debt>, StoreError> {
        let id = payment_id.clone();
        self.read(move |db| {
            let sql =
                format!("SELECT {COLUMNS} FROM debts WHERE payment_id = ?1 ORDER BY created_at");
            db.all(&sql, values![id], read_debt)
        })
        .await
    }

    /// Debts that are due, oldest first, at most [`LISTED`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn debts_due(&self) -> Result<Vec<Debt>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM debts WHERE state = 'due' ORDER BY created_at LIMIT {LISTED}"
            );
            db.all(&sql, &[], read_debt)
        })
        .await
    }

    /// Marks a debt as paid back, together with its event. False if it is not due.
    ///
    /// # Errors
    /// The database failed.
    pub async fn pay_debt(
        &self,
        payment_id: &PaymentId,
        reason: &str,
        note: &str,
        transaction: Option<&str>,
        event: NewEvent,
        now: i64,
    ) -> Result<bool, StoreError> {
        let id = payment_id.clone();
        let [reason, note] = [reason, note].map(str::to_owned);
        let transaction = transaction.map(str::to_owned);
        self.write(ChangeLock::None, move |db| {
            let paid = db.execute(
                "UPDATE debts SET state = 'paid', note = ?3, transaction_hash = ?4, updated_at = ?5
                 WHERE payment_id = ?1 AND reason = ?2 AND state = 'due'",
                values![id, reason, note, transaction, now],
            )?;
            if paid == 1 {
                db.make(&event.step(now))?;
            }
            Ok(paid == 1)
        })
        .await
    }

    /// What is open, for metrics.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_accounts(&self) -> Result<OpenAccounts, StoreError> {
        self.read(|db| {
            db.one(
                "SELECT (SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM debts WHERE state = 'due') AS due,
                     (SELECT count(*) FROM payments WHERE state = 'unresolved') AS unresolved",
                &[],
                |row| {
                    Ok(OpenAccounts {
                        due: row.get("due")?,
                        unresolved: row.get("unresolved")?,
                    })
                },
            )
        })
        .await
    }
}
