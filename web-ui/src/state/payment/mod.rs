//! Payments as they are shown: their steps, what prevents them, and the receipts.

pub mod obstacle;
pub mod receipts;
pub mod steps;
