//! The standard library for WebAssembly. `wasm-target.sh` adds it with rustup, or compiles it from
//! Debian's sources of the same compiler; it does nothing where the target already works.

use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{self, root};

/// The target that browsers run.
pub const TRIPLE: &str = "wasm32-unknown-unknown";

/// Makes the target usable.
///
/// # Errors
/// Neither way works here; the script says why.
pub fn prepare() -> Result<()> {
    let script = root().join("crates/xtask/wasm-target.sh");
    workspace::run(Command::new("bash").arg(script))
        .with_context(|| format!("the target {TRIPLE} cannot be set up"))
}
