//! Values as people read them: money, time, addresses, sizes, paths, and texts of others with
//! invisible characters marked. All of it is pure.

mod address;
mod amount;
mod bytes;
mod invisible;
mod path;
mod time;

pub use address::{short_address, short_hash};
pub use amount::{decimal_amount, parse_amount, quantity, usdc};
pub use bytes::{bytes, mebibytes, percent};
pub use invisible::{TextPiece, mark_invisible, one_line};
pub use path::{curl_download, encode_query, is_file_name, join_path, path_steps};
pub use time::{
    ago, countdown, duration, elapsed, local_minute, minutes, short_minute, utc_minute,
};
