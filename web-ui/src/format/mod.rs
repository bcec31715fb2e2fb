//! Values as people read them: money, time, addresses and sizes. All of it is pure.

mod address;
mod amount;
mod bytes;
mod time;
mod visible;

pub use address::{short_address, short_hash};
pub use amount::{decimal_amount, parse_amount, quantity, usdc};
pub use bytes::{bytes, mebibytes, percent};
pub use time::{ago, clock, countdown, duration, local_minute, minutes, moment_today, utc_minute};
pub use visible::{Piece, one_line, visible};
